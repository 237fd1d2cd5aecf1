"""The versions that each stack needs: ``doctor`` checks whether the installed ones fit together, without imports.

Stack A is fairseq-fixed on Python 3.11 and newer, stack B is fairseq 0.12.2 on Python 3.8 to 3.10; see ``compat.py``.
"""

import re
import sys
from importlib import metadata
from typing import Callable, Dict, NamedTuple, Optional, Tuple

OK, WARN, FAIL = "ok", "warn", "fail"

DISTRIBUTIONS = (
    "pip",
    "torch",
    "fairseq",
    "fairseq-fixed",
    "numpy",
    "omegaconf",
    "hydra-core",
    "sacrebleu",
    "matplotlib",
    "sentencepiece",
    "subword-nmt",
    "sacremoses",
    "ctranslate2",
    "safetensors",
    "transformers",
)
# Optional distributions, and the consequence if one is missing.
OPTIONAL = {
    "sacrebleu": "BLEU and chrF cannot be computed",
    "matplotlib": "heatmaps cannot be drawn",
    "sentencepiece": "the examples on real text cannot make subwords, nor --bpe sentencepiece read them",
    "subword-nmt": "recipes cannot make subwords, nor --bpe subword_nmt read them",
    "sacremoses": "recipes cannot clean corpora, and --tokenizer moses is not possible",
    "ctranslate2": "export to CTranslate2 and --engine ctranslate2 are not possible",
    "safetensors": "export to Hugging Face is not possible",
    "transformers": "exported Hugging Face folders cannot be loaded here",
}
# The extra in setup.py that installs an optional distribution, if one does.
EXTRAS = {
    "sentencepiece": "examples",
    "subword-nmt": "recipes",
    "sacremoses": "recipes",
    "ctranslate2": "export",
    "transformers": "huggingface",
    "safetensors": "huggingface",
}


class Check(NamedTuple):
    """The result of one check: its name, ``ok``, ``warn`` or ``fail``, a detail, and a remedy for a failure."""

    name: str
    status: str
    detail: str
    remedy: str = ""


class Environment(NamedTuple):
    """The version of Python and the versions of the installed distributions."""

    python: Tuple[int, ...]
    versions: Dict[str, Optional[str]]

    @property
    def stack(self) -> str:
        """``A`` with fairseq-fixed, ``B`` with fairseq; without either, the stack for this Python."""
        if self.versions.get("fairseq-fixed"):
            return "A"
        return "B" if self.versions.get("fairseq") or self.python < (3, 11) else "A"

    def release(self, distribution: str) -> Tuple[int, ...]:
        """The release number of a distribution: (2, 13, 0) for ``2.13.0+cpu``, () if it is not installed."""
        match = re.match(r"\d+(\.\d+)*", self.versions.get(distribution) or "")
        return tuple(int(number) for number in match.group().split(".")) if match else ()


def find_environment() -> Environment:
    """The environment of this process."""
    versions: Dict[str, Optional[str]] = {}
    for distribution in DISTRIBUTIONS:
        try:
            versions[distribution] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            versions[distribution] = None
    return Environment(tuple(sys.version_info[:3]), versions)


def check_python(environment: Environment) -> Check:
    """Whether this Python is new enough, and its stack."""
    version = ".".join(str(number) for number in environment.python)
    if environment.python < (3, 8):
        return Check("python", FAIL, f"{version} is too old", "use Python 3.8 or newer")
    wanted = "A: fairseq-fixed 0.12.3.1" if environment.python >= (3, 11) else "B: fairseq 0.12.2"
    return Check("python", OK, f"{version} (for stack {wanted})")


def check_fairseq(environment: Environment) -> Check:
    """Whether the right fairseq is installed: its last release fails on Python 3.11 (mutable dataclass defaults)."""
    newer = environment.python >= (3, 11)
    wanted = "fairseq-fixed==0.12.3.1" if newer else "fairseq==0.12.2"
    upstream, fixed = environment.versions.get("fairseq"), environment.versions.get("fairseq-fixed")
    replace = f"pip uninstall -y fairseq fairseq-fixed && pip install {wanted}"
    if upstream and fixed:
        detail = f"fairseq {upstream} and fairseq-fixed {fixed} overwrite each other's files"
        return Check("fairseq", FAIL, detail, replace)
    if fixed:
        detail = f"fairseq-fixed {fixed} (stack A)"
        if not newer:
            return Check("fairseq", WARN, f"{detail} is untested on Python below 3.11", replace)
        return _tested(detail, fixed == "0.12.3.1", replace)
    if upstream:
        detail = f"fairseq {upstream} (stack B)"
        if newer:
            return Check("fairseq", FAIL, f"{detail} does not import on Python 3.11 and newer", replace)
        return _tested(detail, upstream == "0.12.2", replace)
    return Check("fairseq", FAIL, "not installed", f"pip install {wanted}")


