"""flexible_depth's recipe: who wins at how many depths, and the heatmaps of Figure 1."""

import json
from pathlib import Path
from typing import Dict, Tuple

import pytest

from recipes.common.cells import Measurements
from recipes.flexible_depth.figure1 import draw, kept, read_grid, table
from recipes.flexible_depth.winners import count_wins


def measured(work: Path, system: str, bleu: Dict[Tuple[int, int], float]) -> None:
    path = work / system / "seed1" / "test" / "sweep.json"
    path.parent.mkdir(parents=True)
    rows = [{"enc_layers": n, "dec_layers": m, "bleu": value} for (n, m), value in bleu.items()]
    path.write_text(json.dumps(rows))


def test_wins_are_counted_where_all_three_were_measured(tmp_path: Path) -> None:
    for pair, bleu in {(1, 1): 10.0, (1, 2): 20.0, (2, 2): 30.0}.items():
        measured(tmp_path, f"baseline-{pair[0]}-{pair[1]}", {pair: bleu})
    measured(tmp_path, "layerdrop", {(1, 1): 9.0, (1, 2): 22.0, (2, 2): 30.0})
    measured(tmp_path, "mt-optimal", {(1, 1): 11.0, (1, 2): 21.0, (2, 2): 30.0, (2, 1): 40.0})
    rows = [{"encoder": n, "decoder": m} for n in "12" for m in "12"]
    # at (2, 2) all are equal, which is Baseline's; (2, 1) has no model of its own
    assert count_wins(rows, Measurements(tmp_path)) == {"base": 1, "ld": 1, "mt": 1, "all": 3}


def test_the_table_names_the_pruning_of_training(tmp_path: Path) -> None:
    layers = (4, 2)
    measured(tmp_path, "p0.5", {(n, m): 10.0 * n + m for n in range(1, 5) for m in (1, 2)})
    grids = {"0.5": read_grid(Measurements(tmp_path), "p0.5", layers)}
    assert table(grids, layers).splitlines()[-1] == "| 0.5 | 42.00 | 21.00 | 2, 1 | 11.00 |"
    draw(grids, layers, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 0


def test_at_least_one_layer_is_kept() -> None:
    assert [kept(6, pruned) for pruned in (0.0, 0.1667, 0.5, 0.95)] == [6, 5, 3, 1]


def test_a_depth_that_was_not_measured_is_named(tmp_path: Path) -> None:
    measured(tmp_path, "p0.5", {(1, 1): 10.0})
    with pytest.raises(ValueError, match=r"p0.5 was not measured at \(1, 2\)"):
        read_grid(Measurements(tmp_path), "p0.5", (1, 2))
