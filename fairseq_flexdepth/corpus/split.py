"""A split of a data set and the models to translate it with, as ``fairseq-generate`` sets them up."""

import ast
import os
import zlib
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

import torch
from fairseq import checkpoint_utils, tasks, utils
from fairseq.data import data_utils
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from fairseq_flexdepth.corpus.scores import BleuText, warn_of_unspaced_words
from fairseq_flexdepth.files.binarised_data import named_batching_mistakes
from fairseq_flexdepth.files.checkpoints import brief

# A batch of fairseq's collater, and what beam search returns for each of its sentences, best hypothesis first.
Sample = Dict[str, Any]
Hypotheses = List[Dict[str, Any]]


class Split:
    """``--gen-subset``, the models, and the ways from tokens to text; nothing becomes text before it is used.

    Args:
        cfg: the options of ``fairseq-generate``.
        combine: continue the split NAME with NAME1, NAME2 and so on, as ``fairseq-train`` does with its training data.
        paths: the checkpoints of ensembles that translate one after another, each as ``--path`` is written, which
            is the only one by default.

    Raises:
        ValueError: the split is empty, or a checkpoint holds no encoder-decoder model.
    """

    def __init__(self, cfg: DictConfig, combine: bool = False, paths: Optional[Sequence[str]] = None) -> None:
        self.cfg = cfg
        if cfg.dataset.max_tokens is None and cfg.dataset.batch_size is None:
            cfg.dataset.max_tokens = 12000  # fairseq-generate's own default
        if combine:
            cfg.task.upsample_primary = 1  # fairseq's default, -1, fails where there is more than one part
        self.use_cuda = torch.cuda.is_available() and not cfg.common.cpu
        self.task = tasks.setup_task(cfg.task)
        self.paths = list(paths or [cfg.common_eval.path])
        self.ensembles = [self._load_ensemble(path) for path in self.paths]
        self.models = self.ensembles[0]
        self.task.load_dataset(cfg.dataset.gen_subset, combine=combine)
        self.dataset = self.task.dataset(cfg.dataset.gen_subset)
        if len(self.dataset) == 0:
            raise ValueError(f"--gen-subset {cfg.dataset.gen_subset}: expected sentences")
        if getattr(self.dataset, "supports_prefetch", False):  # --dataset-impl cached reads nothing else
            self.dataset.prefetch(range(len(self.dataset)))
        self.tokenizer = self._build_detokenizer("tokenizer", self.task.build_tokenizer)
        self.bpe = self._build_detokenizer("bpe", self.task.build_bpe)
        self._post_process = cfg.common_eval.post_process  # looking it up there costs more than a sentence's text
        self.bleu_text = _bleu_text(cfg.scoring)
        try:
            data_utils.post_process("", self._post_process)
        except NotImplementedError as error:
            raise ValueError(f"--post-process {self._post_process}: {error}") from error

    def _build_detokenizer(self, option: str, build: Callable[[Any], Any]) -> Any:
        """What ``--tokenizer`` or ``--bpe`` names, if anything."""
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
        except (RuntimeError, KeyError) as error:  # torch's; 0.12.2's encoder layers raise the other
            raise ValueError(f"{os.pathsep.join(paths)}: weights are not those of the model: {brief(error)}") from error
        for model in models:
            if self.cfg.common.fp16:
                model.half()
            if self.use_cuda:
                model.cuda()
            model.prepare_for_inference_(self.cfg)
        return models

    def require_references(self, needed_by: str) -> None:
        """Refuse a split without a target side.

        Raises:
            ValueError: it has none.
        """
        if self.dataset.tgt is None:
            raise ValueError(f"--gen-subset {self.cfg.dataset.gen_subset}: expected references, {needed_by} needs them")

    def build_generator(self, models: Optional[List[Any]] = None) -> Any:
        """fairseq's beam search or sampling with the options given, for the first ensemble or for these *models*.

        Raises:
            ValueError: fairseq refuses the options, or there are no references to take prefixes from.
        """
        generation = self.cfg.generation
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
        """The batches of sentence numbers that ``fairseq-generate`` makes; *options* are ``get_batch_iterator``'s.

        Raises:
            ValueError: a sentence does not fit into ``--max-tokens``, or is longer than the models take.
        """
        dataset = self.cfg.dataset
        defaults = {
            "max_positions": self.max_positions,
            "ignore_invalid_inputs": dataset.skip_invalid_size_inputs_valid_test,
        }
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
        """The longest source and the longest target that the task and all models take, in tokens."""
        models = [model for ensemble in self.ensembles for model in ensemble]
        return utils.resolve_max_positions(self.task.max_positions(), *[model.max_positions() for model in models])

    def sample(self, batch: Sequence[int]) -> Sample:
        """The sentences of *batch*, collated, where the models are."""
        sample = self.dataset.collater([self.dataset[index] for index in batch])
        return utils.move_to_cuda(sample) if self.use_cuda else sample

    def seed_batch(self, number: int) -> None:
        """Let what is sampled for batch *number* depend on nothing but the batch and ``--seed``."""
        torch.manual_seed(zlib.crc32(f"{self.cfg.common.seed} {number}".encode()))

    def search(self, generator: Any, sample: Sample, models: Optional[List[Any]] = None) -> List[Hypotheses]:
        """The hypotheses of every sentence of *sample*, in its order; *models* as in :meth:`build_generator`."""
        prefix_size = self.cfg.generation.prefix_size
        prefix = sample["target"][:, :prefix_size] if prefix_size > 0 else None
        try:
            return self.task.inference_step(generator, models or self.models, sample, prefix_tokens=prefix)
        except AssertionError as error:  # of lengths that no sentence can have, or of a model that says nan
            raise ValueError(f"fairseq cannot search with these options and models: {brief(error)}") from error

    @property
    def bleu_tokenizer(self) -> BleuText:
        """How sentence BLEU prepares these texts: as asked for, else as usual where their tokenisation is undone."""
        if self.bleu_text is not None:
            return self.bleu_text
        return BleuText("13a" if self._post_process or self.bpe or self.tokenizer else "none")

    def warn_of_bleu(self) -> None:
        """Log where BLEU needs a tokenizer that was not asked for."""
        if self.bleu_text is None:
            warn_of_unspaced_words(self.task.cfg.target_lang)

    def source_text(self, index: int) -> str:
        """Source sentence number *index* as text."""
        return self._text(self.task.source_dictionary, self.dataset.src[index].tolist())

    def reference_text(self, index: int) -> str:
        """Reference number *index* as text; unknown words look otherwise than in a translation, as in fairseq."""
        return self._text(self.task.target_dictionary, self.dataset.tgt[index].tolist(), escape_unk=True)

    def target_text(self, tokens: Sequence[int], strip: Optional[Set[int]] = None) -> str:
        """Target tokens, without those in *strip*, as text."""
        return self._text(self.task.target_dictionary, tokens, strip)

    def _text(
        self, dictionary: Any, tokens: Sequence[int], strip: Optional[Set[int]] = None, escape_unk: bool = False
    ) -> str:
        # Integers, not a tensor: fairseq takes several times as long to go through a tensor.
        text = dictionary.string(tokens, self._post_process, escape_unk, extra_symbols_to_ignore=strip)
        if self.bpe is not None:
            text = self.bpe.decode(text)
        return text if self.tokenizer is None else self.tokenizer.decode(text)


def _bleu_text(scoring: Any) -> Optional[BleuText]:
    """What ``--scoring sacrebleu`` asks for, once sacrebleu has made it; ``None`` without."""
    if scoring is None:
        return None
    options = scoring.sacrebleu_tokenizer, scoring.sacrebleu_lowercase, scoring.sacrebleu_char_level
    text = BleuText(*options, by_fairseq=True)
    text.metric()
    return text


def _overrides(text: str) -> Dict[str, Any]:
    """The options that ``--model-overrides`` *text* writes down."""
    try:
        overrides = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        overrides = None
    if not isinstance(overrides, dict):
        raise ValueError(f"--model-overrides {text}: expected a dictionary such as {{'data': 'data-bin'}}")
    return overrides
