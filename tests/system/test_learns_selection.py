"""Selectors learn which sentences a shallow pair serves best, by the paper's loss and by the cost-aware one."""

from pathlib import Path

import pytest

from tests.integration import selector_cli
from tests.labels import write_labels


@pytest.mark.parametrize("objective", [selector_cli.PAPER, selector_cli.COST_AWARE], ids=["paper", "cost-aware"])
def test_a_selector_learns_the_rule(tmp_path: Path, objective: tuple) -> None:
    write_labels(tmp_path / "labels", {"train": 480, "valid": 96})
    output = selector_cli.train(tmp_path / "labels", tmp_path / "selector", "--max-update", 60, objective=objective)
    valid = {name: float(value) for name, value in selector_cli.logged(output, "valid")[-1].items()}
    assert valid["valid_quality_oracle"] - valid["valid_quality_deepest"] > 5, valid
    assert valid["valid_quality"] > valid["valid_quality_oracle"] - 1, valid
    assert valid["valid_cost"] < valid["valid_cost_oracle"] + 0.1, valid
