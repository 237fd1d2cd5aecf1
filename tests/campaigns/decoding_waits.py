"""How often greedy search makes the host wait for the device, and how many kernels it starts, on a pretended GPU.

``python -m tests.campaigns.decoding_waits`` prints both per word, of fairseq's greedy search and of ours, for a model
of 6 encoder and 6 decoder layers whose exits agree, and the speed-up to expect where starting kernels takes most of the
time. The counts do not depend on the width of the model.
"""

from argparse import Namespace
from typing import Any, Dict, List, Optional

import torch

from fairseq_flexdepth.decoding.greedy_loop import TurnCounts
from recipes.benchmarks import build
from recipes.benchmarks.agreeing_model import agreeing_model
from tests import drafts
from tests.campaigns.record import table
from tests.pretended_gpu import Watch, pretended_gpu, to_gpu

SIZES = Namespace(
    layers=6, embed_dim=64, ffn_dim=128, heads=4, vocabulary=4000, dropout=0.0, device="cpu", length=20, seed=1
)
SEARCH = {"max_len_b": 30}
WAYS: Dict[str, Dict[str, Any]] = {
    "`--fast-greedy`": {"fast_greedy": True},
    "2 words by 1 layer": {"draft_dec_layers": 1, "draft_tokens": 2},
    "4 words by 1 layer": {"draft_dec_layers": 1, "draft_tokens": 4},
    "8 words by 1 layer": {"draft_dec_layers": 1, "draft_tokens": 8},
}


class Decoder:
    """Counts while a model decodes batches of *size* sentences."""

    def __init__(self, size: int) -> None:
        self.size = size
        seeds = range(1 if size > 1 else 6)
        self.batches = [build.batch(Namespace(**{**vars(SIZES), "sentences": size, "seed": seed})) for seed in seeds]
        self.model = agreeing_model(SIZES, shrink=0.03, frequent=200)
        self.model.decoder.output_projection.weight.data.mul_(16)  # makes near ties rare
        self.expected = [drafts.greedy(self.model, batch, SEARCH) for batch in self.batches]
        self.words = sum(len(one["tokens"]) for hypotheses in self.expected for one in hypotheses)

    def rows(self) -> List[List[str]]:
        """The rows of the table."""
        with pretended_gpu() as watch:
            self.model, self.batches = to_gpu(self.model), [self._there(batch) for batch in self.batches]
            for batch in self.batches:
                drafts.greedy(self.model, batch, SEARCH)
            plain = sum(watch.kernels.values())
            found = [self._row("fairseq's `--beam 1`", watch, plain)]
            for way, options in WAYS.items():
                watch.forget()
                counts = TurnCounts()
                for batch, expected in zip(self.batches, self.expected):
                    compared = drafts.compare(self.model, batch, SEARCH, expected, **options)
                    assert not compared.differing and not compared.report.again
                    counts += compared.report.counts
                found.append(self._row(way, watch, plain, counts))
        return found

    def _there(self, batch: Dict[str, Any]) -> Dict[str, Any]:
        return {"net_input": {name: to_gpu(value) for name, value in batch["net_input"].items()}}

    def _row(self, way: str, watch: Watch, plain: int, counts: Optional[TurnCounts] = None) -> List[str]:
        waits, kernels = sum(watch.waits.values()), sum(watch.kernels.values())
        accepted = f"{counts.accepted / counts.drafted:.0%}" if counts and counts.drafted else ""
        per_word = [f"{waits / self.words:.2f}", f"{kernels / self.words:.1f}"]
        return [str(self.size), way, *per_word, accepted, f"{plain / kernels:.1f}"]


def main() -> None:
    """Print the table."""
    heads = ("sentences per batch", "search", "waits", "kernels", "accepted", "fewer kernels, ×")
    with torch.no_grad():
        print(table(heads, [row for size in (1, 16) for row in Decoder(size).rows()]))


if __name__ == "__main__":
    main()
