"""A split of a data set and the models that translate it, set up as ``fairseq-generate`` does."""

import ast
import copy
import os
import zlib
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

import torch
from fairseq import checkpoint_utils, tasks, utils
from fairseq.data import Dictionary, data_utils
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from fairseq_flexdepth.corpus.directions import LanguageTags, of_one_direction, sentence_pairs
from fairseq_flexdepth.corpus.scores import BleuText, asked_bleu_text, asked_wer, warn_of_unspaced_words
from fairseq_flexdepth.files.binarised_data import named_batching_mistakes
from fairseq_flexdepth.files.checkpoints import brief
from fairseq_flexdepth.protocols import Hypotheses, Sample


class Split:
    """The split ``--gen-subset``, the models that translate it, and methods that turn tokens into text.

    Args:
        cfg: the options of ``fairseq-generate``.
        combine: whether NAME1, NAME2 and so on belong to the split NAME, as in ``fairseq-train``'s training data.
        paths: one or more ensembles, which translate one after another, each in the form of ``--path``: ``a.pt:b.pt``
            (default: the value of ``--path``).

    Raises:
        ValueError: the split is empty or cannot be read, a checkpoint does not hold an encoder-decoder model, or an
            option is wrong.
    """

    source_is_text = True

    def __init__(self, cfg: DictConfig, combine: bool = False, paths: Optional[Sequence[str]] = None) -> None:
        self.cfg = cfg
        if cfg.dataset.max_tokens is None and cfg.dataset.batch_size is None:
            cfg.dataset.max_tokens = 12000  # fairseq-generate's default
        if combine:
            cfg.task.upsample_primary = 1  # fairseq's default, -1, fails if the split has several parts
        self.use_cuda = torch.cuda.is_available() and not cfg.common.cpu
        self.task = tasks.setup_task(cfg.task)
        self.paths = list(paths or [cfg.common_eval.path])
        self.ensembles = [self._load_ensemble(path) for path in self.paths]
        self.models = self.ensembles[0]
        self.task.load_dataset(cfg.dataset.gen_subset, combine=combine)
        self.dataset = of_one_direction(self.task.dataset(cfg.dataset.gen_subset))
        self.pairs: Any = sentence_pairs(self.dataset) if self.source_is_text else None
        if len(self.dataset) == 0:
            raise ValueError(f"--gen-subset {cfg.dataset.gen_subset}: expected sentences")
        if getattr(self.dataset, "supports_prefetch", False):  # --dataset-impl cached reads only prefetched sentences
            self.dataset.prefetch(range(len(self.dataset)))
        self.tokenizer = self._build_detokenizer("tokenizer", self.task.build_tokenizer)
        self.bpe = self._build_detokenizer("bpe", self.task.build_bpe)
        self._tags = LanguageTags(self.task)
        self._post_process = cfg.common_eval.post_process  # kept: reading it from cfg takes longer than a sentence
        self.bleu_text = asked_bleu_text(cfg.scoring)
        self.wer = cfg.scoring if asked_wer(cfg.scoring) else None
        try:
            data_utils.post_process("", self._post_process)
        except NotImplementedError as error:
            raise ValueError(f"--post-process {self._post_process}: {error}") from error

    def _build_detokenizer(self, option: str, build: Callable[[Any], Any]) -> Any:
        """Build the tokenizer or BPE that ``--tokenizer`` or ``--bpe`` names; ``None`` without the option."""
        options = self.cfg.get(option)
        try:
            return build(options)
        except (OSError, ValueError, OmegaConfBaseException) as error:
            raise ValueError(f"--{option} {options._name}: {brief(error)}") from error

    def _load_ensemble(self, path: str) -> List[Any]:
        models = self._load_models(utils.split_paths(path), self.task)
        for model in models:
            if not (hasattr(model, "encoder") and hasattr(model, "decoder")):
                raise ValueError(f"--path {path}: holds a {type(model).__name__}; expected an encoder and a decoder")
        return models

    def _load_models(self, paths: List[str], task: Any, **overrides: Any) -> List[Any]:
        overrides.update(_overrides(self.cfg.common_eval.model_overrides))
        try:
            models, _ = checkpoint_utils.load_model_ensemble(
                paths, arg_overrides=overrides, task=task, suffix=self.cfg.checkpoint.checkpoint_suffix
            )
        except (RuntimeError, KeyError) as error:  # KeyError: fairseq 0.12.2's encoder layers
            raise ValueError(f"{os.pathsep.join(paths)}: weights do not match the model: {brief(error)}") from error
        for model in models:
            if self.cfg.common.fp16:
                model.half()
            if self.use_cuda:
                model.cuda()
            model.prepare_for_inference_(self.cfg)
        return models

    def require_references(self, needed_by: str) -> None:
        """Check that the split has references.

        Args:
            needed_by: the option or sub-command that needs them, for the error message.

        Raises:
            ValueError: the split has no target side.
        """
        if self.pairs.tgt is None:
            raise ValueError(f"--gen-subset {self.cfg.dataset.gen_subset}: expected references, {needed_by} needs them")

    def build_generator(self, models: Optional[List[Any]] = None, **changes: Any) -> Any:
        """Build the search with the options of ``fairseq-generate``.

        Args:
            models: the ensemble that translates (default: the first ensemble).
            changes: options that differ.

        Raises:
            ValueError: fairseq refuses the options, or ``--prefix-size`` is given and the split has no references.
        """
        generation = copy.deepcopy(self.cfg.generation)
        with open_dict(generation):
            generation.update(changes)
        words = len(self.task.target_dictionary)
        if generation.sampling_topk > words:
            raise ValueError(f"--sampling-topk {generation.sampling_topk}: expected {words} or less, the target words")
        if generation.prefix_size > 0:
            self.require_references(f"--prefix-size {generation.prefix_size}")
        extra = {}
        if generation.lm_path is not None:
            language_models = self._load_models([generation.lm_path], None, data=self.cfg.task.data)
            if hasattr(language_models[0], "encoder"):
                found = type(language_models[0]).__name__
                raise ValueError(f"--lm-path {generation.lm_path}: holds a {found}; expected a language model")
            extra = {"lm_model": language_models[0], "lm_weight": generation.lm_weight}
        try:
            return self.task.build_generator(models or self.models, generation, extra_gen_cls_kwargs=extra)
        except AssertionError as error:
            raise ValueError(f"fairseq refuses these options: {error}") from error

    def batches(self, **options: Any) -> Tuple[Sequence[int], ...]:
        """The sentence numbers of each batch, the same batches as in ``fairseq-generate``.

        Args:
            options: further arguments of fairseq's ``get_batch_iterator``.

        Raises:
            ValueError: a sentence has more tokens than ``--max-tokens`` or than the models' positions.
        """
        dataset, limits = self.cfg.dataset, self.max_positions
        defaults = {"max_positions": limits, "ignore_invalid_inputs": dataset.skip_invalid_size_inputs_valid_test}
        with named_batching_mistakes(f"--gen-subset {dataset.gen_subset}", dataset.max_tokens):
            iterator = self.task.get_batch_iterator(
                dataset=self.dataset,
                max_tokens=dataset.max_tokens,
                max_sentences=dataset.batch_size,
                required_batch_size_multiple=dataset.required_batch_size_multiple,
                seed=self.cfg.common.seed,
                **{**defaults, **options},
            )
        return iterator.frozen_batches

    @property
    def max_positions(self) -> Tuple[float, float]:
        """The maximum lengths of source and target, in tokens, that the task and all models support."""
        models = [model for ensemble in self.ensembles for model in ensemble]
        limits = utils.resolve_max_positions(self.task.max_positions(), *[model.max_positions() for model in models])
        return next(iter(limits.values())) if isinstance(limits, dict) else limits  # a dict has the direction's alone

    def sample(self, batch: Sequence[int]) -> Sample:
        """The sentences of *batch*, collated, on the device of the models."""
        sample = self.dataset.collater([self.dataset[index] for index in batch])
        return utils.move_to_cuda(sample) if self.use_cuda else sample

    def seed_batch(self, number: int) -> None:
        """Seed torch for batch *number*: sampling then depends on the batch and ``--seed`` alone."""
        torch.manual_seed(zlib.crc32(f"{self.cfg.common.seed} {number}".encode()))

    def search(self, generator: Any, sample: Sample, models: Optional[List[Any]] = None) -> List[Hypotheses]:
        """Translate a batch.

        Args:
            generator: the result of :meth:`build_generator`.
            sample: the batch.
            models: the ensemble that translates (default: the first ensemble).

        Returns:
            The hypotheses of each sentence, in the order of the batch.

        Raises:
            ValueError: fairseq refuses the options during the search, or a model's scores are not finite.
        """
        prefix_size = self.cfg.generation.prefix_size
        prefix = sample["target"][:, :prefix_size] if prefix_size > 0 else None
        try:
            return self.task.inference_step(generator, models or self.models, sample, prefix_tokens=prefix)
        except AssertionError as error:  # --min-len above --max-len, or nan scores
            raise ValueError(f"fairseq cannot search with these options and models: {brief(error)}") from error

    @property
    def bleu_tokenizer(self) -> BleuText:
        """The preparation of text for sentence BLEU.

        Without ``--scoring sacrebleu`` it is sacrebleu's default, 13a, if the text is detokenised, else no tokenizer.
        """
        if self.bleu_text is not None:
            return self.bleu_text
        return BleuText("13a" if self._post_process or self.bpe or self.tokenizer else "none")

    def warn_of_bleu(self) -> None:
        """Warn if BLEU needs a tokenizer for the target language and ``--scoring sacrebleu`` is not given."""
        if self.bleu_text is None and self.wer is None:
            warn_of_unspaced_words(self.languages[1])

    @property
    def languages(self) -> List[str]:
        """The codes of the source and the target language; "" for an unknown one."""
        return [self.task.options.source_lang, self.task.options.target_lang]

    def source_text(self, index: int) -> str:
        """Source sentence number *index* as text, without language tags."""
        words = self.task.source_dictionary
        return self._text(words, self.pairs.src[index].tolist(), self._tags.numbers(words))

    def reference_text(self, index: int) -> str:
        """Reference *index* as text, without language tags; as in fairseq, unknown words are escaped (``<<unk>>``)."""
        words = self.task.target_dictionary
        return self._text(words, self.pairs.tgt[index].tolist(), self._tags.numbers(words), escape_unk=True)

    def target_text(self, tokens: Sequence[int], strip: Optional[Set[int]] = None) -> str:
        """Target *tokens* as text, without the tokens in *strip*."""
        return self._text(self.task.target_dictionary, tokens, strip)

    def source_tokens(self, index: int) -> List[int]:
        """Source sentence number *index* as fairseq-preprocess writes it: without language tags."""
        return self._tags.without(self.pairs.src[index].tolist(), self.task.source_dictionary)

    def target_tokens(self, tokens: Sequence[int]) -> List[int]:
        """A translation or reference as fairseq-preprocess writes it: without language tags."""
        return self._tags.without(tokens, self.task.target_dictionary)

    def _text(
        self, dictionary: Dictionary, tokens: Sequence[int], strip: Optional[Set[int]] = None, escape_unk: bool = False
    ) -> str:
        # A list of integers, not a tensor: fairseq takes several times as long for a tensor.
        text = dictionary.string(tokens, self._post_process, escape_unk, extra_symbols_to_ignore=strip)
        text = text if self.bpe is None else self.bpe.decode(text)
        return text if self.tokenizer is None else self.tokenizer.decode(text)


def _overrides(text: str) -> Dict[str, Any]:
    """The options in the dictionary ``--model-overrides`` *text*."""
    try:
        overrides = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        overrides = None
    if not isinstance(overrides, dict):
        raise ValueError(f"--model-overrides {text}: expected a dictionary such as {{'data': 'data-bin'}}")
    return overrides
