"""Attention that several layer runs of a depth plan have in common, computed once.

- Cross-attention: its keys and values depend on the encoder's output and on the layer's parameters alone. They are the
  same in all runs of a position, and of positions that share their parameters.
- A layer that runs on the stack's input, which is the same for all encoder depths: its self-attention, and what follows
  up to the queries of its cross-attention.

Values and gradients are those of separate computations. So is the distribution of dropout in every depth pair, although
all encoder depths now have the masks of that self-attention in common, as they always had those of the embeddings. Keys
and values have no dropout of their own.
"""

from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import Any, Callable, Dict, Iterable, Iterator, Optional, Tuple

from torch import Tensor, nn


class SharedAttention:
    """The attention that the runs of one plan share.

    Args:
        layers: the decoder layer of each run.
        copies: how often the stack's input is repeated on the batch axis, once per encoder depth.
    """

    def __init__(self, layers: Iterable[nn.Module], copies: int) -> None:
        attentions = (getattr(layer, "encoder_attn", None) for layer in layers)  # None in a language model
        self.runs = Counter(_projections(attention) for attention in attentions if attention is not None)
        self.copies = copies
        self.known: Dict[Tuple[int, int], Any] = {}  # keys and values, as fairseq's decoding caches hold them

    @contextmanager
    def within(self, layer: Any, on_input: bool) -> Iterator[None]:
        """Within this context, *layer* computes nothing that an earlier run or another depth has computed.

        Args:
            layer: one of fairseq's decoder layers.
            on_input: whether it runs on the stack's input.
        """
        with ExitStack() as stack:
            cross = getattr(layer, "encoder_attn", None)
            if cross is not None and self.runs[_projections(cross)] > 1:
                stack.enter_context(_replaced_forward(cross, self._with_known_keys(cross)))
            if on_input and self.copies > 1 and not layer.cross_self_attention:
                stack.enter_context(_replaced_forward(layer.self_attn, self._attention_of_first(layer.self_attn)))
                for module in (layer.dropout_module, *(() if cross is None else (cross.q_proj,))):
                    stack.enter_context(_replaced_forward(module, self._first_call_of_first(module)))
            yield

    def _with_known_keys(self, attention: Any) -> Callable[..., Any]:
        stock, projections = attention.forward, _projections(attention)

        def forward(*args: Any, incremental_state: None = None, **options: Any) -> Tuple[Tensor, Optional[Tensor]]:
            # In decoding, fairseq keeps the keys and values of a sentence in this state.
            state: Dict[str, Any] = {}
            if projections in self.known:
                attention._set_input_buffer(state, self.known[projections])
            result = stock(*args, incremental_state=state, **options)
            self.known[projections] = attention._get_input_buffer(state)
            return result

        return forward

    def _attention_of_first(self, attention: Any) -> Callable[..., Any]:
        """Self-attention of the first copy, repeated for the others."""
        stock = attention.forward

        def forward(
            query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Optional[Tensor] = None, **options: Any
        ) -> Tuple[Tensor, Optional[Tensor]]:
            first = self._first(query)
            padding = None if key_padding_mask is None else key_padding_mask[: first.size(1)]
            output, weights = stock(first, first, first, key_padding_mask=padding, **options)
            return output.repeat(1, self.copies, 1), weights

        return forward

    def _first_call_of_first(self, module: Any) -> Callable[[Tensor], Tensor]:
        """A module whose first call sees the first copy alone: a layer calls its dropout after each sub-layer."""
        stock, fresh = module.forward, [True]

        def forward(x: Tensor) -> Tensor:
            if not fresh:
                return stock(x)
            fresh.clear()
            return stock(self._first(x)).repeat(1, self.copies, 1)

        return forward

    def _first(self, x: Tensor) -> Tensor:
        """The first of the copies, length × batch × channels."""
        return x[:, : x.size(1) // self.copies]


def _projections(attention: Any) -> Tuple[int, int]:
    """Which parameters project keys and values: layers that are tied share them."""
    return id(attention.k_proj.weight), id(attention.v_proj.weight)


@contextmanager
def _replaced_forward(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Within this context, calling *module* calls *forward*."""
    replaced = vars(module).get("forward")  # usually none: the class has it
    module.forward = forward
    try:
        yield
    finally:
        if replaced is None:
            del module.forward
        else:
            module.forward = replaced
