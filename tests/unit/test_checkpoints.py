"""Checkpoints of any file format: code in them is refused, and the files a training started from are not needed."""

import io
import logging
import pickle
import re
import tarfile
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict

import fairseq
import numpy
import pytest
import torch
from fairseq import checkpoint_utils, models

from fairseq_flexdepth import compat
from fairseq_flexdepth.files import safe_loader
from fairseq_flexdepth.files.checkpoints import read_checkpoint
from fairseq_flexdepth.files.evaluated_options import EVALUATED, refuse_code
from fairseq_flexdepth.files.safe_loader import UnsafeCheckpointError
from fairseq_flexdepth.models import architectures  # noqa: F401  (the models)
from tests import tiny
from tests.hostile import CHECKS, Code, checked


def zipped(path: Path, folder: Path) -> None:
    torch.save({"model": {}, "args": Namespace(arch=Code(folder))}, str(path))


def legacy(path: Path, folder: Path) -> None:
    torch.save({"model": Code(folder)}, str(path), _use_new_zipfile_serialization=False)


def bare(path: Path, folder: Path) -> None:
    path.write_bytes(pickle.dumps(Code(folder), 0))


def instance(path: Path, folder: Path) -> None:
    path.write_bytes(f"(S'{folder}'\niposix\nmkdir\n.".encode())


def archived(path: Path, folder: Path) -> None:
    with tarfile.open(str(path), "w") as files:
        for name in ("storages", "tensors", "pickle"):
            content = pickle.dumps(Code(folder), 2)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            files.addfile(member, io.BytesIO(content))


def script(path: Path, folder: Path) -> None:
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(path))


def in_an_array(path: Path, folder: Path) -> None:
    torch.save({"model": {}, "best": numpy.array([Code(folder)], dtype=object)}, str(path))


FORMS: Dict[str, Callable[[Path, Path], None]] = {
    form.__name__: form for form in (zipped, legacy, bare, instance, archived, script, in_an_array)
}


@checked
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("form", FORMS)
def test_code_in_any_form_of_file(tmp_path: Path, form: str) -> None:
    path, folder = tmp_path / "code.pt", tmp_path / "code-ran"
    FORMS[form](path, folder)
    expected = f"^--teacher-path {path}: cannot be read as a fairseq checkpoint: it holds something else than weights"
    with pytest.raises(ValueError, match=expected) as error:
        read_checkpoint("--teacher-path", str(path))
    assert "\n" not in str(error.value) and "weights_only" not in str(error.value)
    assert not folder.exists()


def nested(name: str, code: str) -> Dict[str, Any]:
    return {"args": None, "cfg": {"model": {"_name": "fconv", "encoder": {name: code}}}}


def flat(name: str, code: str) -> Dict[str, Any]:
    options = tiny.options(arch="cycle_shared_transformer_lm", task="language_modeling", character_embeddings=True)
    return {"args": Namespace(**{**vars(options), name: code})}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "options, name", [(nested, "encoder_layers"), (nested, "xformers_att_config"), (flat, "character_filters")]
)
def test_options_that_fairseq_would_evaluate(tmp_path: Path, options: Callable, name: str) -> None:
    path, folder = tmp_path / "options.pt", tmp_path / "code-ran"
    history = [{"optimizer_name": "", "lr_scheduler_state": {}, "num_updates": 0}]
    state = {"model": {"weight": torch.zeros(1)}, "extra_state": {}, "optimizer_history": history}
    code = f"__import__('os').mkdir('{folder}')"
    torch.save({**state, **options(name, code)}, str(path))
    found = re.escape(code)
    with pytest.raises(ValueError, match=f"options.pt: its option {name} contains code instead of a value: {found}"):
        checkpoint_utils.load_checkpoint_to_cpu(str(path))
    assert not folder.exists()
    torch.save({**state, **options(name, "[(8, 3)] * 4")}, str(path))  # as fairseq means it
    assert "weight" in checkpoint_utils.load_checkpoint_to_cpu(str(path))["model"]


def legacy_options(args: Namespace, path: Path) -> Dict[str, Any]:
    return {"args": args}


def composed_options(args: Namespace, path: Path) -> Dict[str, Any]:
    """As fairseq saves those of models without a dataclass."""
    cfg = {"task": {"_name": "translation"}, "distributed_training": {"ddp_backend": "legacy_ddp"}}
    return {"args": None, "cfg": {**cfg, "model": {**vars(args), "_name": args.arch}}}


def nested_options(args: Namespace, path: Path) -> Dict[str, Any]:
    """As fairseq-hydra-train saves those of ``transformer``."""
    model = {"_name": "transformer", "encoder": {"embed_path": str(path)}, "decoder": {"embed_path": str(path)}}
    return {"args": None, "cfg": {"model": model, "task": {"_name": "translation"}}}


