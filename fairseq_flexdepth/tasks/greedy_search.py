"""A task whose ``--beam 1`` runs our greedy search: with ``--fast-greedy`` and ``--draft-dec-layers``."""

import logging
from typing import Any, List, Optional, Sequence

from fairseq.data.iterators import EpochBatchIterator
from fairseq.models import BaseFairseqModel
from fairseq.tasks import FairseqTask

from fairseq_flexdepth.decoding.drafting_report import DraftingReport
from fairseq_flexdepth.decoding.final_report import FinalReport
from fairseq_flexdepth.decoding.greedy_options import (
    GreedyOptions,
    asked_options,
    model_mistakes,
    read_options,
    refuse,
    search_mistakes,
    value_mistakes,
)
from fairseq_flexdepth.decoding.self_speculative import Drafting, SelfSpeculativeGenerator
from fairseq_flexdepth.protocols import Hypotheses, Sample

logger = logging.getLogger(__name__)


class GreedySearchMixin(FairseqTask):
    """Mixin for a translation task with the options of :mod:`fairseq_flexdepth.decoding.greedy_options`."""

    cfg: Any
    _drafting: Optional[Drafting] = None  # of the latest generator of our search
    _drafting_key: Any = None  # says for which options, model and depth it is
    _report: Optional[FinalReport] = None
    _batches = 0  # of the split that is decoded next

    def build_generator(self, models: Sequence[BaseFairseqModel], args: Any, *others: Any, **kwargs: Any) -> Any:
        """Build the search, ours if the options ask for it; arguments as in fairseq.

        Raises:
            ValueError: options that cannot be combined, or a model that our search cannot run.
        """
        options = read_options(args, self.cfg)
        given = dict(zip(("seq_gen_cls", "extra_gen_cls_kwargs", "prefix_allowed_tokens_fn"), others), **kwargs)
        mistakes = value_mistakes(options)
        if options.asked:
            mistakes += [*search_mistakes(options, args, given), *model_mistakes(options, models)]
            if options.layers is not None and getattr(self.cfg, "depth_selector", None) is not None:
                selector = f"--depth-selector {self.cfg.depth_selector}"
                mistakes.append(f"{options.cause}: drafts for one depth; leave out {selector}")
        refuse(mistakes)
        if not options.asked:
            return super().build_generator(models, args, *others, **kwargs)
        further = given.get("extra_gen_cls_kwargs") or {}
        given["extra_gen_cls_kwargs"] = {**further, "drafting": self._drafting_of(options, models[0])}
        given["seq_gen_cls"] = SelfSpeculativeGenerator
        return super().build_generator(models, args, **given)

    def _drafting_of(self, options: GreedyOptions, model: BaseFairseqModel) -> Drafting:
        """How *model* drafts; kept while neither options nor depth change, for fairseq's hub builds many generators."""
        key = options, id(model), getattr(model.decoder.layers, "active", None)
        if self._drafting is None or self._drafting_key != key:
            self._drafting, self._drafting_key = Drafting(options, model), key
            self._drafting.batches = self._batches
        return self._drafting

    def begin_epoch(self, *args: Any, **kwargs: Any) -> None:
        """Refuse the options of greedy search in training.

        Raises:
            ValueError: one of them is given.
        """
        super().begin_epoch(*args, **kwargs)
        options = asked_options(self.cfg)
        if options is not None:
            raise ValueError(f"{options.cause}: is for decoding; leave it out in training")

    def get_batch_iterator(self, *args: Any, **kwargs: Any) -> EpochBatchIterator:
        """Make batches; the report is due after the last one."""
        iterator = super().get_batch_iterator(*args, **kwargs)
        self._batches = len(iterator.frozen_batches)
        self._report_due.expect(iterator)
        return iterator

    def inference_step(
        self, generator: Any, models: Sequence[BaseFairseqModel], sample: Sample, *args: Any, **kwargs: Any
    ) -> List[Hypotheses]:
        """Decode a batch; after the last one, log the report of our search."""
        drafting = self._drafting if getattr(generator, "drafting", None) is self._drafting else None
        if drafting is not None and "id" not in sample:  # fairseq-interactive
            drafting.batches += 1
            self._report_due.wait_for_exit()
        hypotheses = super().inference_step(generator, models, sample, *args, **kwargs)
        if drafting is not None:
            self._report_due.count(len(hypotheses))
        return hypotheses

    @property
    def _report_due(self) -> FinalReport:
        if self._report is None:
            self._report = FinalReport(self._log_report)
        return self._report

    def _log_report(self) -> None:
        drafting = self._drafting
        if drafting is not None and drafting.report.sentences:
            logger.info("%s", drafting.report.line(str(drafting.setting)))
            drafting.report = DraftingReport()
