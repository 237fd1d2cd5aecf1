"""The distillation criterions' options on fairseq-train's own command line."""

from pathlib import Path
from typing import Any

import pytest
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

from fairseq_flexdepth.cli.fairseq_options import parse_training_options


def parse(folder: Path, *options: str) -> Any:
    common = ["--arch", "transformer_tiny", "--optimizer", "adam", "--teacher-path", "a.pt:b.pt"]
    return convert_namespace_to_omegaconf(parse_training_options([*common, *options], str(folder))).criterion


@pytest.mark.parametrize("precision", ["--fp16", "--memory-efficient-fp16", "--bf16", "--amp"])
def test_defaults_are_the_papers(precision: str, tmp_path: Path) -> None:
    word_kd = parse(tmp_path, "--criterion", "word_kd", precision)
    assert (word_kd.kd_alpha, word_kd.kd_temperature, word_kd.kd_topk) == (0.5, 1.0, 0)
    assert word_kd.teacher_path == "a.pt:b.pt"
    ckd = parse(tmp_path, "--criterion", "ckd", precision)
    assert (ckd.kd_eta, ckd.kd_lambda, ckd.ckd_mapping, str(ckd.ckd_fusion)) == (0.1, 0.7, "rc", "teacher")
    assert (ckd.no_save_optimizer_state, ckd.reset_optimizer, ckd.finetune_from_model) == (False, False, None)
    pkd = parse(tmp_path, "--criterion", "pkd", precision)
    assert (pkd.kd_eta, pkd.kd_lambda, pkd.ckd_mapping, pkd.pkd_attention) == (0.1, 0.7, None, False)


def test_every_option_is_taken(tmp_path: Path) -> None:
    ckd = parse(
        tmp_path, "--criterion", "ckd", "--label-smoothing", "0.1", "--kd-temperature", "2", "--kd-topk", "8",
        "--kd-eta", "0.2", "--kd-lambda", "0.3", "--ckd-mapping", "1:1+2", "--ckd-fusion", "student",
        "--distill-decoder", "--depth-weights", "1,2", "--sample-encoder-depths", "1", "--no-save-optimizer-state",
    )  # fmt: skip
    assert (ckd.label_smoothing, ckd.kd_temperature, ckd.kd_topk, ckd.kd_eta, ckd.kd_lambda) == (0.1, 2.0, 8, 0.2, 0.3)
    assert (ckd.ckd_mapping, str(ckd.ckd_fusion), ckd.distill_decoder) == ("1:1+2", "student", True)
    assert (ckd.depth_weights, ckd.sample_encoder_depths, ckd.no_save_optimizer_state) == ("1,2", 1, True)
    assert parse(tmp_path, "--criterion", "pkd", "--pkd-attention").pkd_attention


@pytest.mark.parametrize("option", ["--ckd-fusion both", "--kd-alpha 0.5"])
def test_what_a_criterion_does_not_have_is_refused(option: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=option.split()[0]):
        parse(tmp_path, "--criterion", "ckd", *option.split())
