"""The cost of a recipe, computed from its dry run and a short run."""

import json
import re
from pathlib import Path
from typing import List

import pytest

from recipes.common import cost, decoding_speed
from recipes.common.cost import SENTENCE, costs, table
from recipes.common.decoding_speed import Decoding, decodings, sentences_per_second
from recipes.common.disk import DiskSpace, gigabytes
from recipes.common.dry_run import RECIPES, SETTINGS, printed_commands
from recipes.common.recipe_models import RecipeModels

WORDS = ["fairseq-preprocess", "--nwordssrc", "1000", "--nwordstgt", "1000", "--destdir", "bin"]
TRANSFORMER = ("--arch", "transformer", "--optimizer", "adam", "--criterion", "label_smoothed_cross_entropy")


def training(name: str, seed: int, *options: str) -> List[str]:
    folder = f"work/{name}/seed{seed}"
    batch = ("--max-tokens", "500", "--update-freq", "2", "--max-update", "10")
    return ["fairseq-train", "bin", "--save-dir", folder, *batch, *TRANSFORMER, *options]


def test_exported_settings_do_not_change_a_dry_run(tmp_path, monkeypatch):
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    script = RECIPES / "ckd" / "ablations.sh"
    commands = printed_commands(script, "smoke", tmp_path)
    for name in SETTINGS:
        monkeypatch.setenv(name, "7")
    for name in ("GPUS", "SCALE", "WORK"):
        monkeypatch.setenv(name, "5")
    assert printed_commands(script, "smoke", tmp_path) == commands
    assert printed_commands(script, "smoke", tmp_path, UPDATES="7") != commands


def test_hours_are_of_a_systems_own_speed_or_follow_from_the_nearest_systems(tmp_path):
    commands = [WORDS, *(training("deep", seed, "--max-update", "3600") for seed in (1, 2, 3))]
    commands += [["fairseq-generate", "bin"], training("small", 1, "--encoder-layers", "1", "--decoder-layers", "1")]
    commands += [training("long", 1, "--encoder-layers", "1", "--decoder-layers", "1", "--update-freq", "4")]
    for name, seconds in (("deep", 0.5), ("small", 36)):
        folder = tmp_path / name / "seed1"
        folder.mkdir(parents=True)
        # words a second are of no use where the batches are of frames
        content = {"words_per_second": 1, "seconds_per_update": seconds, "minutes": 9, "updates": 10}
        (folder / "train.json").write_text(json.dumps(content))
    found = {one.system: one for one in costs(commands, tmp_path)}
    assert [(one.trainings, one.tokens, one.measured) for one in found.values()] == [
        (3, 3 * 3.6e6, True), (1, 1e4, True), (1, 2e4, False)
    ]  # fmt: skip
    assert [one.hours for one in found.values()] == pytest.approx([1.5, 0.1, 0.2])  # long: as small, twice the FLOP
    lines = table(list(found.values()), (DiskSpace(commands), DiskSpace(commands, True)), []).splitlines()
    assert [line.split(" | ")[5] for line in lines[2:5]] == ["1.5", "0.1", "≈ 0.2"]
    assert lines[-1].split(" | ")[5] == "≈ 1.8"
    assert [one.hours for one in costs(commands)] == [None] * 3


def test_sentences_count_as_tokens_of_average_sentences():
    batches = ["--batch-size", "128", "--max-update", "1000", *TRANSFORMER]
    (found,) = costs([WORDS, ["fairseq-train", "bin", "--save-dir", "work/lstm/seed1", *batches]])
    assert (found.tokens, found.relative) == (1000 * 128 * SENTENCE, 1)


def test_kept_checkpoints_and_their_moments_take_space():
    saved = ("--save-interval-updates", "1", "--keep-interval-updates", "4")
    folder = "work/deep/seed1"
    commands = [WORDS, training("deep", 1, *saved), training("small", 1, "--disable-validation")]
    commands += [["fairseq-flexdepth", "average", "--inputs", folder, "--output", f"{folder}/averaged.pt"]]
    size = RecipeModels(commands).model(folder).size.total * 4 / 1e9  # a checkpoint has Adam's moments: 3 sizes
    # deep: last, best, averaged; while it trains 4 more and one that is being written. small: last, and one more
    assert gigabytes(commands) == pytest.approx((6 + 1 + 15 + 3) * size)
    assert gigabytes(commands, jobs=2) == pytest.approx((6 + 1 + 15 + 3 + 3) * size)
    assert gigabytes(commands, keep_all=True) == pytest.approx((6 + 1 + 12 + 3 + 3) * size)
    assert DiskSpace(commands).systems() == pytest.approx({"deep": 7e9 * size, "small": 3e9 * size})


