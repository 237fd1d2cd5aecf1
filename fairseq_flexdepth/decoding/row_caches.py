"""The decoding caches of rows that stand at different positions.

A decoding cache has columns: a pass over several new words appends a column per word to the caches of its layers, in
all rows alike. Then each row keeps another number of these words. Columns that no row keeps are cut off; the others
stay, and a mask hides them from the rows that dropped their word. When most columns are hidden, each row's kept columns
are moved together.
"""

from typing import Any, Dict, List, Optional, Sequence

import numpy
import torch
from torch import Tensor, nn

from fairseq_flexdepth.modules.device_copies import on_device_of

# The caches are packed when they have this many times as many columns as the row that keeps the most words.
_SPARSE = 1.5


class RowCaches:
    """The caches of *layers*, and the encoder's output, for a batch of rows.

    Args:
        layers: all layers that run; each has self-attention and maybe encoder attention, which hold their caches in
            fairseq's incremental state.
        encoder_out: fairseq's ``encoder_out`` of the batch.
        rows: the number of rows.
    """

    def __init__(self, layers: Sequence[nn.Module], encoder_out: Dict[str, List[Tensor]], rows: int) -> None:
        self.state: Dict[str, Dict[str, Optional[Tensor]]] = {}  # fairseq's incremental state
        self.encoder_out: Tensor = encoder_out["encoder_out"][0]  # source length × rows × channels
        # Rows × source length. None: nothing is padded; a GPU would have to wait for the answer.
        self.encoder_padding_mask: Optional[Tensor] = next(iter(encoder_out["encoder_padding_mask"]), None)
        if self.encoder_padding_mask is not None and self.encoder_out.device.type == "cpu":
            self.encoder_padding_mask = self.encoder_padding_mask if self.encoder_padding_mask.any() else None
        self.columns = 0  # of all layers, between two passes
        self._layers = layers
        self._rows = rows
        # Rows × columns: whether the row keeps the column's word; None: all rows keep all columns.
        self._kept: Optional[numpy.ndarray] = None
        self._mask: Optional[Tensor] = None  # rows × columns: 1 where a word is hidden; None: no word is

    def expect(self, width: int) -> None:
        """Prepare the mask for a pass over *width* new words, or over fewer."""
        self._mask = None
        if self._kept is not None:
            hidden: numpy.ndarray = numpy.zeros((self._rows, self.columns + width), dtype=numpy.float32)
            hidden[:, : self.columns] = ~self._kept
            self._mask = on_device_of(self.encoder_out, hidden)

    def hide_dropped_words(self, layer: nn.Module, columns: int) -> None:
        """Hide dropped words from the next run of *layer*, after which its cache has this number of columns."""
        if self._mask is not None:
            # fairseq appends the mask of the new words to that of the cache; given whole, it stays as it is. fairseq
            # keeps it in single precision.
            self._buffer(layer.self_attn)["prev_key_padding_mask"] = self._mask[:, :columns]

    def keep(self, counts: Sequence[int], width: int) -> None:
        """End a pass: of *width* new words, keep the first ones of each row, *counts* of them, and drop the others."""
        most = max(counts)
        if self._kept is not None or min(counts) < most:
            old = numpy.ones((self._rows, self.columns), dtype=bool) if self._kept is None else self._kept
            new = numpy.arange(most) < numpy.asarray(counts)[:, None]  # rows × new columns
            self._kept = numpy.concatenate([old, new], axis=1)
        self.columns += most
        if most == width and self._mask is None:
            return
        for layer in self._layers:
            buffer = self._buffer(layer.self_attn)
            for name in ("prev_key", "prev_value"):
                buffer[name] = buffer[name][:, :, : self.columns]  # type: ignore[index]
            buffer["prev_key_padding_mask"] = None

    def select(self, rows: Sequence[int]) -> None:
        """Go on with these *rows* alone."""
        order = on_device_of(self.encoder_out, rows, torch.long)
        self._rows = len(rows)
        self._kept = None if self._kept is None else self._kept[rows]
        self.encoder_out = self.encoder_out.index_select(1, order)
        if self.encoder_padding_mask is not None:
            self.encoder_padding_mask = self.encoder_padding_mask.index_select(0, order)
        for layer in self._layers:
            for attention in (layer.self_attn, layer.encoder_attn):
                buffer = {} if attention is None else self._buffer(attention)
                for name, cached in buffer.items():
                    buffer[name] = None if cached is None else cached.index_select(0, order)

    def pack(self) -> None:
        """Move the kept columns of each row together, where most columns are hidden."""
        if self._kept is None:
            return
        longest = int(self._kept.sum(1).max())
        if self.columns <= _SPARSE * longest:
            return
        # Kept columns first, in their order; of a row that keeps fewer than the longest, hidden ones follow.
        columns = numpy.argsort(~self._kept, axis=1, kind="stable")[:, :longest]  # rows × columns
        kept = numpy.take_along_axis(self._kept, columns, axis=1)
        self._kept = None if kept.all() else kept
        self.columns = longest
        index = on_device_of(self.encoder_out, columns, torch.long)[:, None, :, None]  # rows × 1 × columns × 1
        for layer in self._layers:
            buffer = self._buffer(layer.self_attn)
            for name in ("prev_key", "prev_value"):
                cached: Any = buffer[name]  # rows × heads × columns × channels of a head
                buffer[name] = cached.gather(2, index.expand(-1, cached.size(1), -1, cached.size(3)))

    def _buffer(self, attention: Any) -> Dict[str, Optional[Tensor]]:
        return attention._get_input_buffer(self.state)
