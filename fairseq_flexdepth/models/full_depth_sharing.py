"""Models that share layers, but always run at their full depth: a language model, and a speech model.

They refuse the depth options of other models with a reason: for an option that argparse does not know, fairseq prints
its usage, two hundred lines in which the error is hard to find.
"""

from argparse import SUPPRESS, ArgumentParser, Namespace
from typing import Any, Dict, Mapping

from fairseq_flexdepth.models.checkpoint_fit import FitsCheckpoint
from fairseq_flexdepth.models.config import nested_config
from fairseq_flexdepth.models.layer_sharing import check_sharing, share_side

DEPTH_OPTIONS = ("--encoder-depths", "--decoder-depths", "--subnetworks")


class FullDepthSharing(FitsCheckpoint):
    """Mixin for a fairseq model with a ``decoder.layers`` stack, whose layer positions share unique layers."""

    @classmethod
    def build_model(cls, args: Namespace, task: Any) -> Any:
        """Build fairseq's model, then tie the parameters of its decoder.

        Raises:
            ValueError: the sharing options contradict each other or other options.
        """
        check_sharing(args)
        model = super().build_model(args, task)
        model.cfg = nested_config(args)
        share_side(model.decoder.layers, args, "decoder", args.decoder_layerdrop)
        return model


def refused_options(kind: str) -> Dict[str, str]:
    """The options that a *kind* of model, such as "a speech model", refuses, each with the reason."""
    return {
        **dict.fromkeys(DEPTH_OPTIONS, f"{kind} runs at its full depth"),
        "--residual-init": f"{kind} is Pre-LN, which needs no residual scales",
    }


def add_refused(parser: ArgumentParser, refused: Mapping[str, str]) -> None:
    """Let *parser* accept the refused options without listing them in its help, so that :func:`refuse` sees them."""
    for option in refused:
        parser.add_argument(option, default=SUPPRESS, help=SUPPRESS)


def refuse(args: Namespace, refused: Mapping[str, str]) -> None:
    """Check that no refused option was given.

    Raises:
        ValueError: a refused option was given; the message has the reason.
    """
    for option, reason in refused.items():
        given = getattr(args, option[2:].replace("-", "_"), None)
        if given is not None:
            raise ValueError(f"{option} {given}: {reason}; leave the option out with --arch {args.arch}")
