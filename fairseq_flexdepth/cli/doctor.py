"""``fairseq-flexdepth doctor``: checks of the installation, with a reason and a remedy for each failure."""

import argparse
import importlib
import json
import os
import shutil
from pathlib import Path
from typing import Callable, List, Tuple

from fairseq_flexdepth.cli.fairseq_options import PACKAGE, import_plugin, quiet
from fairseq_flexdepth.cli.stack_versions import FAIL, OK, VERSION_CHECKS, WARN, Check, find_environment
from fairseq_flexdepth.cli.training_model import build_training_model

NAME = "doctor"
HELP = "show what is installed, what will not work and why"

# Compiled parts of fairseq, and the features that need them.
EXTENSIONS = {
    "fairseq.data.data_utils_fast": "batching",
    "fairseq.data.token_block_utils_fast": "language-model data",
    "fairseq.libbleu": "fairseq-generate's scores",
}
REINSTALL = "pip install --force-reinstall --no-deps . in this package's repository"
SMALLEST = "tied_multi_transformer_tiny"


def check_import() -> Check:
    """Whether fairseq imports, and from where."""
    import fairseq

    if fairseq.__file__ is None:
        folders = ", ".join(fairseq.__path__)
        return Check("fairseq import", FAIL, f"{folders} is not fairseq", "run from another directory")
    return Check("fairseq import", OK, os.path.dirname(fairseq.__file__))


def check_extensions() -> Check:
    """Whether the compiled parts of fairseq load."""
    broken = []
    for module, use in EXTENSIONS.items():
        try:
            importlib.import_module(module)
        except Exception as error:  # ImportError, or ValueError if it was built for another NumPy
            broken.append(f"{module} ({use}): {error}")
    if broken:
        remedy = "with a C++ compiler: pip install --force-reinstall --no-deps --no-cache-dir fairseq again"
        return Check("C++ extensions", FAIL, "; ".join(broken), remedy)
    return Check("C++ extensions", OK, f"{len(EXTENSIONS)} of {len(EXTENSIONS)} load")


def check_cuda() -> Check:
    """Whether torch finds a GPU."""
    import torch

    if torch.cuda.is_available():
        names = {torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())}
        return Check("CUDA", OK, f"{torch.cuda.device_count()} x {', '.join(sorted(names))}")
    detail = "not available: training and decoding run on the CPU"
    if torch.version.cuda is not None:
        return Check("CUDA", WARN, detail, "on a machine with a GPU: update its driver")
    if shutil.which("nvidia-smi"):
        return Check("CUDA", WARN, detail, "install a CUDA build of torch")
    return Check("CUDA", OK, detail)


def check_plugin() -> Check:
    """Whether this package registers itself with fairseq, and lets torch's safe loader read checkpoints."""
    import_plugin()
    import torch
    from fairseq.models import ARCH_MODEL_REGISTRY

    safe = getattr(torch.serialization, "get_safe_globals", None)
    if safe is not None and argparse.Namespace not in safe():
        return Check("plugin", FAIL, "torch's weights-only loader would refuse checkpoints", REINSTALL)
    ours = [name for name, model in ARCH_MODEL_REGISTRY.items() if model.__module__.startswith(f"{PACKAGE}.")]
    if not ours:
        return Check("plugin", FAIL, "no architecture of this package is registered", REINSTALL)
    return Check("plugin", OK, f"{len(ours)} architectures registered")


def check_model() -> Check:
    """Whether the smallest architecture builds."""
    model = build_training_model(["--arch", SMALLEST], 8, 8)
    return Check("model", OK, f"{SMALLEST} builds, {sum(1 for _ in model.parameters())} tensors")


def check_user_dir() -> Check:
    """Where fairseq finds ``--user-dir fairseq_flexdepth``: in the current directory, in its package or beside it."""
    import fairseq

    import fairseq_flexdepth

    ours = Path(fairseq_flexdepth.__file__).resolve().parent
    package = Path(fairseq.__file__).resolve().parent
    candidates = [folder / PACKAGE for folder in (Path.cwd(), package, package.parent)]
    found = [candidate for candidate in candidates if candidate.exists()]
    if not found:
        detail = f"no folder {PACKAGE} in the current directory or beside fairseq"
        return Check("--user-dir", WARN, detail, f"pip install . (not -e), or give --user-dir {ours}")
    if found[0].resolve() != ours and not (found[0] / "cli" / "doctor.py").is_file():
        detail = f"fairseq finds {found[0]}, which is not this package"
        return Check("--user-dir", FAIL, detail, f"run from another directory, or give --user-dir {ours}")
    return Check("--user-dir", OK, f"{PACKAGE} is {found[0]}")


LIVE_CHECKS: Tuple[Tuple[str, Callable[[], Check]], ...] = (
    ("fairseq import", check_import),
    ("C++ extensions", check_extensions),
    ("CUDA", check_cuda),
    ("plugin", check_plugin),
    ("model", check_model),
    ("--user-dir", check_user_dir),
)


def _attempt(name: str, check: Callable[[], Check]) -> Check:
    """The result of a check; a failure if it raises."""
    try:
        return check()
    except Exception as error:  # whatever breaks here breaks training as well
        return Check(name, FAIL, f"{type(error).__name__}: {error}", "see the findings above")


def examine() -> List[Check]:
    """Run all checks; those that need fairseq are left out if it does not import."""
    environment = find_environment()
    checks = [check(environment) for check in VERSION_CHECKS]
    with quiet():
        for name, check in LIVE_CHECKS:
            checks.append(_attempt(name, check))
            if check is check_import and checks[-1].status == FAIL:
                break
    return checks

EXAMPLES = ("fairseq-flexdepth doctor", "fairseq-flexdepth doctor --json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _line(check: Check, width: int) -> str:
    """A check as one line of text."""
    remedy = f"  (remedy: {check.remedy})" if check.remedy else ""
    return f"{check.status:<4}  {check.name:<{width}}  {' '.join(check.detail.split())}{remedy}"


def run(args: argparse.Namespace) -> int:
    """Print all checks; return 0 if training and decoding will work, 1 otherwise."""
    checks = examine()
    works = all(check.status != FAIL for check in checks)
    if args.json:
        findings = [check._asdict() for check in checks]
        print(json.dumps({"ok": works, "stack": find_environment().stack, "checks": findings}))
    else:
        width = max(len(check.name) for check in checks)
        print("\n".join(_line(check, width) for check in checks))
        print(f"\nTraining and decoding {'will work' if works else 'will not work: see fail above'}.")
    return 0 if works else 1
