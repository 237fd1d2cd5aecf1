"""Options of our translation models that our other models refuse, each with the reason.

An option that a parser does not know drowns in fairseq's two hundred lines of usage.
"""

from argparse import SUPPRESS, ArgumentParser, Namespace
from typing import Mapping

DEPTH_OPTIONS = ("--encoder-depths", "--decoder-depths", "--subnetworks")
ENCODER_OPTIONS = ("--encoder-layers", "--encoder-layerdrop", "--unique-encoder-layers")


def add_refused(parser: ArgumentParser, refused: Mapping[str, str]) -> None:
    """Let *parser* accept the refused options, unlisted, so that :func:`refuse` can answer."""
    for option in refused:
        parser.add_argument(option, default=SUPPRESS, help=SUPPRESS)


def refuse(args: Namespace, refused: Mapping[str, str]) -> None:
    """Answer the first refused option that was given.

    Raises:
        ValueError: there is one.
    """
    for option, reason in refused.items():
        given = getattr(args, option[2:].replace("-", "_"), None)
        if given is not None:
            raise ValueError(f"{option} {given}: {reason}; leave the option out with --arch {args.arch}")
