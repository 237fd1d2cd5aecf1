"""What a recipe's trainings cost, by its dry run."""

from recipes.common.dry_run import RECIPES, SETTINGS, printed_commands

SCRIPTS = {name: RECIPES / f"{name}.sh" for name in ("tied_multi/table2", "ckd/ablations", "layer_sharing/table4")}


def test_exported_settings_do_not_change_a_dry_run(tmp_path, monkeypatch):
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    script = SCRIPTS["ckd/ablations"]
    commands = printed_commands(script, "small", tmp_path)
    for name in SETTINGS:
        monkeypatch.setenv(name, "7")
    for name in ("GPUS", "SCALE", "WORK"):
        monkeypatch.setenv(name, "5")
    assert printed_commands(script, "small", tmp_path) == commands
    assert printed_commands(script, "small", tmp_path, UPDATES="7") != commands
