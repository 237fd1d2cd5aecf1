"""Tiny models for every architecture and criterion, and one update of each, in the order of fairseq's trainer."""

from argparse import Namespace
from types import SimpleNamespace
from typing import Any, Callable, Dict, Optional
from unittest import mock

import torch
from fairseq import models
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.logging import metrics
from fairseq.models import ARCH_CONFIG_REGISTRY
from fairseq.optim.sgd import SGD
from fairseq.tasks import FairseqTask
from fairseq.tasks.translation import TranslationTask

from fairseq_flexdepth.criterions import distillation
from fairseq_flexdepth.criterions.ckd import CKDConfig, CKDCriterion
from fairseq_flexdepth.criterions.cost_aware_depth_selection import (
    CostAwareDepthSelectionConfig,
    CostAwareDepthSelectionCriterion,
)
from fairseq_flexdepth.criterions.depth_selection import PaperDepthSelectionConfig, PaperDepthSelectionCriterion
from fairseq_flexdepth.criterions.multi_task_depth_cross_entropy import MultiTaskDepthCrossEntropyCriterion
from fairseq_flexdepth.criterions.pkd import PKDConfig, PKDCriterion
from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)
from fairseq_flexdepth.criterions.word_kd import WordKDConfig, WordKDCriterion
from fairseq_flexdepth.depth.subnetwork_strategies import STRATEGIES
from fairseq_flexdepth.models.teacher import Teacher
from fairseq_flexdepth.tasks.depth_selection import DepthSelectionTask
from fairseq_flexdepth.tasks.labelled_sentences import LabelledSentences
from fairseq_flexdepth.tasks.translation import FlexDepthTranslationTask
from tests import tiny
from tests.labels import WORDS, labels_of, sentences

Sizes = Dict[str, Any]


class Case:
    """A model, the criterion that trains it, and a batch."""

    def __init__(self, task: Any, model: Any, criterion: Any, sample: Dict[str, Any]) -> None:
        self.task, self.model, self.criterion, self.sample = task, model.train(), criterion, sample
        self.optimizer: Any = None  # built in the first update, after the model has moved

    def move(self, to_device: Callable[[Any], Any]) -> None:
        """Move model, criterion and batch, before the first update."""
        self.model, self.criterion, self.sample = map(to_device, (self.model, self.criterion, self.sample))

    def update(self, batches: int = 1) -> Dict[str, float]:
        """Do one SGD update on *batches* copies of the batch; return the metrics that fairseq logs."""
        if self.optimizer is None:
            parameters = [one for part in (self.model, self.criterion) for one in part.parameters()]
            self.optimizer = SGD(Namespace(lr=[0.1], momentum=0.0, weight_decay=0.0), parameters)
        self.optimizer.zero_grad()
        results = [
            self.task.train_step(self.sample, self.model, self.criterion, self.optimizer, 0) for _ in range(batches)
        ]
        self.optimizer.multiply_grads(1.0 / sum(float(sample_size) for _, sample_size, _ in results))
        norm = self.optimizer.clip_grad_norm(0.0)
        assert torch.isfinite(norm).all()  # as in fairseq's trainer
        self.task.optimizer_step(self.optimizer, self.model, 0)
        with metrics.aggregate(new_root=True) as aggregated:
            self.task.reduce_metrics([logged for _, _, logged in results], self.criterion)
        return dict(aggregated.get_smoothed_values())

    def validate(self) -> Dict[str, float]:
        """Validate on the batch; return the metrics that fairseq logs."""
        _, _, logged = self.task.valid_step(self.sample, self.model.eval(), self.criterion)
        with metrics.aggregate(new_root=True) as aggregated:
            self.task.reduce_metrics([logged], self.criterion)
        return dict(aggregated.get_smoothed_values())


def _task(kind: Any) -> Any:
    task = kind.__new__(kind)
    task.cfg = SimpleNamespace(eval_bleu=False)
    return task


def stock(sizes: Optional[Sizes] = None) -> Case:
    """fairseq's own Transformer and criterion."""
    criterion = LabelSmoothedCrossEntropyCriterion(tiny.task(), sentence_avg=False, label_smoothing=0.1)
    model = tiny.plain_model(**(sizes or {}))
    return Case(_task(TranslationTask), model, criterion, tiny.sample([6, 4, 2], [3, 7, 1]))


