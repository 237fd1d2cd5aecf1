"""What the log says about drafts: how many were accepted, and what they spared."""

from fairseq_flexdepth.decoding.greedy_loop import TurnCounts


class DraftingReport:
    """Counts over many batches.

    Attributes:
        counts: of the batches that our loop decoded.
        sentences: all of them.
        again: sentences of batches with a near tie, which fairseq's search decoded.
        seconds: of the batches that were also decoded by fairseq's search, ours.
        plain_seconds: of the same batches, fairseq's.
        compared: sentences in these batches.
    """

    def __init__(self) -> None:
        self.counts = TurnCounts()
        self.sentences = self.again = self.compared = 0
        self.seconds = self.plain_seconds = 0.0

    def compare(self, sentences: int, seconds: float, plain_seconds: float) -> None:
        """Add a batch that was decoded by both searches."""
        self.compared += sentences
        self.seconds += seconds
        self.plain_seconds += plain_seconds

    def line(self, setting: str) -> str:
        """The report as text; *setting* says how the last batch was drafted."""
        counts = self.counts
        parts = [f"greedy search of {self.sentences:,} sentences, {setting}"]
        if counts.drafted:
            parts.append(
                f"{counts.accepted / counts.drafted:.1%} of the drafted words accepted, "
                f"{counts.words_per_check:.2f} words per verification"
            )
        if self.again:
            parts.append(f"{self.again:,} sentences decoded by fairseq's search, because of near ties")
        if self.compared:
            parts.append(
                f"{self.seconds / self.plain_seconds:.2f} of the time of fairseq's greedy search on {self.compared:,} "
                "of the sentences"
            )
        return "; ".join(parts)
