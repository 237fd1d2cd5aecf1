"""Options of the criterions that train many depth pairs."""

from dataclasses import dataclass, field
from typing import Optional

from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from omegaconf import II

from fairseq_flexdepth.modules.losses.linear_cross_entropy import CHOICES


@dataclass
class MultiDepthConfig(FairseqDataclass):
    """Options of all criterions that train many depth pairs."""

    label_smoothing: float = field(
        default=0.0, metadata={"help": "epsilon for label smoothing, 0 means no label smoothing"}
    )
    report_accuracy: bool = field(default=False, metadata={"help": "report accuracy metric"})
    ignore_prefix_size: int = field(default=0, metadata={"help": "Ignore first N tokens"})
    depth_weights: Optional[str] = field(
        default=None,
        metadata={
            "help": "weights of the depth pairs in the loss, such as '1,2;3,4': one row per encoder depth, separated "
            "by ';', one weight per decoder depth, separated by ','; normalised to sum 1 (default: equal weights)"
        },
    )
    sample_encoder_depths: int = field(
        default=0, metadata={"help": "train only this many encoder depths, drawn anew at each update (0: all)"}
    )
    sample_decoder_depths: int = field(
        default=0, metadata={"help": "train only this many decoder depths, drawn anew at each update (0: all)"}
    )
    sandwich_rule: bool = field(
        default=False,
        metadata={
            "help": "with --sample-encoder-depths or --sample-decoder-depths of 2 or more: the shallowest and the "
            "deepest depth are always among the depths drawn"
        },
    )
    accumulate_depths: bool = field(
        default=False,
        metadata={"help": "train one sub-network after another: the same gradients with less memory, but slower"},
    )
    loss_backend: ChoiceEnum(CHOICES) = field(  # type: ignore[valid-type]
        default="auto",
        metadata={
            "help": "how the softmax of the loss and its gradient are computed: by torch's operations (eager), or by "
            "kernels that torch compiles in the first update, which move less memory (compiled; torch 2 or newer); "
            "auto is eager on every device so far"
        },
    )
    sentence_avg: bool = II("optimization.sentence_avg")
    seed: int = II("common.seed")
    ddp_backend: str = II("distributed_training.ddp_backend")
