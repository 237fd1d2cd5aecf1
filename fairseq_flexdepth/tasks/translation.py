"""fairseq's translation task with ``--enc-layers`` and ``--dec-layers``."""

import logging
from dataclasses import dataclass, field
from typing import Any, Optional, Sequence

from fairseq.tasks.translation import TranslationConfig, TranslationTask

from fairseq_flexdepth.compat import register_task, replace_task
from fairseq_flexdepth.decoding.depth import choose_depth, describe_depth

logger = logging.getLogger(__name__)


@dataclass
class FlexDepthTranslationConfig(TranslationConfig):
    """fairseq's translation options and the depth to decode at."""

    enc_layers: Optional[int] = field(
        default=None, metadata={"help": "decode with this many encoder layers (default: the deepest trained)"}
    )
    dec_layers: Optional[int] = field(
        default=None, metadata={"help": "decode with this many decoder layers (default: the deepest trained)"}
    )


@register_task("translation_flexdepth", dataclass=FlexDepthTranslationConfig)
class FlexDepthTranslationTask(TranslationTask):
    """Translation at the depth asked for; also registered as ``translation``, which it extends."""

    cfg: FlexDepthTranslationConfig

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """Build the model and set its depth.

        Raises:
            ValueError: a depth is asked for that the model does not support.
        """
        model = super().build_model(cfg, from_checkpoint)
        choose_depth(model, self.cfg.enc_layers, self.cfg.dec_layers)
        return model

    def build_generator(self, models: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        """As fairseq's; the log says which depth decodes."""
        depth = describe_depth(models)
        if depth is not None:
            logger.info("decoding with %s", depth)
        return super().build_generator(models, *args, **kwargs)

    def begin_epoch(self, epoch: int, model: Any) -> None:
        """Refuse to train one depth by a decoding option.

        Raises:
            ValueError: a decoding depth is set.
        """
        super().begin_epoch(epoch, model)
        for option, depth in (("enc", self.cfg.enc_layers), ("dec", self.cfg.dec_layers)):
            if depth is not None:
                raise ValueError(
                    f"--{option}-layers {depth}: chooses a depth for decoding; leave it out in training, or train "
                    f"fewer depths with --{option}oder-depths {depth}"
                )


replace_task("translation", FlexDepthTranslationTask, FlexDepthTranslationConfig)
