"""The depth selector: a Transformer encoder that classifies which depth pair suits a source sentence.

[dabre2020] §4.2.
"""

from argparse import Namespace
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence

import torch
from fairseq import utils
from fairseq.data import Dictionary
from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from fairseq.models import FairseqEncoderModel
from fairseq.models.transformer import Embedding, TransformerConfig, TransformerEncoderBase
from fairseq.tasks import FairseqTask
from omegaconf import II
from torch import Tensor, nn

from fairseq_flexdepth.compat import disable_encoder_fast_path, drop_fast_path_keys, register_model
from fairseq_flexdepth.depth.supported_depths import DepthPair, from_fastest
from fairseq_flexdepth.files.checkpoints import read_checkpoint
from fairseq_flexdepth.files.checksums import dictionary_checksum
from fairseq_flexdepth.modules import depth_choice

DEFAULT_WIDTH = 512
_EMBEDDINGS = "encoder.embed_tokens.weight"


@dataclass
class DepthSelectorConfig(FairseqDataclass):
    """Options of ``--arch depth_selector``."""

    encoder_embed_dim: Optional[int] = field(
        default=None,
        metadata={"help": f"width of the model (default: the width of --init-embeddings-from, else {DEFAULT_WIDTH})"},
    )
    encoder_ffn_embed_dim: int = field(default=2048, metadata={"help": "width of the feed-forward layers"})
    encoder_layers: int = field(default=2, metadata={"help": "number of layers"})
    encoder_attention_heads: int = field(default=4, metadata={"help": "number of attention heads"})
    encoder_normalize_before: bool = field(default=False, metadata={"help": "layer norm before each block (Pre-LN)"})
    encoder_learned_pos: bool = field(default=False, metadata={"help": "learned positional embeddings"})
    dropout: float = field(default=0.1, metadata={"help": "dropout probability"})
    attention_dropout: float = field(default=0.0, metadata={"help": "dropout probability of attention weights"})
    activation_dropout: float = field(default=0.0, metadata={"help": "dropout probability within feed-forward layers"})
    activation_fn: ChoiceEnum(utils.get_available_activation_fns()) = field(  # type: ignore[valid-type]
        default="relu", metadata={"help": "activation function of the feed-forward layers"}
    )
    init_embeddings_from: Optional[str] = field(
        default=None,
        metadata={
            "help": "initialise the embeddings with the source embeddings of this translation checkpoint, which is "
            "only needed when training starts"
        },
    )
    max_source_positions: int = II("task.max_source_positions")
    store_ema: bool = II("ema.store_ema")


