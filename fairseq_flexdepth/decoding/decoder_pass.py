"""A Transformer decoder that takes several new words per row at once, each row at a position of its own.

fairseq's incremental decoder takes one new word per row, at the same position in all rows, and masks nothing. Checking
drafted words takes several words per row; rows that accept different numbers of them stand at different positions; and
a word must not attend to the drafted words after it. So the embedding and the loop over the layers are ours. The
layers, with their attention and caches, the embedding matrices and the output projection are fairseq's.
"""

from typing import Any, Optional, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from fairseq_flexdepth.decoding.row_caches import RowCaches
from fairseq_flexdepth.modules.device_copies import on_device_of


class DecoderPass:
    """Runs layers of *decoder* on new words.

    Args:
        decoder: fairseq's Transformer decoder.
        last_step: the last step of the search: the position of the last word that can be an input.
        longest: the largest number of new words per run.
        eos: the number of the end symbol.
    """

    def __init__(self, decoder: Any, last_step: int, longest: int, eos: int) -> None:
        self.decoder = decoder
        self.last_step = last_step
        weight = decoder.embed_tokens.weight
        self._positions: Optional[Tensor] = None  # steps × channels
        if decoder.embed_positions is not None:
            steps = torch.full((1, last_step + 1), eos, dtype=torch.long, device=weight.device)
            self._positions = decoder.embed_positions(steps)[0]
        # A triangle: a word does not see the words after it.
        self._future = torch.full((longest, longest), float("-inf"), dtype=weight.dtype, device=weight.device).triu(1)

    def positions(self, steps: Sequence[int], width: int) -> Optional[Tensor]:
        """The embeddings of the positions of *width* new words per row.

        Args:
            steps: the position of the first new word of each row, from 0.
            width: the number of new words.

        Returns:
            Rows × width × channels, or 1 × width × channels if all rows are at the same step; ``None`` for a model
            without positions. Words beyond the last step, which no row keeps, get the last position.
        """
        if self._positions is None:
            return None
        if steps[0] + width <= self.last_step + 1 and all(step == steps[0] for step in steps):
            return self._positions[steps[0] : steps[0] + width].unsqueeze(0)  # 1 × width × channels
        indices = [[min(step + ahead, self.last_step) for ahead in range(width)] for step in steps]
        return self._positions[on_device_of(self._positions, indices, torch.long)]  # rows × width × channels

    def embed(self, words: Tensor, positions: Optional[Tensor]) -> Tensor:
        """The input of the first layer.

        Args:
            words: rows × width.
            positions: the result of :meth:`positions`.

        Returns:
            Width × rows × channels.
        """
        decoder = self.decoder
        x = decoder.embed_scale * decoder.embed_tokens(words)
        if decoder.quant_noise is not None:
            x = decoder.quant_noise(x)
        if decoder.project_in_dim is not None:
            x = decoder.project_in_dim(x)
        if positions is not None:
            x = x + positions
        if decoder.layernorm_embedding is not None:
            x = decoder.layernorm_embedding(x)
        return x.transpose(0, 1)  # width × rows × channels

    def run(self, layers: Sequence[nn.Module], x: Tensor, caches: RowCaches, before: int) -> Tensor:
        """Run *layers* on new words and append these to the caches.

        Args:
            layers: consecutive layers of the decoder.
            x: the input of the first of them, width × rows × channels.
            caches: the caches, the encoder's output and the masks of the rows.
            before: the number of columns in the caches of these layers.

        Returns:
            The output of the last layer, width × rows × channels.
        """
        width = x.size(0)
        future = None
        if width > 1:  # all new words see all cached ones
            future = pad(self._future[:width, :width], (before, 0))  # width × columns
        for layer in layers:
            caches.hide_dropped_words(layer, before + width)
            x = layer(
                x,
                caches.encoder_out,
                caches.encoder_padding_mask,
                caches.state,
                self_attn_mask=future,
                need_attn=False,
            )[0]
        return x

    def features(self, x: Tensor) -> Tensor:
        """The input of the output projection, width × rows × channels, of a layer's output of the same shape."""
        if self.decoder.layer_norm is not None:
            x = self.decoder.layer_norm(x)
        return x if self.decoder.project_out_dim is None else self.decoder.project_out_dim(x)

    def logits(self, x: Tensor) -> Tensor:
        """The logits of all words, rows × width × words, of a layer's output, width × rows × channels."""
        return self.decoder.output_layer(self.features(x).transpose(0, 1))  # rows × width × words
