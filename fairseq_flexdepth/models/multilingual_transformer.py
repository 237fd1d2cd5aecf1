"""fairseq's ``multilingual_transformer``, with a model of many depths for each direction.

Its task, ``multilingual_translation``, trains one model per direction. They may share their encoders
(``--share-encoders``), their decoders, or embeddings alone.
"""

from argparse import ArgumentParser, Namespace
from typing import Any, Dict, Optional, Sequence, Tuple

from fairseq.data import Dictionary
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models.multilingual_transformer import MultilingualTransformerModel, base_multilingual_architecture
from fairseq.models.transformer import TransformerConfig
from fairseq.tasks import FairseqTask
from fairseq.tasks.multilingual_translation import MultilingualTranslationTask
from torch import nn

from fairseq_flexdepth.compat import register_architecture, register_model
from fairseq_flexdepth.depth.supported_depths import DepthPair, DepthSpace
from fairseq_flexdepth.models.checkpoint_fit import FitsCheckpoint, check_fits
from fairseq_flexdepth.models.config import FlexDepthTransformerConfig, check_options, nested_config
from fairseq_flexdepth.models.layer_sharing import share_by_default
from fairseq_flexdepth.models.transformer import FlexDepthTransformer
from fairseq_flexdepth.models.transformer_decoder import FlexDepthDecoder
from fairseq_flexdepth.models.transformer_encoder import FlexDepthEncoder

NAME = "tied_multi_multilingual_transformer"


@register_model(NAME)
class FlexDepthMultilingualTransformer(FitsCheckpoint, MultilingualTransformerModel):
    """A :class:`FlexDepthTransformer` for each direction, all with the same depth space.

    Args:
        cfg: the options, nested.
        stock: fairseq's model, of encoders and decoders of this package.
    """

    def __init__(self, cfg: TransformerConfig, stock: MultilingualTransformerModel) -> None:
        built = stock.models.items()
        super().__init__({pair: model.encoder for pair, model in built}, {pair: model.decoder for pair, model in built})
        self.cfg = cfg
        self.models = nn.ModuleDict(
            {pair: FlexDepthTransformer(cfg, model.encoder, model.decoder) for pair, model in built}
        )

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Declare fairseq's options and ours, without defaults."""
        MultilingualTransformerModel.add_args(parser)
        gen_parser_from_dataclass(parser, FlexDepthTransformerConfig(), delete_default=True)

    @classmethod
    def build_model(cls, args: Namespace, task: FairseqTask) -> "FlexDepthMultilingualTransformer":
        """Check the options, then build the models of all directions of *task*.

        Raises:
            ValueError: the task is another one; or see :func:`~fairseq_flexdepth.models.config.check_options`.
        """
        if not isinstance(task, MultilingualTranslationTask):
            raise ValueError(f"--arch {NAME}: expected --task multilingual_translation, given {type(task).__name__}")
        tied_multi_multilingual_transformer(args)  # a checkpoint of an older version lacks options
        config = nested_config(args)
        check_options(config, task)
        return cls(config, super().build_model(args, task))

    @classmethod
    def _get_module_class(
        cls, is_encoder: bool, args: Namespace, lang_dict: Dictionary, embed_tokens: nn.Embedding, langs: Sequence[str]
    ) -> nn.Module:
        """Build one encoder or decoder: fairseq's hook."""
        build: Any = FlexDepthEncoder if is_encoder else FlexDepthDecoder
        return build(nested_config(args), lang_dict, embed_tokens)

    def check_checkpoint(self, state_dict: Dict[str, Any]) -> None:
        """Compare each direction of this model with that of the checkpoint."""
        for pair, model in self.models.items():
            prefix = f"models.{pair}."
            check_fits(model, {key[len(prefix) :]: state_dict[key] for key in state_dict if key.startswith(prefix)})

    @property
    def _first(self) -> FlexDepthTransformer:
        return self.models[self.keys[0]]

    @property
    def depth_space(self) -> DepthSpace:
        """The depth pairs of every direction."""
        return self._first.depth_space

    @property
    def chosen_depth(self) -> Optional[DepthPair]:
        """The depth pair of :meth:`set_depth`; ``None``: no single pair is chosen."""
        return self._first.chosen_depth

    @property
    def strategy(self) -> str:
        """For which layers a depth runs, as in ``--subnetworks``."""
        return self._first.strategy

    def set_depth(self, encoder_depth: Optional[int] = None, decoder_depth: Optional[int] = None) -> DepthPair:
        """Run one depth pair of every direction from now on; see :meth:`AnyDepthModel.set_depth`.

        Raises:
            ValueError: a depth is outside the depth space.
        """
        return [model.set_depth(encoder_depth, decoder_depth) for model in self.models.values()][0]

    def use_subnetworks(self, strategy: str) -> None:
        """Let *strategy* choose the layers of each depth, in every direction; resets :meth:`set_depth`."""
        for model in self.models.values():
            model.use_subnetworks(strategy)

    def plans(self, depths: DepthSpace) -> Tuple[Any, Any]:
        """The depth plans of encoder and decoder for the depth pairs of *depths*."""
        return self._first.plans(depths)

    def set_loss_scale(self, scale: float) -> None:
        """Store the factor by which the optimizer will multiply the next losses, for ``--accumulate-depths``."""
        for model in self.models.values():
            model.set_loss_scale(scale)


@register_architecture(NAME, NAME)
def tied_multi_multilingual_transformer(args: Namespace) -> None:
    """Set the defaults of fairseq's ``multilingual_transformer``, without layer sharing."""
    share_by_default(args, "none")
    base_multilingual_architecture(args)
