"""BLEU at depth pairs in validation: from sums over batches and workers; the model is as before."""

from typing import Any, Dict, List

import pytest
import torch
from fairseq.logging import metrics

from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)
from fairseq_flexdepth.tasks.translation import FlexDepthTranslationConfig, FlexDepthTranslationTask
from tests import tiny

BATCHES = [tiny.sample([6, 4, 2], [3, 7, 1], seed=1), tiny.sample([5, 3], [6, 8], seed=2)]


def build(depths: Any, **more: Any) -> Any:
    cfg = FlexDepthTranslationConfig(
        eval_bleu=True, eval_bleu_depths=depths, eval_bleu_args='{"beam": 2, "max_len_b": 6, "sampling": true}', **more
    )
    task = FlexDepthTranslationTask(cfg, tiny.dictionary(17), tiny.dictionary(21))
    args = tiny.options(encoder_layerdrop=0.1)
    args.arch = "tied_multi_transformer"
    torch.manual_seed(2)
    options = TiedMultiCrossEntropyConfig(sentence_avg=False, seed=1)
    return task, task.build_model(args), TiedMultiCrossEntropyCriterion(tiny.task(), options)


def validate(task: Any, model: Any, criterion: Any, batches: List[Any] = BATCHES) -> Dict[str, float]:
    torch.manual_seed(3)
    with metrics.aggregate(new_root=True) as logged, torch.no_grad():
        for batch in batches:
            task.reduce_metrics([task.valid_step(batch, model, criterion)[2]], criterion)
    values = {name: value for name, value in logged.get_smoothed_values().items() if name != "wps"}  # a speed
    return {**values, "random": torch.rand(1).item()}


def test_all_else_is_as_without_it() -> None:
    """Sampling and LayerDrop draw random numbers: the translations at other depths must not change fairseq's."""
    plain, more = validate(*build(None)), validate(*build("1-1,3-2"))
    assert more.pop("bleu_e3d2") == more["bleu"]
    assert more.pop("bleu_e1d1") >= 0
    assert more == plain


@pytest.mark.parametrize("chosen", [(), (2, 1)])
def test_the_depth_is_as_before_even_after_a_failure(chosen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    task, model, criterion = build("1-1")
    model.set_depth(*chosen)
    validate(task, model, criterion)
    assert model.chosen_depth == (chosen or None)
    real = task.inference_step

    def memory_is_short(*args: Any, **kwargs: Any) -> Any:
        if len(model.decoder.layers.active) == 1 and model.chosen_depth == (1, 1):
            raise RuntimeError("out of memory")
        return real(*args, **kwargs)

    monkeypatch.setattr(task, "inference_step", memory_is_short)
    with pytest.raises(RuntimeError, match="^out of memory$"):
        validate(task, model, criterion)
    assert model.chosen_depth == (chosen or None)
    assert model.decoder.layers.active == tuple(range(1, (chosen or (3, 2))[1] + 1))


def test_workers_batches_and_empty_hypotheses_are_summed() -> None:
    """The sums are not means: a worker counts as much as its sentences. Nothing but empty lines scores 0."""
    task, _, criterion = build("1-1")
    task.cfg.eval_bleu_depths = "1-1,2-2"
    counts = {f"_bleu_e1d1_{part}_{i}": value for part in ("counts", "totals") for i, value in enumerate((6, 4, 2, 1))}
    one = {**counts, "_bleu_e1d1_sys_len": 6, "_bleu_e1d1_ref_len": 6}
    other = {**dict.fromkeys(counts, 0), **{f"_bleu_e1d1_totals_{i}": n for i, n in enumerate((4, 3, 2, 1))}}
    other.update(_bleu_e1d1_sys_len=4, _bleu_e1d1_ref_len=4)
    empty = {key.replace("e1d1", "e2d2"): 0 for key in one}
    common = {"ntokens": 4, "nsentences": 1, "sample_size": 4, "loss": 1.0, "nll_loss": 1.0}
    with metrics.aggregate(new_root=True) as logged:
        task.reduce_metrics([{**common, **one, **empty}], criterion)
        task.reduce_metrics([{**common, **other, **empty}] * 2, criterion)
    values = logged.get_smoothed_values()
    # Corpus precisions 6/14, 4/10, 2/6, 1/3; no brevity penalty.
    assert values["bleu_e1d1"] == round(100 * (6 / 14 * 4 / 10 * 2 / 6 * 1 / 3) ** 0.25, 2)
    assert values["bleu_e2d2"] == 0
    assert "bleu" not in values
