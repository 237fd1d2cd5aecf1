"""Importing the package is all that ``--user-dir`` needs, and importing it again changes nothing."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any, Dict

import pytest
from fairseq import models
from fairseq.models import transformer
from fairseq.models.speech_to_text import s2t_transformer as speech
from fairseq.models.transformer_lm import transformer_lm_baevski_wiki103

from fairseq_flexdepth.models.transformer import FlexDepthTransformer

ROOT = Path(__file__).parents[2]

IMPORT_AGAIN = """
import importlib, sys
from argparse import Namespace
from fairseq import models, registry, tasks, utils

SPEECH = ("cycle_shared_s2t_transformer", "tied_multi_s2t_transformer")
MODELS = ("tied_multi_transformer", "cycle_shared_transformer_lm", *SPEECH)
OURS = ("tied_multi", "recurrent_stacked", "cycle_shared")

def registered():
    from fairseq.data import data_utils
    architectures = [name for name in models.ARCH_MODEL_REGISTRY if name.startswith(OURS)]
    return (
        [models.MODEL_REGISTRY[name] for name in MODELS],
        [(name, models.ARCH_CONFIG_REGISTRY[name]) for name in architectures],
        tasks.TASK_REGISTRY["translation"],
        tasks.TASK_REGISTRY["translation_flexdepth"],
        registry.REGISTRIES["criterion"]["registry"]["tied_multi_cross_entropy"],
        data_utils.batch_by_size,
    )

def ours():
    return [name for name in sys.modules if name.split(".")[0] == "fairseq_flexdepth"]

utils.import_user_module(Namespace(user_dir="fairseq_flexdepth"))
before = registered()
utils.import_user_module(Namespace(user_dir="fairseq_flexdepth"))
import fairseq_flexdepth
assert registered() == before, "import after --user-dir"
importlib.reload(fairseq_flexdepth)
assert registered() == before, "reload"
fairseq_flexdepth.register()
assert registered() == before, "register"
del sys.modules["fairseq_flexdepth"]
import fairseq_flexdepth
assert registered() == before, "import without its parts"
for name in ours():
    del sys.modules[name]
import fairseq_flexdepth
assert registered() == before, "import afresh"

from tests import tiny
model, batch = tiny.flexible_model(), tiny.sample([3, 2], [2, 4])
model(**batch["net_input"], target=batch["target"])["loss"].backward()
model.set_depth(1, 1)
assert len(tiny.generate([model], batch, 2)) == 2
print("done")
"""

NOTHING_HEAVY = """
import sys
sys.argv = ["/usr/bin/fairseq-flexdepth"]
import fairseq_flexdepth
assert not {"torch", "fairseq", "numpy"} & set(sys.modules)
print("done")
"""


def run(script):
    return subprocess.run([sys.executable, "-c", script], cwd=str(ROOT), capture_output=True, text=True)


def test_importing_again_changes_nothing():
    result = run(IMPORT_AGAIN)
    assert result.stdout.splitlines()[-1:] == ["done"], result.stderr


def test_the_console_script_imports_nothing_heavy():
    result = run(NOTHING_HEAVY)
    assert result.stdout.splitlines() == ["done"], result.stderr


SIZES = {
    "": transformer.base_architecture,
    "_tiny": transformer.tiny_architecture,
    "_iwslt_de_en": transformer.transformer_iwslt_de_en,
    "_wmt_en_de": transformer.transformer_wmt_en_de,
    "_wmt_en_de_big": transformer.transformer_wmt_en_de_big,
}
SHARING: Dict[str, Dict[str, Any]] = {
    "tied_multi_transformer": {"layer_sharing": "none"},
    "recurrent_stacked_transformer": {
        "layer_sharing": "cycle",
        "unique_encoder_layers": 1,
        "unique_decoder_layers": 1,
    },
    "cycle_shared_transformer": {
        "layer_sharing": "cycle_rev",
        "unique_encoder_layers": 6,
        "unique_decoder_layers": 6,
        "encoder_layers": 12,
        "decoder_layers": 12,
    },
}


def filled(architecture, **given):
    args = Namespace(**given)
    architecture(args)
    return vars(args)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("family", SHARING)
def test_presets_have_fairseqs_sizes_and_their_own_sharing(family, size):
    preset = models.ARCH_CONFIG_REGISTRY[family + size]
    assert models.ARCH_MODEL_REGISTRY[family + size] is FlexDepthTransformer
    assert filled(preset) == {**filled(SIZES[size]), **SHARING[family]}
    given = {"encoder_layers": 4, "decoder_layers": 2, "layer_sharing": "none"}
    unique = {name: None for name in SHARING[family] if name.startswith("unique")}
    assert filled(preset, **given) == {**filled(SIZES[size], **given), **unique}
    given = {"layer_sharing": "sequence", "unique_encoder_layers": 2, "unique_decoder_layers": 3}
    assert {**filled(preset, **given), **given} == filled(preset, **given)


def test_the_language_model_preset_is_baevskis():
    preset = models.ARCH_CONFIG_REGISTRY["cycle_shared_transformer_lm"]
    sharing = {"layer_sharing": "cycle_rev", "decoder_layers": 12, "unique_decoder_layers": 6}
    assert filled(preset) == {**filled(transformer_lm_baevski_wiki103), **sharing}
    assert filled(preset)["adaptive_input_cutoff"] == "20000,60000"


def test_the_speech_preset_has_the_sizes_of_fairseqs_medium_model():
    preset = models.ARCH_CONFIG_REGISTRY["cycle_shared_s2t_transformer"]
    assert filled(preset) == {
        **filled(speech.s2t_transformer_m),
        "layer_sharing": "cycle_rev",
        "encoder_layers": 16,
        "unique_encoder_layers": 8,
        "decoder_layers": 8,
        "unique_decoder_layers": 4,
    }


@pytest.mark.parametrize("suffix", ["", "_xs", "_s", "_sp", "_m", "_mp", "_l", "_lp"])
def test_the_speech_presets_of_every_depth_have_fairseqs_sizes(suffix):
    size = getattr(speech, f"s2t_transformer{suffix}" if suffix else "base_architecture")
    ours = {"layer_sharing": "none", "subnetworks": "head", "encoder_depths": "all", "decoder_depths": "all"}
    preset = models.ARCH_CONFIG_REGISTRY[f"tied_multi_s2t_transformer{suffix}"]
    assert filled(preset) == {**filled(size), **ours, "encoder_layerdrop": 0.0}
