"""An interruption of a sub-command, as of Ctrl-C, while it decodes."""

from typing import Any, List

import pytest


def interrupt_third_batch(monkeypatch: pytest.MonkeyPatch, owner: type, method: str) -> List[int]:
    """Let *method*, which decodes the batch of a number, be interrupted at the third batch, the first time only.

    Returns:
        The numbers of the batches that *method* is called with from now on.
    """
    stock, decoded = getattr(owner, method), []

    def interrupted(self: Any, number: int, *arguments: Any) -> Any:
        decoded.append(number)
        if decoded == [0, 1, 2]:
            raise KeyboardInterrupt("now")
        return stock(self, number, *arguments)

    monkeypatch.setattr(owner, method, interrupted)
    return decoded
