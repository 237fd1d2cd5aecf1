"""Say, before any data or training, what would stop a recipe later.

    python -m recipes.common.check [--quiet] [SCRIPT ...]

It prints a verdict for each recipe (default: all), with the settings of the environment (SCALE, WORK, SOURCE, GPUS,
...): "ok", or all problems, one per line. The exit status is 1 if there is any. --quiet prints problems alone.

The recipe's dry run, with DRY_RUN=data, prints the commands to check, and the files that its data scripts need; it also
refuses batches that do not fit GPUS and JOBS.
"""

import argparse
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

from recipes.common import downloads
from recipes.common.dry_run import is_training, option, recipe_scripts, split_lines

# Python packages, by a word of the commands that import them
PACKAGES: Dict[str, Tuple[str, ...]] = {
    "recipes.common.data.subwords": ("sentencepiece",),
    "recipes.common.data.bpe": ("subword_nmt",),
    "recipes.common.data.moses": ("sacremoses",),
    "recipes.common.data.parallel": ("sacremoses",),
    "recipes.common.data.librispeech": ("kaldi_native_fbank", "sentencepiece", "soundfile", "yaml"),
    "recipes.common.data.miniature": ("soundfile",),
    "recipes.common.data.spoken_digits": ("soundfile", "tqdm"),
    "recipes.common.curves": ("matplotlib",),
    "recipes.common.table": ("matplotlib", "sacrebleu"),
    "recipes.flexible_depth.figure1": ("matplotlib",),
    "recipes.tied_multi.figure2": ("matplotlib",),
    "moses": ("sacremoses",),  # --tokenizer moses
    "wer": ("editdistance",),  # --scoring wer
}
# Programs that these modules start
PROGRAMS = {"recipes.common.data.spoken_digits": "espeak-ng"}
CONNECTIONS = 16  # at the same time
Answers = Dict[str, downloads.Answer]


class NeededFile(NamedTuple):
    """A file that a data script takes from SOURCE or the folder of downloads, or downloads."""

    path: Path
    url: str
    hint: str


class Plan(NamedTuple):
    """A recipe's dry run, without LAUNCH."""

    script: Path
    commands: List[List[str]]
    errors: List[str]

    @property
    def trainings(self) -> List[List[str]]:
        """The commands that train."""
        return list(filter(is_training, self.commands))

    @property
    def missing_files(self) -> List[NeededFile]:
        """The files that data scripts need and that are not there."""
        needed = [NeededFile(Path(words[1]), *words[2:]) for words in self.commands if words[0] == "need"]
        return [file for file in dict.fromkeys(needed) if not file.path.exists()]

    @property
    def work(self) -> Path:
        """The folder for all output, or one that contains it."""
        return Path(os.environ.get("WORK") or self.script.parent).absolute()


def planned(script: Path) -> Plan:
    """Return a recipe's dry run with the settings of the environment."""
    run = subprocess.run(["bash", str(script)], env={**os.environ, "DRY_RUN": "data"}, capture_output=True, text=True)
    commands = split_lines(run.stdout)
    errors = [line[len("error: ") :] for line in run.stderr.splitlines() if line.startswith("error: ")]
    if run.returncode != 0 and not errors:
        errors = [f"its dry run fails: {run.stderr.strip()}"]
    return Plan(script, commands, list(dict.fromkeys(errors)))


def urls(plan: Plan) -> List[str]:
    """Return the addresses of the files to download."""
    return [] if os.environ.get("SOURCE") else [file.url for file in plan.missing_files]


def file_problems(plan: Plan, answers: Answers) -> List[str]:
    """Return a line for each file that can neither be found nor downloaded."""
    source, found = os.environ.get("SOURCE"), []
    for file in plan.missing_files:
        hint = f"; {file.hint}" if file.hint else ""
        if source:
            found.append(f"SOURCE={source}: has no {file.path.name}, expected the file of {file.url}{hint}")
        elif answers[file.url].trouble:
            found.append(
                f"{file.path.name}: cannot be downloaded from {file.url} ({answers[file.url].trouble}){hint} "
                f"Put it into {file.path.parent}, or set SOURCE to a folder with all files that are not there yet"
            )
    return found


def pairs_problems(plan: Plan) -> List[str]:
    """Return a line if PAIRS lacks files of layer_sharing's Table 2."""
    expected = "expected the files that recipes/layer_sharing/README.md lists"
    given = os.environ.get("PAIRS", "")
    missing: List[str] = []
    for words in plan.commands:
        # elsewhere than in PAIRS, which an unset PAIRS prints as PAIRS, the recipe makes the pairs itself
        if "recipes.layer_sharing.training_text" not in words or words[3] != (given or "PAIRS"):
            continue
        splits = ["train", *option(words, "--splits").split(",")]
        splits += [part for word, part in zip(words, words[1:]) if word == "--with"]
        names = [f"{split}.{language}" for split in splits for language in option(words, "--languages").split(",")]
        if not all(Path(words[4], name).exists() for name in names if name.startswith(("train", "valid"))):
            missing += [name for name in names if not Path(given, name).is_file()]
    if missing and not given:
        return [f"PAIRS: not set, {expected}"]
    return [f"PAIRS={given}: has no {', '.join(dict.fromkeys(missing))}; {expected}"] if missing else []


