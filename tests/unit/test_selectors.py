"""The selectors that --depth-selector names: what each chooses, and mistakes in the option."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fairseq_flexdepth.decoding.selectors import build_selector
from fairseq_flexdepth.depth.length_rule import LengthRule, parse_length_rule
from tests import labels, tiny

CPU = torch.device("cpu")


def choose(text: str, dataset: Any, split: str = "train") -> Any:
    selector = build_selector(text, None, tiny.dictionary(labels.WORDS))
    chosen = selector.choose(dataset, split, [list(range(len(dataset.src)))], CPU)
    return [selector.pairs[pair] for pair in chosen]


class Data(SimpleNamespace):
    def __len__(self) -> int:
        return len(self.src)


def test_a_rule_of_lengths_counts_tokens_without_the_end() -> None:
    data = Data(src=[torch.full((length,), 5) for length in (1, 3, 4, 5, 6, 20)])
    assert choose("length:2=1-1,4=2-1,3-2", data) == [(1, 1), (1, 1), (2, 1), (2, 1), (3, 2), (3, 2)]
    assert choose("length:2-1", data) == [(2, 1)] * 6
    assert parse_length_rule("2=1-1,4=2-1,3-2", "x") == LengthRule([2, 4], [(1, 1), (2, 1), (3, 2)])


@pytest.mark.parametrize("text", ["", "4=1-1", "4=1-1,", "4=1-1,2=1-2,2-2", "4=1-1,4=1-2,2-2", "a=1-1,2-2"])
def test_a_malformed_rule_of_lengths_is_refused(text: str) -> None:
    message = f"--depth-selector length:{text}: expected ascending lengths and depths such as length:12=1-1,20=2-2,3-3"
    with pytest.raises(ValueError, match=message):
        build_selector(f"length:{text}", None, tiny.dictionary(9))


def test_an_oracle_chooses_by_its_labels(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    labels.write_labels(tmp_path, {"train": 12}, unlabelled=2)
    data = Data(src=labels.sentences(12, seed=sum(map(ord, "train"))))
    expected = [(1, 1) if labels.EASY in source else (2, 2) for source in data.src]
    assert choose(f"oracle:{tmp_path}", data) == [(2, 2), (2, 2), *expected[2:]]
    assert "2 sentences have no labels; they decode at the deepest pair" in caplog.text
    with pytest.raises(ValueError, match="train.labels.npz: labels of 12 sentences; the data has 11"):
        choose(f"oracle:{tmp_path}", Data(src=data.src[:-1]))


def test_mistakes_name_the_option(tmp_path: Path) -> None:
    dictionary = tiny.dictionary(9)
    for text, threshold, message in (
        ("none.pt", None, "--depth-selector none.pt: no such file"),
        ("oracle:none", None, "--depth-selector oracle:none: no such directory; fairseq-flexdepth oracle makes one"),
        (f"oracle:{tmp_path}", 0.5, "--selector-threshold 0.5: oracle:.* has no outputs to compare"),
        ("length:1-1", 0.0, "--selector-threshold 0: length:1-1 has no outputs to compare"),
        ("selector.pt", 1.5, "--selector-threshold 1.5: expected 0 to 1"),
    ):
        with pytest.raises(ValueError, match=message):
            build_selector(text, threshold, dictionary)
