"""When a report of decoding is due: after the last sentence of a split, or of typed input when the process ends."""

import atexit
from typing import Any, Callable


class FinalReport:
    """Calls *log* once after the last expected sentence.

    fairseq-interactive reads a few sentences at a time, so their total is known only when the process ends.

    Args:
        log: logs the report and resets its counts.
    """

    def __init__(self, log: Callable[[], None]) -> None:
        self._log = log
        self._expected = 0  # sentences still to be decoded
        self._at_exit = False

    def expect(self, iterator: Any) -> None:
        """Note the sentences of fairseq's batch *iterator*, which are decoded next."""
        self._expected = sum(map(len, iterator.frozen_batches[iterator.shard_id :: iterator.num_shards]))

    @property
    def expected(self) -> int:
        """The number of sentences still to be decoded."""
        return self._expected

    def wait_for_exit(self) -> None:
        """From now on, log when the process ends."""
        if not self._at_exit:
            self._at_exit = True
            atexit.register(self._log)

    def count(self, sentences: int) -> None:
        """Note that *sentences* have been decoded."""
        self._expected -= sentences
        if self._expected == 0 and not self._at_exit:
            self._log()
