"""A split of a data set and the models to translate it with, as ``fairseq-generate`` sets them up."""

import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

import torch
from fairseq import checkpoint_utils, tasks, utils
from fairseq.sequence_generator import SequenceGenerator
from omegaconf import DictConfig

from fairseq_flexdepth.decoding.depth import common_pairs
from fairseq_flexdepth.depth.space import DepthPair


class Translations(NamedTuple):
    """The best hypothesis of every sentence, in the order of the data, and what decoding cost."""

    hypotheses: List[str]
    seconds: float  # spent in beam search, as fairseq-generate counts it


class TranslatedSplit:
    """Translates ``--gen-subset`` again and again, at any depth, loading models and data once.

    Args:
        cfg: the options of ``fairseq-generate``.

    Raises:
        ValueError: the split is empty or has no references.
    """

    def __init__(self, cfg: DictConfig) -> None:
        self.cfg = cfg
        if cfg.dataset.max_tokens is None and cfg.dataset.batch_size is None:
            cfg.dataset.max_tokens = 12000  # fairseq-generate's own default
        self.use_cuda = torch.cuda.is_available() and not cfg.common.cpu
        self.task = tasks.setup_task(cfg.task)
        self.models = self._load_models()
        self.task.load_dataset(cfg.dataset.gen_subset)
        self.tokenizer = self.task.build_tokenizer(cfg.tokenizer)
        self.bpe = self.task.build_bpe(cfg.bpe)
        dataset = self.task.dataset(cfg.dataset.gen_subset)
        if len(dataset) == 0 or dataset.tgt is None:
            raise ValueError(f"--gen-subset {cfg.dataset.gen_subset}: expected sentences with references")
        self.sources = [self._text(self.task.source_dictionary, dataset.src[i]) for i in range(len(dataset))]
        self.references = [self._text(self.task.target_dictionary, dataset.tgt[i]) for i in range(len(dataset))]

    def _load_models(self) -> List[Any]:
        models, _ = checkpoint_utils.load_model_ensemble(
            utils.split_paths(self.cfg.common_eval.path), task=self.task, suffix=self.cfg.checkpoint.checkpoint_suffix
        )
        for model in models:
            if self.cfg.common.fp16:
                model.half()
            if self.use_cuda:
                model.cuda()
            model.prepare_for_inference_(self.cfg)
        return models

    @property
    def pairs(self) -> List[DepthPair]:
        """The depth pairs that all models can run; a model without depths has one."""
        return common_pairs(self.models)

    def batches(self) -> int:
        """The number of batches that :meth:`translate` works through."""
        return len(self._iterator())

    def translate(self, pair: DepthPair) -> Iterator[Optional[Translations]]:
        """Translate at depth *pair*, yielding ``None`` after every batch and the translations at the end."""
        for model in self.models:
            if hasattr(model, "set_depth"):
                model.set_depth(*pair)
        generator = self.task.build_generator(self.models, self.cfg.generation)
        found: Dict[int, str] = {}
        seconds = 0.0
        for sample in self._iterator().next_epoch_itr(shuffle=False):
            sample = utils.move_to_cuda(sample) if self.use_cuda else sample
            start = time.perf_counter()
            results = self.task.inference_step(generator, self.models, sample)
            seconds += time.perf_counter() - start
            for index, hypotheses in zip(sample["id"].tolist(), results):
                found[index] = self._hypothesis(generator, hypotheses[0])
            yield None
        yield Translations([found.get(index, "") for index in range(len(self.sources))], seconds)

    def _iterator(self) -> Any:
        dataset = self.cfg.dataset
        return self.task.get_batch_iterator(
            dataset=self.task.dataset(dataset.gen_subset),
            max_tokens=dataset.max_tokens,
            max_sentences=dataset.batch_size,
            max_positions=utils.resolve_max_positions(
                self.task.max_positions(), *[model.max_positions() for model in self.models]
            ),
            ignore_invalid_inputs=dataset.skip_invalid_size_inputs_valid_test,
            required_batch_size_multiple=dataset.required_batch_size_multiple,
            seed=self.cfg.common.seed,
            num_workers=dataset.num_workers,
        )

    def _hypothesis(self, generator: SequenceGenerator, hypothesis: Dict[str, Any]) -> str:
        tokens = hypothesis["tokens"].int().cpu()
        return self._text(self.task.target_dictionary, tokens, generator.symbols_to_strip_from_output)

    def _text(self, dictionary: Any, tokens: torch.Tensor, strip: Optional[set] = None) -> str:
        text = dictionary.string(tokens, self.cfg.common_eval.post_process, extra_symbols_to_ignore=strip)
        if self.bpe is not None:
            text = self.bpe.decode(text)
        return text if self.tokenizer is None else self.tokenizer.decode(text)
