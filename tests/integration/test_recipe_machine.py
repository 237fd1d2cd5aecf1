"""How recipes use a machine with several GPUs or a cluster: GPUS, JOBS, LAUNCH.

``nvidia-smi``, ``fairseq-train`` and ``srun`` are replaced by scripts that print their arguments.
"""

import functools
import math
import os
import subprocess
from pathlib import Path
from typing import Callable, Dict, List, Set

import pytest

from recipes.common.dry_run import RECIPES, SETTINGS, printed_commands

PROGRAMS = {
    "nvidia-smi": "for gpu in 0 1 2 3; do echo GPU $gpu; done",
    "fairseq-train": 'echo "train ${CUDA_VISIBLE_DEVICES:-all} $*"',
    "srun": 'echo "srun $1"; shift; "$@"',
}
TRAIN = "fairseq_train data into 8000 2000 --seed 1"


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., List[str]]:
    """A function that runs commands as a recipe does, and returns the printed lines."""
    for name, script in PROGRAMS.items():
        program = tmp_path / name
        program.write_text(f"#!/usr/bin/env bash\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
    for name in ("GPUS", "SCALE", "SLURM_OPTIONS", *SETTINGS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("WORK", str(tmp_path / "work"))
    monkeypatch.setenv("CHECK", "skip")

    def run(commands: str, **settings: str) -> List[str]:
        recipe = tmp_path / "recipe.sh"
        recipe.write_text(f"source {RECIPES}/common/recipe.sh\n{commands}\n", encoding="utf-8")
        finished = subprocess.run(
            ["bash", str(recipe)], env={**os.environ, **settings}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8",
        )  # fmt: skip
        return finished.stdout.splitlines()

    return run


def _value(line: str, option: str) -> int:
    words = line.split()
    return int(words[words.index(option) + 1])


@pytest.mark.parametrize(
    ("settings", "devices", "max_tokens", "update_freq"),
    [
        ({}, "all", 2000, 1),  # the four GPUs that nvidia-smi lists
        ({"GPUS": "1"}, "all", 2000, 4),
        ({"GPUS": "0"}, "all", 2000, 4),
        ({"CUDA_VISIBLE_DEVICES": "1,3"}, "1,3", 2000, 2),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8932f937,GPU-46ab5f9e"}, "GPU-8932f937,GPU-46ab5f9e", 2000, 2),
        ({"CUDA_VISIBLE_DEVICES": "0,1", "GPUS": "0"}, "0,1", 2000, 4),
        ({"GPUS": "3"}, "all", 1334, 2),
        ({"GPUS": "7"}, "all", 1143, 1),
        ({"GPUS": "16"}, "all", 500, 1),  # each GPU gets less than one batch of max_tokens
    ],
)
def test_an_update_sees_as_many_tokens_on_any_number_of_gpus(
    printed: Callable[..., List[str]], settings: Dict[str, str], devices: str, max_tokens: int, update_freq: int
) -> None:
    (line,) = printed(TRAIN, **settings)
    assert line.startswith(f"train {devices} data ")
    assert (_value(line, "--max-tokens"), _value(line, "--update-freq")) == (max_tokens, update_freq)
    assert ("--cpu" in line) == (settings.get("GPUS") == "0")


@pytest.mark.parametrize(("gpus", "batch_size"), [("0", 1024), ("1", 1024), ("4", 256), ("3", 342)])
def test_an_update_sees_as_many_sentences_on_any_number_of_gpus(
    printed: Callable[..., List[str]], gpus: str, batch_size: int
) -> None:
    (line,) = printed("fairseq_train data into '1024 sentences' 2000", GPUS=gpus)
    assert _value(line, "--batch-size") == batch_size
    assert "--max-tokens" not in line and "--update-freq" not in line


def test_no_gpu_has_too_few_tokens_for_long_sentences(printed: Callable[..., List[str]]) -> None:
    assert printed(TRAIN, GPUS="8", SCALE="paper", CHECK="") == [
        "error: 8000 tokens per update: not possible on 8 GPUs within 1 %, with at least 1024 tokens on each; expected "
        "one of 1 2 3 4 5 6 7: set GPUS or JOBS, since each training uses GPUS / JOBS of them"
    ]
    (line,) = printed(f"take_slot; {TRAIN}", GPUS="8", SCALE="paper", JOBS="2")
    assert _value(line, "--max-tokens") == 2000
    assert _value(printed("fairseq_train data into 512 2000", GPUS="1", SCALE="paper")[0], "--max-tokens") == 512


@pytest.mark.parametrize(
    ("settings", "half"),
    [
        ({"FP16": "1"}, 1), ({}, 0), ({"SCALE": "paper"}, 1), ({"SCALE": "paper", "FP16": "0"}, 0),
        ({"FP16": "1", "GPUS": "0"}, 0),
    ],  # fmt: skip
)
def test_half_precision(printed: Callable[..., List[str]], settings: Dict[str, str], half: int) -> None:
    (line,) = printed(TRAIN, **settings)
    assert line.split().count("--fp16") == half


def test_unknown_settings(printed: Callable[..., List[str]]) -> None:
    assert printed(TRAIN, FP16="yes") == ["error: FP16=yes: expected 0 or 1"]
    assert printed(TRAIN, KEEP="some") == ["error: KEEP=some: expected all, or nothing"]


def test_the_interval_of_updates_alone_decides_when_to_save(printed: Callable[..., List[str]]) -> None:
    (line,) = printed(f"{TRAIN} --save-interval-updates 9 --save-interval-updates 7")
    assert (_value(line, "--save-interval"), _value(line, "--validate-interval")) == (1000000, 1000000)
    assert _value(line, "--validate-interval-updates") == 7
    assert "interval-updates" not in printed(TRAIN)[0]


def test_jobs_share_the_gpus(printed: Callable[..., List[str]]) -> None:
    lines = printed(f"(take_slot; {TRAIN}; (take_slot; {TRAIN}))", JOBS="2")
    assert [line.split()[1] for line in lines] == ["0,1", "2,3"]
    assert [_value(line, "--update-freq") for line in lines] == [2, 2]


def test_a_share_is_free_again_when_its_job_has_ended(printed: Callable[..., List[str]]) -> None:
    lines = printed(f"system() {{ {TRAIN}; }}\neach system a b c", JOBS="1", GPUS="2")
    assert [line.split()[1] for line in lines] == ["0,1"] * 3


def test_more_jobs_than_gpus(printed: Callable[..., List[str]]) -> None:
    lines = printed(f"(take_slot; {TRAIN}; (take_slot; {TRAIN}))", JOBS="2", GPUS="1")
    assert [line.split()[1] for line in lines] == ["0", "0"]


def test_jobs_share_the_gpus_that_are_visible(printed: Callable[..., List[str]]) -> None:
    shares = f"(take_slot; {TRAIN}; (take_slot; {TRAIN}))"
    lines = printed(shares, JOBS="2", CUDA_VISIBLE_DEVICES="4,GPU-8932f937,7,6", GPUS="2")
    assert [line.split()[1] for line in lines] == ["4", "GPU-8932f937"]
    assert [_value(line, "--update-freq") for line in lines] == [4, 4]
    assert printed(shares, CUDA_VISIBLE_DEVICES="4,5", GPUS="3") == [
        "error: GPUS=3: expected at most 2, those of CUDA_VISIBLE_DEVICES=4,5"
    ]


@pytest.mark.parametrize("mask", ["", "-1"])
def test_no_gpu_is_visible(printed: Callable[..., List[str]], mask: str) -> None:
    (line,) = printed(f"take_slot; {TRAIN}", CUDA_VISIBLE_DEVICES=mask)
    assert "--cpu" in line
    assert printed(TRAIN, GPUS="some") == ["error: GPUS=some: expected a number"]


def test_a_dry_run_is_of_one_job(printed: Callable[..., List[str]]) -> None:
    lines = printed(f"system() {{ {TRAIN}; }}\neach system a b", JOBS="4", DRY_RUN="1")
    assert [_value(line, "--update-freq") for line in lines] == [4, 4]


def test_launching_where_there_are_no_gpus(printed: Callable[..., List[str]]) -> None:
    launch = {"LAUNCH": str(RECIPES / "common" / "slurm.sh"), "CUDA_VISIBLE_DEVICES": "", "SLURM_OPTIONS": "--gpus=2"}
    (line,) = printed(TRAIN, **launch)
    assert line.startswith(f"error: LAUNCH={launch['LAUNCH']}: no GPU was found here; expected GPUS")
    _, line = printed(f"take_slot; {TRAIN}", GPUS="2", **launch)
    assert _value(line, "--update-freq") == 2 and "--cpu" not in line


def test_slurm_runs_whatever_needs_a_gpu(printed: Callable[..., List[str]]) -> None:
    launch = {"LAUNCH": str(RECIPES / "common" / "slurm.sh"), "SLURM_OPTIONS": "--gpus=4"}
    assert printed(TRAIN, **launch)[0] == "srun --gpus=4"
    assert printed(TRAIN, **launch)[1].startswith("train all data ")
    # every job has GPUS of its own, whatever JOBS says
    assert _value(printed(f"take_slot; {TRAIN}", JOBS="4", **launch)[1], "--update-freq") == 1
    decode = """
        decoding=(--beam 4) text=text source_language=de target_language=en average=1
        evaluate a test test; generate a test test; distill distilled a.pt"""
    lines = printed(decode, DRY_RUN="1", **launch)
    programs = [line.split()[1:3] for line in lines if line.startswith(launch["LAUNCH"])]
    assert [words[0] for words in programs] == ["fairseq-flexdepth", "fairseq-generate", "bash"]


@functools.lru_cache(maxsize=None)
def epochs_without_checkpoints(interval: int, updates: int, average: int) -> Set[int]:
    """The lengths of an epoch at which a training saves too few checkpoints: none where an update ends an epoch."""
    saves = updates // interval
    lost = (updates // (epoch * interval // math.gcd(epoch, interval)) for epoch in range(1, updates + 1))
    return {epoch for epoch, number in enumerate(lost, 1) if saves - number < average}


def test_too_few_updates_for_an_average(printed: Callable[..., List[str]]) -> None:
    assert printed("average=10 save_interval=1000\nsave_often 300000 9") == [
        "error: UPDATES=9: expected at least 10, as many checkpoints are averaged"
    ]
    assert printed("average=10 save_interval=1000\nsave_often 20000 10\necho $save_interval $log_interval") == ["1 1"]
    assert printed("average=10 save_interval=1000\nsave_often 20000\necho $save_interval ${log_interval:-}") == ["1000"]


def test_short_trainings_save_enough_whatever_the_length_of_an_epoch(printed: Callable[..., List[str]]) -> None:
    assert epochs_without_checkpoints(4, 12, 2) == {1, 2, 4}  # never saved at all
    assert epochs_without_checkpoints(18, 200, 10) >= {2, 3, 6, 9, 18}
    lines = printed(
        "average=10\nfor updates in 20 50 100 200 500 1000 7000 19999; do save_interval=1000\n"
        "save_often $updates\necho $updates $save_interval; done"
    )
    intervals = {int(updates): int(interval) for updates, interval in map(str.split, lines)}
    assert intervals == {20: 1, 50: 2, 100: 5, 200: 7, 500: 23, 1000: 47, 7000: 349, 19999: 997}
    for updates, interval in intervals.items():
        assert epochs_without_checkpoints(interval, updates, 10) <= {1, interval}


def test_a_share_of_a_split_on_each_gpu(printed: Callable[..., List[str]], tmp_path: Path) -> None:
    step = "decoding=(--beam 4) seed=2 corpus=data\ndistill distilled teacher.pt\necho $seed"
    line, _ = printed(step, GPUS="2", DRY_RUN="1")
    work = tmp_path / "work"
    assert line.startswith(f"bash {RECIPES}/common/shards.sh 2 2 {work}/logs/distilled fairseq-flexdepth distill ")
    whole, seed = printed(step, GPUS="1", DRY_RUN="1")
    assert whole.endswith("--beam 4 --num-shards 1 ")
    assert seed == "2"


@pytest.mark.parametrize(("begun", "now"), [("2", "2"), ("3", "2"), ("3", "0"), ("2", "4")])
def test_the_number_of_shards_stays(
    printed: Callable[..., List[str]], tmp_path: Path, begun: str, now: str
) -> None:
    work = tmp_path / "work"
    decode = 'decode() { [ -e "$WORK/machine-is-up" ] && echo "${CUDA_VISIBLE_DEVICES:-none} $*"; }; export -f decode'
    step = f"{decode}\nshared $WORK/a $WORK/a.json bash -c 'decode \"$@\"' -"
    assert printed(step, GPUS=begun)[-1].startswith(f"error: {work}/a failed")
    (work / "machine-is-up").touch()
    assert printed(step, GPUS=now)[-1] == f"{work}/a"
    lines = [(work / f"a-{number}.log").read_text() for number in range(int(begun))]
    gpus = ["none"] * 3 if now == "0" else [str(number % int(now)) for number in range(3)]
    assert lines == [f"{gpus[number]} --num-shards {begun} --shard-id {number}\n" for number in range(int(begun))]
    assert (work / "a.log").read_text().splitlines()[-1].endswith(f" --num-shards {begun} --merge")


def test_the_selectors_of_every_seed_have_its_labels(tmp_path: Path) -> None:
    script = RECIPES / "tied_multi" / "table2.sh"
    commands = printed_commands(script, "smoke", tmp_path, SEEDS="2", GPUS="2")
    labels = {command[command.index("--output") + 1] for command in commands if "oracle" in command}
    assert labels == {str(tmp_path / f"tied-multi/seed{seed}/labels") for seed in (1, 2)}
    selectors = [command for command in commands if "depth_selection" in command]
    used = [(command[1], Path(command[command.index("--save-dir") + 1]).name) for command in selectors]
    assert used == [(str(tmp_path / f"tied-multi/{seed}/labels"), seed) for seed in ("seed1", "seed2")] * 2
    scored = [Path(command[3]).parts[-3] for command in commands if "recipes.common.generate_log" in command]
    assert scored == ["seed1", "seed2"] * 4


def test_the_number_of_workers_is_no_part_of_a_step(printed: Callable[..., List[str]], tmp_path: Path) -> None:
    half = f"""
        source {RECIPES}/sequence_kd/setup.sh
        pair first
        mkdir -p "$corpus/tokens" "$corpus/half"
        echo a | tee "$corpus/tokens/train".{{en,de}} >/dev/null
        fairseq-preprocess() {{ echo "$*"; }}
        half_corpus"""
    printed(half, WORKERS="3")
    assert "--workers 3 " in (tmp_path / "work/first/half/preprocess.log").read_text()
    assert "--workers" not in (tmp_path / "work/first/half/binarised.command").read_text()


def test_pairs_are_not_source(tmp_path: Path) -> None:
    script = RECIPES / "layer_sharing" / "text.sh"
    commands = printed_commands(script, "paper", tmp_path, SOURCE="archives", PAIRS="pairs")
    assert commands[0][:2] == ["env", "SOURCE=archives"]
    (mixed,) = [command for command in commands if "recipes.layer_sharing.training_text" in command]
    assert mixed[3] == "pairs"