def _tested(detail: str, tested: bool, replace: str) -> Check:
    if tested:
        return Check("fairseq", OK, detail)
    return Check("fairseq", WARN, f"{detail} is an untested version", replace)


def check_torch(environment: Environment) -> Check:
    """Whether torch is a version tested with the stack."""
    release, version = environment.release("torch"), environment.versions.get("torch")
    tested = "1.12.1" if environment.stack == "B" else "2.13.0"
    if not release:
        return Check("torch", FAIL, "not installed", f"pip install torch=={tested}")
    fits = release >= (2,) if environment.stack == "A" else (1, 12) <= release < (2,)
    if not fits:
        detail = f"{version} is untested with stack {environment.stack}"
        return Check("torch", WARN, detail, f"if it misbehaves: pip install torch=={tested}")
    return Check("torch", OK, str(version))


def check_numpy(environment: Environment) -> Check:
    """Whether NumPy fits torch and fairseq."""
    release, version = environment.release("numpy"), environment.versions.get("numpy")
    below = "1.24" if environment.stack == "B" else "2" if () < environment.release("torch") < (2, 3) else ""
    remedy = f'pip install "numpy<{below}"' if below else "pip install numpy"
    if not release:
        return Check("numpy", FAIL, "not installed", remedy)
    if release >= (2,) and () < environment.release("torch") < (2, 3):
        detail = f"{version} does not fit torch below 2.3, which was built for NumPy 1"
        return Check("numpy", FAIL, detail, remedy)
    if environment.stack == "B" and release >= (1, 24):
        # Translation and language models are not affected.
        detail = f"{version} has no np.int and np.float, which parts of fairseq 0.12.2 use (speech, CRF)"
        return Check("numpy", WARN, detail, remedy)
    return Check("numpy", OK, str(version))


def check_hydra(environment: Environment) -> Check:
    """Whether hydra and omegaconf fit the stack: 1.3 and 2.3 on stack A, 1.0 and 2.0 on stack B."""
    versions = [f"{name} {environment.versions.get(name) or 'missing'}" for name in ("hydra-core", "omegaconf")]
    found = " and ".join(versions)
    hydra, omegaconf = environment.release("hydra-core"), environment.release("omegaconf")
    if environment.stack == "B":
        fits = () < hydra < (1, 1) and () < omegaconf < (2, 1)
        remedy = 'pip install "pip<24.1" && pip install hydra-core==1.0.7 omegaconf==2.0.6'
    else:
        fits = hydra >= (1, 3) and omegaconf >= (2, 3)
        remedy = "pip install hydra-core==1.3.2 omegaconf==2.3.0"
    if fits:
        return Check("hydra", OK, found)
    return Check("hydra", FAIL, f"{found} do not fit stack {environment.stack}", remedy)


def check_pip(environment: Environment) -> Check:
    """Whether this pip can install the stack."""
    version = environment.versions.get("pip")
    if version and environment.python < (3, 11) and environment.release("pip") >= (24, 1):
        detail = f"{version} refuses to install omegaconf 2.0.6, which fairseq 0.12.2 needs"
        return Check("pip", WARN, detail, 'pip install "pip<24.1"')
    return Check("pip", OK, version or "not in this environment")


def _check_optional(distribution: str) -> Callable[[Environment], Check]:
    def check(environment: Environment) -> Check:
        version = environment.versions.get(distribution)
        if version:
            return Check(distribution, OK, version)
        detail = f"not installed: {OPTIONAL[distribution]}"
        extra = EXTRAS.get(distribution)
        wanted = f"'fairseq_flexdepth[{extra}]'" if extra else distribution
        return Check(distribution, WARN, detail, f"pip install {wanted}")

    return check


VERSION_CHECKS: Tuple[Callable[[Environment], Check], ...] = (
    check_python,
    check_fairseq,
    check_torch,
    check_numpy,
    check_hydra,
    check_pip,
    *(_check_optional(distribution) for distribution in OPTIONAL),
)
