"""Options as YAML files hold them: numbers and lists where text is expected, and nothing at all."""

from typing import Any

import pytest
from fairseq import criterions, models, tasks
from omegaconf import OmegaConf

from fairseq_flexdepth.depth.teacher_layers import map_layers
from tests import tiny

WRITE = r"; in YAML write it in quotes, as on the command line, or leave it out for its default$"


@pytest.mark.parametrize(
    ("option", "value", "given"),
    [
        *(("encoder_depths", value, given) for value, given in (([1, 2], r"\[1, 2\]"), (None, "null"))),
        *(("subnetworks", value, given) for value, given in ((["head"], r"\['head'\]"), (None, "null"))),
        *(("layer_sharing", value, given) for value, given in ((False, "False"), (None, "null"))),
        ("residual_init", None, "null"),
        ("unique_encoder_layers", [1], r"\[1\]"),
        ("unique_decoder_layers", "x", "x"),
    ],
)
def test_models(option: str, value: Any, given: str) -> None:
    cfg = OmegaConf.create({"_name": "tied_multi_transformer", option: value})
    with pytest.raises(ValueError, match=f"^--{option.replace('_', '-')} {given}: .*{WRITE}"):
        models.build_model(cfg, tiny.task())


@pytest.mark.parametrize(
    ("criterion", "option", "value", "given"),
    [
        ("tied_multi_cross_entropy", "depth_weights", [[1, 2], [3, 4]], r"\[\[1, 2\], \[3, 4\]\]"),
        ("tied_multi_cross_entropy", "sample_encoder_depths", None, "null"),
        ("word_kd", "teacher_path", ["a.pt", "b.pt"], r"\['a.pt', 'b.pt'\]"),
        ("word_kd", "kd_alpha", "x", "x"),
        ("ckd", "ckd_mapping", [62], r"\[62\]"),
        ("ckd", "ckd_mapping", None, "null"),
        ("ckd", "ckd_fusion", None, "null"),
        ("pkd", "ckd_mapping", [62], r"\[62\]"),
        ("depth_selection", "selector_alpha", [1], r"\[1\]"),
    ],
)
def test_criterions(criterion: str, option: str, value: Any, given: str) -> None:
    cfg = OmegaConf.create({"_name": criterion, option: value})
    with pytest.raises(ValueError, match=f"^--{option.replace('_', '-')} {given}: .*{WRITE}"):
        criterions.build_criterion(cfg, tiny.task())


@pytest.mark.parametrize(
    ("option", "value"), [("depth_selector", ["a"]), ("enc_layers", [1]), ("subnetworks", ["left"])]
)
def test_tasks(option: str, value: Any) -> None:
    cfg = OmegaConf.create({"_name": "translation_flexdepth", "data": "nowhere", option: value})
    with pytest.raises(ValueError, match=f"^--{option.replace('_', '-')} .*{WRITE}"):
        tasks.setup_task(cfg)


def test_numbers_are_taken_as_text() -> None:
    sizes = {"encoder_layers": 3, "encoder_embed_dim": 16, "decoder_embed_dim": 16, "encoder_depths": 2}
    whole = {"model": {"_name": "tied_multi_transformer", **sizes}, "distributed_training": {"ddp_backend": "c10d"}}
    assert models.build_model(OmegaConf.create(whole).model, tiny.task()).depth_space.encoder == (2,)


def test_a_mapping_that_yaml_takes_for_a_number() -> None:
    assert OmegaConf.create("mapping: 1:2").mapping == 62
    with pytest.raises(ValueError, match="--ckd-mapping 62: expected rc, .*; put it in quotes in YAML"):
        map_layers("62", teacher=3, student=2)
