"""``--best-checkpoint-metric`` before training: what validation logs is known, and what it does not log is refused."""

from types import SimpleNamespace
from typing import Any, Dict, List, Optional

import pytest
from fairseq import tasks
from fairseq.criterions.cross_entropy import CrossEntropyCriterion
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.logging import metrics
from fairseq.tasks import FairseqTask
from fairseq.tasks.translation import TranslationConfig, TranslationTask

from fairseq_flexdepth.criterions import distillation
from fairseq_flexdepth.criterions.ckd import CKDConfig, CKDCriterion
from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)
from fairseq_flexdepth.criterions.word_kd import WordKDConfig, WordKDCriterion
from fairseq_flexdepth.models.teacher import Teacher
from fairseq_flexdepth.tasks.best_metric import OF_EVERY_TASK, check_best_metric
from fairseq_flexdepth.tasks.bleu_at_depths import BleuAtDepthsMixin
from fairseq_flexdepth.tasks.translation import FlexDepthTranslationConfig, FlexDepthTranslationTask
from tests import tiny

SAMPLE = tiny.sample([6, 4, 2], [3, 7, 1])
COMMON: Dict[str, Any] = {"label_smoothing": 0.1, "sentence_avg": False, "seed": 1}


def translation(eval_bleu: bool = False) -> TranslationTask:
    return TranslationTask(TranslationConfig(eval_bleu=eval_bleu), tiny.dictionary(17), tiny.dictionary(21))


def at_depths(depths: str) -> FlexDepthTranslationTask:
    cfg = FlexDepthTranslationConfig(eval_bleu=True, eval_bleu_depths=depths)
    return FlexDepthTranslationTask(cfg, tiny.dictionary(17), tiny.dictionary(21))