def test_decodings_take_the_speed_of_a_short_run(tmp_path, monkeypatch):
    (tmp_path / "logs").mkdir()
    bar = "decoding:   0%| | 0/40 [00:00<?, ?sentence/s]\rdecoding: 100%|█| 40/40 [00:10<00:00,  {}]\n"
    for number, speed in enumerate(("9.00sentence/s", "4.00s/sentence")):
        (tmp_path / "logs" / f"taught-{number}.log").write_text(bar.format("1.00sentence/s") + bar.format(speed))
    assert sentences_per_second(tmp_path / "logs" / "taught") == 9.25
    monkeypatch.setattr(decoding_speed, "sentences", lambda folder, split: {"train": 66600}.get(split))
    oracle = ["--output", f"{tmp_path}/tied/seed1/labels", "--gen-subset", "valid"]
    commands = [["fairseq-flexdepth", "distill", "bin", "--dest", f"{tmp_path}/taught"]]
    commands += [["fairseq-flexdepth", "oracle", "bin", *oracle]]
    found = decodings(commands, tmp_path)
    assert found == [Decoding("taught", 66600, 9.25), Decoding("tied/seed1/labels/valid", None, None)]
    assert [one.hours for one in found] == [2, None]


def test_short_runs_decode_a_sample(tmp_path):
    def decoded(recipe: str, scale: str = "paper", **settings: str) -> List[List[str]]:
        commands = printed_commands(RECIPES / f"{recipe}.sh", scale, tmp_path, **settings)
        long = ["distill", "oracle", "recipes.common.sample", "recipes.tied_multi.held_out"]
        return [command[1:] for command in commands if any(word in command for word in long)]

    sample = f"{tmp_path}/sample/bin"
    labels = decoded("tied_multi/table2", UPDATES="200")
    assert labels[0][-1] == "2000" and labels[1][1] == sample and labels[2][1] == f"{tmp_path}/bin"
    assert labels[-1][-1] == "200"
    assert decoded("tied_multi/table2")[0][1] == f"{tmp_path}/bin"
    taught = decoded("flexible_depth/table3", "smoke", DECODE_SENTENCES="30")
    assert taught[0][-1] == "30" and taught[1][1] == sample and f"{tmp_path}/distilled-sample" in taught[1]
    assert decoded("flexible_depth/table3", "smoke", UPDATES="4")[0][1] == f"{tmp_path}/bin"
    # the disk space of a short run is known, too, and its students train with full batches
    commands = printed_commands(RECIPES / "flexible_depth" / "table3.sh", "paper", tmp_path, UPDATES="200")
    models = RecipeModels(commands)
    assert models.model(f"{tmp_path}/mt-head/seed1").size.projection == 10000 * 512
    with pytest.raises(RuntimeError, match="error: DECODE_SENTENCES=few: expected a number"):
        decoded("tied_multi/table2", DECODE_SENTENCES="few")


def test_the_readme_has_the_numbers_of_the_program():
    rows, paper = {}, ""
    for line in Path(RECIPES, "README.md").read_text(encoding="utf-8").splitlines():
        match = re.match(r"\| (?:\[(\w+)\]\(\S+\) )?`(\w+)\.sh` \|", line)
        if match:
            paper = match.group(1) or paper
            rows[f"{paper}/{match.group(2)}"] = [cell.strip() for cell in line.split("|")[4:9]]
    for name in ("flexible_depth/figure1", "tied_multi/table2", "layer_sharing/table4"):
        assert rows[name] == cost.row_of(RECIPES / f"{name}.sh", "paper"), name
    assert rows["layer_sharing/text"][0] == "6"  # two systems with three seeds each
