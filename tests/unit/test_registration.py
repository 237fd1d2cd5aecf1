"""Importing the package is all that ``--user-dir`` needs, and importing it again changes nothing."""

import subprocess
import sys
from pathlib import Path

from fairseq import models
from fairseq.models import transformer

from fairseq_flexdepth.models.transformer import FlexDepthTransformer

ROOT = Path(__file__).parents[2]

IMPORT_AGAIN = """
import importlib, sys
from argparse import Namespace
from fairseq import models, registry, tasks, utils

def registered():
    from fairseq.data import data_utils
    architectures = [name for name in models.ARCH_MODEL_REGISTRY if name.startswith("tied_multi")]
    return (
        models.MODEL_REGISTRY["tied_multi_transformer"],
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


def test_presets_have_fairseqs_sizes():
    presets = {
        "tied_multi_transformer": transformer.base_architecture,
        "tied_multi_transformer_tiny": transformer.tiny_architecture,
        "tied_multi_transformer_iwslt_de_en": transformer.transformer_iwslt_de_en,
        "tied_multi_transformer_wmt_en_de": transformer.transformer_wmt_en_de,
        "tied_multi_transformer_wmt_en_de_big": transformer.transformer_wmt_en_de_big,
    }
    for name, architecture in presets.items():
        assert models.ARCH_MODEL_REGISTRY[name] is FlexDepthTransformer
        assert models.ARCH_CONFIG_REGISTRY[name] is architecture