def criterion(name: str, model: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(distillation, "load_teacher", lambda path, task: Teacher([tiny.plain_model(2)]))
    task, taught = tiny.task(), {**COMMON, "teacher_path": "teacher.pt"}
    if name == "cross_entropy":
        return CrossEntropyCriterion(task, False)
    if name.startswith("label_smoothed"):
        return LabelSmoothedCrossEntropyCriterion(task, False, 0.1, report_accuracy=name.endswith("accuracy"))
    taught["report_accuracy"] = name.endswith("accuracy")
    if name.startswith("tied_multi"):
        options = TiedMultiCrossEntropyConfig(**COMMON, report_accuracy=taught["report_accuracy"])
        return TiedMultiCrossEntropyCriterion(task, options)
    if name.startswith("word_kd"):
        topk, alpha = (5 if name.endswith("topk") else 0), (0.0 if name.endswith("alone") else 0.5)
        return WordKDCriterion(task, WordKDConfig(**taught, kd_topk=topk, kd_alpha=alpha))
    more: Dict[str, Any] = {"no_save_optimizer_state": False, "reset_optimizer": False, "finetune_from_model": None}
    return CKDCriterion(task, CKDConfig(**taught, **more))


def check(
    metric: str, of: Any, model: Any = None, task: Optional[FairseqTask] = None, maximize: bool = False
) -> None:
    cfg = SimpleNamespace(best_checkpoint_metric=metric, maximize_best_checkpoint_metric=maximize)
    check_best_metric(cfg, task or translation(), model or tiny.flexible_model(), of)


@pytest.mark.parametrize(
    ("name", "student"),
    [
        *((name, "plain_model") for name in ("cross_entropy", "label_smoothed", "label_smoothed_accuracy")),
        *((name, "plain_model") for name in ("word_kd", "word_kd_topk", "word_kd_alone", "word_kd_accuracy", "ckd")),
        *((name, "flexible_model") for name in ("tied_multi", "tied_multi_accuracy", "word_kd", "ckd")),
    ],
)
def test_what_validation_logs_is_taken_and_nothing_else(
    name: str, student: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = getattr(tiny, student)().train()
    tested = criterion(name, model, monkeypatch)
    if hasattr(tested, "check_model"):
        tested.check_model(model)
    tested(model, SAMPLE)  # ckd compares layers once it has trained
    task: Any = translation()
    with metrics.aggregate(new_root=True) as logged:
        task.reduce_metrics([tested(model.eval(), SAMPLE)[2]], tested)
    names = set(logged.get_smoothed_values())
    for metric in names:
        check(metric, tested, model)
    every: List[str] = [
        *("loss", "nll_loss", "ppl", "accuracy", "kd_loss", "kd_dropped", "layer_loss", "bleu"),
        *("accuracy_e1d1", "n_correct", "bleu_e1d1"),
        *("nll_e1d1", "nll_e3d2", "nll_e4d2", "nll_e3d3", "nll_e1d1 ", "Loss", ""),
    ]
    for metric in {*every} - names - {*OF_EVERY_TASK}:
        with pytest.raises(ValueError, match=f"^--best-checkpoint-metric {metric}: expected one of .*loss"):
            check(metric, tested, model)


def test_depth_pairs_are_listed_in_short(monkeypatch: pytest.MonkeyPatch) -> None:
    message = (
        "^--best-checkpoint-metric nll_e3d3: expected one of loss, nll_loss, ppl, "
        "nll_e<n>d<m> with n of 1,2,3 and m of 1,2$"
    )
    with pytest.raises(ValueError, match=message):
        check("nll_e3d3", criterion("tied_multi", None, monkeypatch))


def test_bleu_needs_its_option(monkeypatch: pytest.MonkeyPatch) -> None:
    tested = criterion("tied_multi", None, monkeypatch)
    check("bleu", tested, task=translation(eval_bleu=True), maximize=True)
    with pytest.raises(ValueError, match="--best-checkpoint-metric bleu: expected one of .*; --eval-bleu logs bleu$"):
        check("bleu", tested)
    with pytest.raises(ValueError, match="^--best-checkpoint-metric bleu: needs --eval-bleu, which logs it$"):
        check("bleu", SimpleNamespace())


def test_accuracy_needs_its_option(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="accuracy_e1d1: expected one of .*; --report-accuracy logs accuracy_e1d1$"):
        check("accuracy_e1d1", criterion("tied_multi", None, monkeypatch))
    listed = "accuracy_e4d1: expected .*accuracy_e<n>d<m> with n of 1,2,3 and m of 1,2, nll_e<n>d<m> with"
    with pytest.raises(ValueError, match=listed):
        check("accuracy_e4d1", criterion("tied_multi_accuracy", None, monkeypatch))


def test_bleu_of_a_depth_pair_needs_the_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    tested, task = criterion("tied_multi", None, monkeypatch), at_depths("1-1,3-2")
    for metric in ("bleu", "bleu_e1d1", "bleu_e3d2"):
        check(metric, tested, task=task, maximize=True)
    message = "bleu_e2d2: expected .*bleu_e1d1, bleu_e3d2, nll_e<n>d<m> with .*; --eval-bleu --eval-bleu-depths 2-2"
    with pytest.raises(ValueError, match=message):
        check("bleu_e2d2", tested, task=task)
    with pytest.raises(ValueError, match="bleu_e2d2: needs --eval-bleu-depths, which logs it"):
        check("bleu_e2d2", SimpleNamespace(), task=task)


def test_of_what_we_do_not_know_only_depth_pairs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(FairseqTask):
        def reduce_metrics(self, *args: Any) -> None:
            """It may log anything."""

    check("anything", SimpleNamespace())
    check("anything", criterion("tied_multi", None, monkeypatch), task=Other(None))
    with pytest.raises(ValueError, match="nll_e1d1: there is no such depth pair: this criterion logs no value per"):
        check("nll_e1d1", SimpleNamespace())
    with pytest.raises(ValueError, match="nll_e4d1: there is no such depth pair: loss, nll_loss, ppl, nll_e<n>d<m> w"):
        check("nll_e4d1", criterion("tied_multi", None, monkeypatch), task=Other(None))


@pytest.mark.parametrize(
    ("metric", "maximize", "advice"),
    [
        ("bleu", False, "the lowest value counts as the best; add --maximize-best-checkpoint-metric"),
        ("bleu", True, None),
        ("bleu_e1d1", False, "the lowest value counts as the best; add --maximize-best-checkpoint-metric"),
        ("bleu_e1d1", True, None),
        ("nll_e1d1", True, "the highest value counts as the best; leave out --maximize-best-checkpoint-metric"),
        ("loss", True, "the highest value counts as the best; leave out --maximize-best-checkpoint-metric"),
        ("loss", False, None),
    ],
)
def test_the_wrong_end_is_warned_of(
    metric: str, maximize: bool, advice: Optional[str], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    check(metric, criterion("tied_multi", None, monkeypatch), task=at_depths("1-1"), maximize=maximize)
    assert caplog.messages == ([f"--best-checkpoint-metric {metric}: {advice}"] if advice else [])


def test_tasks_of_the_registry_are_known_by_what_they_log() -> None:
    """A task that adds metrics of its own has its own ``reduce_metrics``."""
    for name in ("translation", "translation_flexdepth", "depth_selection", "translation_lev"):
        own = tasks.TASK_REGISTRY[name].reduce_metrics
        assert own in (
            FairseqTask.reduce_metrics, TranslationTask.reduce_metrics, BleuAtDepthsMixin.reduce_metrics
        ), name  # fmt: skip