# Criterions for translation: class, class of options, options, and whether sentences have weights.
_DEPTHS = (TiedMultiCrossEntropyCriterion, TiedMultiCrossEntropyConfig)
_WORDS, _PKD, _CKD = (WordKDCriterion, WordKDConfig), (PKDCriterion, PKDConfig), (CKDCriterion, CKDConfig)
TRANSLATION: Dict[str, Any] = {
    "tied_multi_cross_entropy": (*_DEPTHS, {}, False),
    "tied_multi_cross_entropy, depths drawn": (*_DEPTHS, {"sample_encoder_depths": 1}, False),
    "tied_multi_cross_entropy, weights": (*_DEPTHS, {}, True),
    "multi_task_depth_cross_entropy": (MultiTaskDepthCrossEntropyCriterion, _DEPTHS[1], {}, False),
    "accumulate_depths": (*_DEPTHS, {"accumulate_depths": True}, False),
    "word_kd": (*_WORDS, {}, False),
    "word_kd, accumulated": (*_WORDS, {"accumulate_depths": True}, False),
    "word_kd, top-k, temperature": (*_WORDS, {"kd_topk": 4, "kd_temperature": 2.0}, False),
    "pkd": (*_PKD, {"ckd_mapping": "1:1,2:3"}, False),
    "pkd, attention, weights": (*_PKD, {"ckd_mapping": "1:1,2:3", "pkd_attention": True}, True),
    "ckd": (*_CKD, {"ckd_mapping": "1:1+2,2:2+3"}, False),
    "ckd, student, decoder": (*_CKD, {"ckd_mapping": "1:1+2", "ckd_fusion": "student", "distill_decoder": True}, False),
}
SELECTION: Dict[str, Any] = {
    "depth_selection": (PaperDepthSelectionCriterion, PaperDepthSelectionConfig),
    "cost_aware_depth_selection": (CostAwareDepthSelectionCriterion, CostAwareDepthSelectionConfig),
}
_ALL = {"sentence_avg": False, "seed": 1, "label_smoothing": 0.1}
_LAYERS = {"no_save_optimizer_state": False, "reset_optimizer": False, "finetune_from_model": None}

# Architectures and the options that make them.
ARCHITECTURES: Dict[str, Sizes] = {
    **{name: {"arch": "tied_multi_transformer", **norm} for name, norm in tiny.NORMS.items()},
    **{name: {"arch": "tied_multi_transformer", "subnetworks": name} for name in STRATEGIES if name != "head"},
    "LayerDrop": {"arch": "tied_multi_transformer", "encoder_layerdrop": 0.4, "decoder_layerdrop": 0.4},
    "shared embeddings": {"arch": "tied_multi_transformer", "share_all_embeddings": True},
    "Admin": {"arch": "tied_multi_transformer", "residual_init": "admin"},
    "recurrent_stacked": {"arch": "recurrent_stacked_transformer"},
    "cycle_shared": {"arch": "cycle_shared_transformer", "unique_encoder_layers": 1, "unique_decoder_layers": 1},
}


def translation(criterion: str, sizes: Optional[Sizes] = None) -> Case:
    """A case of ``TRANSLATION`` with a model of these *sizes*, which may include its architecture."""
    sizes = {"arch": "tied_multi_transformer", "encoder_layers": 2, **(sizes or {})}
    joined = bool(sizes.get("share_all_embeddings"))
    task = tiny.task(21, joined=joined)
    teacher_sizes = {key: sizes[key] for key in ("encoder_embed_dim", "decoder_embed_dim") if key in sizes}
    layers = {"encoder_layers": max(3, sizes["encoder_layers"]), "decoder_layers": max(3, sizes["encoder_layers"])}
    teacher = tiny.plain_model(2, 21, **layers, **teacher_sizes)
    torch.manual_seed(1)
    args = tiny.options(**sizes)
    ARCH_CONFIG_REGISTRY[args.arch](args)
    model = models.build_model(args, task)
    kind, config, options, weighted = TRANSLATION[criterion]
    more = {**_ALL, **options, **(_LAYERS if kind in (PKDCriterion, CKDCriterion) else {})}
    if issubclass(kind, distillation.DistillationCriterion):
        more["teacher_path"] = "teacher.pt"
    with mock.patch.object(distillation, "load_teacher", lambda path, task: Teacher([teacher])):
        built = kind(task, config(**more))
    built.check_model(model)
    sample = tiny.sample([6, 4, 2], [3, 7, 1], 21)
    if weighted:
        sample["sentence_weights"] = torch.tensor([0.5, 1.0, 0.25]).double()
    return Case(_task(FlexDepthTranslationTask), model, built, sample)


def selection(criterion: str) -> Case:
    """A case of ``SELECTION``, with a depth selector."""
    source = sentences(6, seed=1)
    labels = labels_of(source)
    task = _task(DepthSelectionTask)
    task.labels, task.dictionary = labels, tiny.dictionary(WORDS)
    sizes = {"encoder_embed_dim": 12, "encoder_ffn_embed_dim": 14, "encoder_attention_heads": 2, "encoder_layers": 2}
    torch.manual_seed(1)
    cfg = Namespace(arch="depth_selector", dropout=0.0, max_source_positions=10, **sizes)
    model = models.build_model(cfg, task)
    data = LabelledSentences(Sentences(source), labels, padding=1, shuffle=False)
    kind, config = SELECTION[criterion]
    return Case(task, model, kind(task, config()), data.collater([data[index] for index in range(len(data))]))


class Sentences(list):
    """A list of sentences with ``sizes``, as fairseq's data sets have."""

    @property
    def sizes(self) -> Any:
        return [len(sentence) for sentence in self]


CRITERIONS: Dict[str, Callable[[], Case]] = {
    **{name: lambda name=name: translation(name) for name in TRANSLATION},  # type: ignore[misc]
    **{name: lambda name=name: selection(name) for name in SELECTION},  # type: ignore[misc]
}


def of_other_tasks(model: Any, criterion: Any, sample: Dict[str, Any]) -> Case:
    """A case with fairseq's base task."""
    return Case(_task(FairseqTask), model, criterion, sample)