@register_model("depth_selector", dataclass=DepthSelectorConfig)
class DepthSelector(FairseqEncoderModel):
    """A Transformer encoder over the source sentence followed by a class token, whose output state is classified.

    The checkpoint also has, as buffers, all that decoding needs: ``depth_pairs`` (pairs × 2), ``relative_seconds``
    (pairs) and ``dictionary_checksum``.

    Args:
        cfg: fairseq's options of a Transformer encoder.
        dictionary: the source dictionary.
        pairs: the depth pairs to choose from.
        relative_seconds: the decoding time of each pair, relative to the deepest pair.
    """

    exclusive = False  # whether the probabilities of the pairs sum to 1, as cost_aware_depth_selection trains them

    def __init__(
        self,
        cfg: TransformerConfig,
        dictionary: Dictionary,
        pairs: Sequence[DepthPair],
        relative_seconds: Sequence[float],
    ) -> None:
        width = cfg.encoder.embed_dim
        # The class token is one more than the words of the dictionary.
        embeddings = Embedding(len(dictionary) + 1, width, dictionary.pad())
        super().__init__(TransformerEncoderBase(cfg, dictionary, embeddings))
        disable_encoder_fast_path(self.encoder.layers)
        self.class_token = len(dictionary)
        self.output = nn.Linear(width, len(pairs))
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.pairs = list(pairs)
        self.register_buffer("depth_pairs", torch.tensor(self.pairs, dtype=torch.int64))
        self.register_buffer("relative_seconds", torch.as_tensor(relative_seconds, dtype=torch.float32))
        self.register_buffer("dictionary_checksum", torch.tensor(dictionary_checksum(dictionary), dtype=torch.int64))

    @classmethod
    def build_model(cls, cfg: Any, task: FairseqTask) -> "DepthSelector":
        """Build a selector for the task's dictionary and the depth pairs of its labels.

        Raises:
            ValueError: the task has no labels, or the sizes are invalid for a Transformer.
        """
        labels = getattr(task, "labels", None)
        if labels is None:
            raise ValueError(f"--arch depth_selector: expected --task depth_selection, given {type(task).__name__}")
        return cls(_encoder_config(cfg), task.source_dictionary, labels.pairs, labels.relative_seconds)

    @property
    def deepest(self) -> int:
        """The index of the deepest pair: the slowest by [dabre2020] Eq. 1."""
        return from_fastest(self.pairs)[-1]

    def forward(self, src_tokens: Tensor, src_lengths: Optional[Tensor] = None, **kwargs: Any) -> Tensor:
        """Compute one logit per depth pair.

        Args:
            src_tokens: batch × source length, each sentence with its end symbol, padded on the left or right.
            src_lengths: batch; not used.

        Returns:
            batch × pairs.
        """
        padding = self.encoder.padding_idx
        # Padding on the left, so that the class token comes right after the end symbol and last in every row.
        tokens = utils.convert_padding_direction(src_tokens, padding, right_to_left=True)
        classes = tokens.new_full((len(tokens), 1), self.class_token)  # batch × 1
        encoded = self.encoder(torch.cat([tokens, classes], dim=1))  # batch × (source length + 1)
        states = encoded["encoder_out"][0]  # (source length + 1) × batch × width
        return self.output(states[-1])  # batch × pairs

    def probabilities(self, logits: Tensor) -> Tensor:
        """The probabilities from which a pair is chosen: batch × pairs, from *logits* of batch × pairs."""
        return depth_choice.probabilities(logits, self.exclusive)

    def choose(self, probabilities: Tensor, threshold: float) -> Tensor:
        """The index of the pair chosen for each sentence: batch, from *probabilities* of batch × pairs.

        It is the most probable pair, or the deepest one if no probability reaches *threshold*.
        """
        return depth_choice.choose(probabilities, threshold, self.deepest)

    def initialise_embeddings(self, embeddings: Tensor) -> None:
        """Copy *embeddings*, words × width, into the model; the embedding of the class token is kept."""
        with torch.no_grad():
            self.encoder.embed_tokens.weight[:-1].copy_(embeddings)

    def max_positions(self) -> int:
        """The maximum number of source tokens; the class token is not counted."""
        return int(self.encoder.max_positions()) - 1

    def load_state_dict(self, state_dict: Dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load a checkpoint, except for its ``relative_seconds``.

        They keep the values of this training's labels, so that fine-tuning uses the times of the new labels.

        Raises:
            ValueError: the checkpoint is not of a selector, or its depth pairs, dictionary or width are different.
        """
        self._check_fits(state_dict)
        return super().load_state_dict({**state_dict, "relative_seconds": self.relative_seconds}, *args, **kwargs)

    def _check_fits(self, state_dict: Dict[str, Any]) -> None:
        """Raise a ``ValueError`` if a checkpoint does not fit this selector."""
        if "depth_pairs" not in state_dict:
            raise ValueError("--arch depth_selector: the checkpoint was trained with another architecture")
        trained = pairs_of(state_dict)
        if trained != self.pairs:
            raise ValueError(
                f"the selector was trained for the depth pairs {trained}; these labels are for {self.pairs}"
            )
        if int(state_dict["dictionary_checksum"]) != int(self.dictionary_checksum):
            raise ValueError("the selector was trained with a source dictionary that differs from the labels'")
        trained_width, width = state_dict["output.weight"].size(1), self.output.in_features
        if trained_width != width:
            raise ValueError(f"--encoder-embed-dim {width}: the checkpoint was trained with {trained_width}")

    def upgrade_state_dict_named(self, state_dict: Dict[str, Any], name: str) -> None:
        """Upgrade a checkpoint as fairseq does, also one that the other supported fairseq version saved."""
        prefix = f"{name}." if name else ""
        for index, layer in enumerate(self.encoder.layers):
            drop_fast_path_keys(state_dict, f"{prefix}encoder.layers.{index}", layer)
        super().upgrade_state_dict_named(state_dict, name)


def pairs_of(state_dict: Dict[str, Any]) -> List[DepthPair]:
    """The depth pairs that the selector of a checkpoint chooses from."""
    return [(n, m) for n, m in state_dict["depth_pairs"].tolist()]


def translation_embeddings(path: str, dictionary: Dictionary) -> Tensor:
    """The source embeddings of a translation model, which a selector starts from ([dabre2020] §4.2).

    Args:
        path: the translation checkpoint.
        dictionary: the selector's source dictionary.

    Returns:
        Words × width, in single precision.

    Raises:
        ValueError: there is no such file, it is not a checkpoint, or it has no embeddings of *dictionary*'s words.
    """
    option = f"--init-embeddings-from {path}"
    weights = read_checkpoint("--init-embeddings-from", path)["model"]
    if _EMBEDDINGS not in weights:
        raise ValueError(f"{option}: has no {_EMBEDDINGS}; expected a checkpoint of --task translation")
    if len(weights[_EMBEDDINGS]) != len(dictionary):
        raise ValueError(
            f"{option}: has embeddings of {len(weights[_EMBEDDINGS])} words, DATA's dictionary {len(dictionary)}; "
            "expected the model that the labels were made with"
        )
    return weights[_EMBEDDINGS].float()


def _encoder_config(cfg: DepthSelectorConfig) -> TransformerConfig:
    """The options of a selector in the form that fairseq's Transformer encoder takes; refuses impossible sizes."""
    width = cfg.encoder_embed_dim
    assert width is not None  # the task has filled it in
    for option in ("encoder_embed_dim", "encoder_ffn_embed_dim", "encoder_layers", "encoder_attention_heads"):
        if getattr(cfg, option) < 1:
            raise ValueError(f"--{option.replace('_', '-')} {getattr(cfg, option)}: expected a number of at least 1")
    if width % cfg.encoder_attention_heads:
        raise ValueError(
            f"--encoder-attention-heads {cfg.encoder_attention_heads}: expected a divisor of the width, {width}"
        )
    return TransformerConfig.from_namespace(
        Namespace(
            encoder_embed_dim=width,
            encoder_ffn_embed_dim=cfg.encoder_ffn_embed_dim,
            encoder_layers=cfg.encoder_layers,
            encoder_attention_heads=cfg.encoder_attention_heads,
            encoder_normalize_before=cfg.encoder_normalize_before,
            encoder_learned_pos=cfg.encoder_learned_pos,
            dropout=cfg.dropout,
            attention_dropout=cfg.attention_dropout,
            activation_dropout=cfg.activation_dropout,
            activation_fn=str(cfg.activation_fn),
            max_source_positions=cfg.max_source_positions + 1,  # the class token takes one
        )
    )