# Architectures with options that name a file which starts a training.
STARTED = {
    "tied_multi_transformer": ("encoder_embed_path", "decoder_embed_path"),
    "transformer": ("encoder_embed_path", "decoder_embed_path"),
    "lstm": ("encoder_embed_path", "decoder_embed_path"),
    "fconv": ("encoder_embed_path", "decoder_embed_path"),
    "s2t_berard": ("load_pretrained_encoder_from", "load_pretrained_decoder_from"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", [legacy_options, composed_options])
@pytest.mark.parametrize("arch", STARTED)
def test_no_file_that_started_a_training_is_looked_for(arch: str, form: Callable[..., Any], tmp_path: Path) -> None:
    args, task = tiny.options(arch=arch, encoder_layers=2, criterion="cross_entropy"), tiny.task()
    for name in ("encoder_layers", "decoder_layers") if arch == "fconv" else ():
        setattr(args, name, "[(8, 3)] * 2")
    task.data_cfg = SimpleNamespace(input_feat_per_channel=8, input_channels=1)
    models.ARCH_CONFIG_REGISTRY[arch](args)
    args.input_feat_per_channel, args.input_channels = 8, 1
    weights = models.build_model(args, task).state_dict()
    for name in STARTED[arch]:
        setattr(args, name, str(tmp_path / "gone"))
    history = [{"optimizer_name": "", "lr_scheduler_state": {}, "num_updates": 0}]
    state = {"model": weights, "extra_state": {}, "optimizer_history": history, **form(args, tmp_path / "gone")}
    torch.save(state, str(tmp_path / "model.pt"))
    task.build_model = lambda cfg, from_checkpoint=False: models.build_model(cfg, task, from_checkpoint)
    (model,), _ = checkpoint_utils.load_model_ensemble([str(tmp_path / "model.pt")], task=task)
    never_trained = (*compat.FAST_PATH_NAMES, *compat.UNTRAINED_BUFFERS)
    for name, value in model.state_dict().items():
        assert name.split(".")[-1] in never_trained or torch.equal(value, weights[name])


def test_nested_options_name_no_file_that_started_a_training(tmp_path: Path) -> None:
    history = [{"optimizer_name": "", "lr_scheduler_state": {}, "num_updates": 0}]
    state = {"model": {"weight": torch.zeros(1)}, "extra_state": {}, "optimizer_history": history}
    torch.save({**state, **nested_options(Namespace(), tmp_path / "gone")}, str(tmp_path / "model.pt"))
    cfg = checkpoint_utils.load_checkpoint_to_cpu(str(tmp_path / "model.pt"))["cfg"].model
    assert cfg.encoder.embed_path is None and cfg.decoder.embed_path is None


COMPREHENSION = "[0 for (__builtins__['map'], __builtins__['list']) in [(print, print)]][0]"


@pytest.mark.parametrize(
    "options",
    [
        {"adaptive_softmax_cutoff": "print(1)"},
        {"pipeline_encoder_balance": "print(1)"},
        {"encoder_layers": b"print(1)"},
        {"left_pad_source": COMPREHENSION},
        {"encoder_layers": "${model.note}", "note": "print(1)"},
        {"decoder_attention": "(lambda: 1)"},
        {"decoder_attention": "model.attribute"},
        {"conv_feature_layers": "[(512, 3)] ** 20"},
    ],
)
def test_ways_around_the_refusal_of_code(options: Dict[str, Any]) -> None:
    name = next(iter(options))
    with pytest.raises(UnsafeCheckpointError, match=f"^a.pt: its option {name} contains code instead of a value: "):
        refuse_code("a.pt", {"args": Namespace(**options)})


@pytest.mark.parametrize(
    "value", ["[(512, 3)] * 20", "(20000,60000)", "True", "{'name': 'a', 'size': -1}", "[1] + [2]", "dot", "a b", ""]
)
def test_values_as_fairseq_means_them(value: str) -> None:
    refuse_code("a.pt", {"cfg": {"model": {"encoder_layers": value, "decoder_attention": value.encode()}}})


def test_every_option_that_fairseq_evaluates_is_looked_at() -> None:
    """By its sources, of either stack: ``eval(args.encoder_layers)``, ``utils.eval_bool(cfg.left_pad_source)``."""
    evaluated = re.compile(r"(?<!_)eval(?:_str_list|_str_dict|_bool)?\(\s*(?:self\.)?(?:args|cfg|modality_cfg)\.(\w+)")
    folder = Path(fairseq.__file__).parent
    found = {name for path in folder.rglob("*.py") for name in evaluated.findall(path.read_text(encoding="utf-8"))}
    assert {"encoder_layers", "adaptive_softmax_cutoff", "pipeline_balance", "left_pad_source"} <= found
    assert found <= EVALUATED


def test_a_torch_without_a_safe_loader_is_warned_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save({"model": {}}, str(tmp_path / "weights.pt"))
    safe_loader._warn_of_unsafe_loading.cache_clear()
    with caplog.at_level(logging.WARNING), safe_loader.reading_checkpoint("weights.pt"):
        assert ("load only checkpoints you trust" in caplog.text) == (not CHECKS)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # torch's own switch
    for _ in range(2):
        with safe_loader.reading_checkpoint("weights.pt"):
            pass
    assert caplog.text.count("load only checkpoints you trust") == 1


def test_other_errors_are_not_changed() -> None:
    with pytest.raises(RuntimeError, match="out of memory"), safe_loader.reading_checkpoint("weights.pt"):
        raise RuntimeError("out of memory")
