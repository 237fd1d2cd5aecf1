"""The cost of a recipe's trainings, computed from its dry run."""

import json
from typing import List

from recipes.common.cost import SENTENCE, Cost, costs, table
from recipes.common.dry_run import RECIPES, SETTINGS, printed_commands


def training(name: str, seed: int, *options: str) -> List[str]:
    folder = f"work/{name}/seed{seed}"
    batch = ("--max-tokens", "500", "--update-freq", "2", "--max-update", "10")
    return ["fairseq-train", "bin", "--save-dir", folder, *batch, *options]


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


def test_every_seed_counts_and_hours_are_of_updates(tmp_path):
    commands = [training("deep", seed, "--max-update", "3600") for seed in (1, 2, 3)]
    commands += [["fairseq-generate", "bin"], training("small", 1)]
    commands += [training("selector", 1, "--task", "depth_selection", "--batch-size", "9")]
    for name, seconds in (("deep", 0.5), ("small", 36)):
        folder = tmp_path / name / "seed1"
        folder.mkdir(parents=True)
        # words a second are of no use where the batches are of frames
        content = {"words_per_second": 1, "seconds_per_update": seconds, "minutes": 9, "updates": 10}
        (folder / "train.json").write_text(json.dumps(content))
    found = costs(commands, tmp_path)
    assert found == [Cost("deep", 3, 3 * 3.6e6, 1.5), Cost("small", 1, 1e4, 0.1)]
    assert table(found).splitlines()[-1] == "| sum | 4 | 0.01 | 1.6 |"
    assert [cost.hours for cost in costs(commands, None)] == [None, None]


def test_sentences_count_as_tokens_of_average_sentences():
    batches = ["fairseq-train", "bin", "--save-dir", "work/lstm/seed1", "--batch-size", "128", "--max-update", "1000"]
    assert costs([batches], None) == [Cost("lstm", 1, 1000 * 128 * SENTENCE, None)]


def test_the_seeds_of_a_paper_count(tmp_path):
    script = RECIPES / "layer_sharing" / "text.sh"
    found = costs(printed_commands(script, "paper", tmp_path), None)
    assert [(cost.system, cost.trainings) for cost in found] == [("sequence-2", 3), ("synthetic-cycle_rev-2", 3)]