def program_problems(plan: Plan) -> List[str]:
    """Return a line for each program that is not installed, and a line for the Python packages."""
    launch = os.environ.get("LAUNCH", "").split()[:1]
    words = {word for command in plan.commands for word in command}
    started = {program for module, program in PROGRAMS.items() if module in words}
    programs = {*launch, *started, *(command[0] for command in plan.commands)} - {"need"}
    packages = {package for word in words & set(PACKAGES) for package in PACKAGES[word]}
    missing = sorted(package for package in packages if importlib.util.find_spec(package) is None)
    found = [f"{name}: no such program, expected on the PATH" for name in sorted(programs) if not shutil.which(name)]
    if missing:
        names = ", ".join(missing)
        found.append(f"Python packages: {names} not found by {sys.executable}, expected: pip install '.[recipes]'")
    return found


def gpu_problems(plan: Plan) -> List[str]:
    """Return a line if trainings at SCALE=paper would run on the CPU."""
    if os.environ.get("SCALE") != "paper" or not any("--cpu" in command for command in plan.trainings):
        return []
    return [
        f"GPUS: 0, expected at least 1 for {len(plan.trainings)} trainings at SCALE=paper: start the recipe where "
        "nvidia-smi lists GPUs, or set GPUS, and LAUNCH to a command that runs a training on them, such as "
        "recipes/common/slurm.sh"
    ]


def disk_problems(plan: Plan, answers: Answers) -> List[str]:
    """Return a line for each disk that is too small for downloads and checkpoints."""
    needs = []
    if not plan.errors:  # otherwise the dry run has not printed all trainings
        from recipes.common import disk  # imports torch

        keep_all, jobs = os.environ.get("KEEP") == "all", int(os.environ.get("JOBS") or 1)
        needed = disk.gigabytes(plan.commands, keep_all, jobs) * 1e9
        needs.append((plan.work, max(0.0, needed - _made(plan))))
    for file in plan.missing_files:
        if file.url in answers:
            part = file.path.with_name(f"{file.path.name}.part")
            left = answers[file.url].size - (part.stat().st_size if part.exists() else 0)
            needs.append((file.path.absolute().parent, max(0.0, left)))
    disks: Dict[int, Tuple[Path, float]] = {}
    for folder, size in needs:
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        device = existing.stat().st_dev
        first, sum_ = disks.get(device, (existing, 0.0))
        disks[device] = (first, sum_ + size)
    return [
        f"disk of {folder}: {free / 1e9:.1f} GB are free, expected {needed / 1e9:.1f} for downloads and checkpoints: "
        "set WORK, or DOWNLOADS, to a folder on another disk"
        for folder, needed in disks.values()
        for free in [shutil.disk_usage(folder).free]
        if free < needed
    ]


def _made(plan: Plan) -> int:
    """Return the bytes of the recipe's data and systems that exist already; its folder may have other systems, too."""
    folders = {option(training, "--save-dir") for training in plan.trainings}
    return sum(
        file.stat().st_size
        for file in plan.work.rglob("*")
        if file.is_file() and (not file.parent.name.startswith("seed") or str(file.parent) in folders)
    )


def problems(plan: Plan, answers: Answers) -> List[str]:
    """Return everything that would stop a recipe.

    Args:
        plan: its dry run.
        answers: the servers' answers, by address.
    """
    return [
        *plan.errors,
        *file_problems(plan, answers),
        *pairs_problems(plan),
        *program_problems(plan),
        *gpu_problems(plan),
        *disk_problems(plan, answers),
    ]


def main() -> None:
    """Print the verdicts."""
    logging.getLogger("fairseq.tasks").setLevel(logging.WARNING)  # it recommends packages
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", type=Path, nargs="*", metavar="SCRIPT", help="recipes (default: all)")
    parser.add_argument("--quiet", action="store_true", help="print nothing but problems")
    args = parser.parse_args()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        plans = list(pool.map(planned, args.scripts or recipe_scripts().values()))
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        asked = sorted({url for plan in plans for url in urls(plan)})
        answers = dict(zip(asked, pool.map(downloads.ask, asked)))
    stopped = False
    for plan in plans:
        found = problems(plan, answers)
        stopped = stopped or bool(found)
        if not args.quiet:
            number = "ok" if not found else "1 problem" if len(found) == 1 else f"{len(found)} problems"
            print(f"{plan.script.absolute().parent.name}/{plan.script.stem}: {number}")
        for problem in found:
            print(f"error: {problem}")
    sys.exit(1 if stopped else 0)


if __name__ == "__main__":
    main()
