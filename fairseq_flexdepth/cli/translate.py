"""``fairseq-flexdepth translate``: sentences of standard input at several depth pairs, side by side."""

import argparse
import io
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Sequence

from fairseq_flexdepth.cli.fairseq_options import check_paths, import_plugin, quiet
from fairseq_flexdepth.depth.supported_depths import DepthPair, parse_pairs, written_pair

if TYPE_CHECKING:
    from fairseq_flexdepth.decoding.hub import FlexDepthHubInterface

NAME = "translate"
HELP = "translate sentences from standard input at several depth pairs, side by side"

EXAMPLES = (
    "fairseq-flexdepth translate --path checkpoint_best.pt --data data-bin --depths 1-1,3-3 --sentencepiece spm.model",
    "fairseq-flexdepth translate --path checkpoint_best.pt --tokenizer moses --bpe-codes codes --json",
)
EPILOG = (
    "Each line is one sentence, translated alone; empty lines are skipped. Milliseconds are the time of the encoder "
    "and of beam search; splitting and joining words is not counted. Each sentence is first decoded once at the first "
    "depth pair, without a clock, so that this pair does not pay for the warm-up."
)
TOKENIZERS = ("moses", "nltk", "space")


class Translation(NamedTuple):
    """A translation at a depth pair, and the time of its encoder and beam search."""

    pair: DepthPair
    text: str
    milliseconds: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.epilog = EPILOG
    parser.add_argument("--path", required=True, metavar="CHECKPOINT", help="a model, or an ensemble a.pt:b.pt")
    parser.add_argument(
        "--data", metavar="FOLDER", help="folder with the dictionaries (default: the one that the checkpoint names)"
    )
    for side in ("source", "target"):
        help_text = f"{side} language, which a model of several directions needs"
        parser.add_argument(f"--{side}-lang", metavar="LANGUAGE", help=help_text)
    parser.add_argument("--depths", metavar="N-M,...", help="depth pairs, encoder-decoder: 1-1,3-2 (default: all)")
    subwords = parser.add_mutually_exclusive_group()
    subwords.add_argument("--sentencepiece", metavar="FILE", help="the model of SentencePiece that splits words")
    subwords.add_argument("--bpe-codes", metavar="FILE", help="the codes with which subword-nmt splits words")
    parser.add_argument("--tokenizer", choices=TOKENIZERS, help="fairseq's tokenizer to apply before (default: none)")
    parser.add_argument("--beam", type=int, default=5, metavar="N", help="beam size (default: 5)")
    parser.add_argument("--cpu", action="store_true", help="use the CPU even if there is a GPU")
    parser.add_argument("--json", action="store_true", help="print one JSON object, when all sentences are translated")


def run(args: argparse.Namespace) -> int:
    """Translate the sentences of standard input, and print each as soon as it is translated, or JSON at the end.

    Raises:
        ValueError: an option is wrong, a file is missing, the model does not support a depth pair, standard input
            has no sentence or is not in UTF-8, or a sentence is too long.
    """
    pairs = _check(args)
    output = sys.stdout  # quiet() sends what fairseq prints to standard error
    with quiet():
        interface = _load(args)
        found: List[Dict[str, Any]] = []
        chosen = _supported(pairs, interface, args.path)
        for source in _sentences():
            translations = translate(interface, source, chosen, args.beam)
            found.append(_values(source, translations))
            if not args.json:
                print(_text(source, translations), file=output, flush=True)
        if not found:
            raise ValueError("standard input: expected sentences, one per line")
        from fairseq_flexdepth.cli.machine import describe_machine

        machine = describe_machine(interface.device.type == "cuda")
    if args.json:
        print(json.dumps({"path": args.path, "beam": args.beam, "machine": machine, "sentences": found}, indent=1))
    return 0


def translate(
    interface: "FlexDepthHubInterface", source: str, pairs: Sequence[DepthPair], beam: int
) -> List[Translation]:
    """Translate a sentence at each of *pairs*, after a translation at the first one that is not timed."""
    from fairseq_flexdepth.decoding.clock import seconds_now

    use_cuda = interface.device.type == "cuda"
    tokens = interface.encode(source)
    translations = []
    for pair in (pairs[0], *pairs):
        interface.set_depth(*pair)
        start = seconds_now(use_cuda)
        (hypotheses,) = interface.generate([tokens], beam=beam)
        taken = seconds_now(use_cuda) - start
        translations.append(Translation(pair, interface.decode(hypotheses[0]["tokens"]), 1000 * taken))
    return translations[1:]


def _check(args: argparse.Namespace) -> List[DepthPair]:
    """Refuse wrong options; return the depth pairs of ``--depths``, none without it."""
    check_paths([args.path])
    if args.data is not None and not os.path.isdir(args.data):
        raise ValueError(f"--data {args.data}: no such folder")
    for option, path in (("--sentencepiece", args.sentencepiece), ("--bpe-codes", args.bpe_codes)):
        if path is not None and not os.path.isfile(path):
            raise ValueError(f"{option} {path}: no such file")
    if args.beam < 1:
        raise ValueError(f"--beam {args.beam}: expected 1 or more")
    return [] if args.depths is None else parse_pairs(args.depths, "--depths")


def _supported(pairs: List[DepthPair], interface: "FlexDepthHubInterface", path: str) -> List[DepthPair]:
    """The given depth pairs, or all if none is given; each is one that the model supports."""
    from fairseq_flexdepth.corpus.every_depth import supported_only

    return supported_only(pairs, [interface.depths], [path])[0] if pairs else interface.depths


def _load(args: argparse.Namespace) -> "FlexDepthHubInterface":
    """Load the model with its subwords and its tokenizer, on the GPU if there is one."""
    import_plugin()
    import torch

    from fairseq_flexdepth.decoding.hub import load

    subwords = {}
    if args.sentencepiece is not None:
        subwords = {"bpe": "sentencepiece", "sentencepiece_model": args.sentencepiece}
    elif args.bpe_codes is not None:
        subwords = {"bpe": "subword_nmt", "bpe_codes": args.bpe_codes}
    given = {"source_lang": args.source_lang, "target_lang": args.target_lang}
    direction = {name: language for name, language in given.items() if language is not None}
    interface = load(args.path, args.data, **subwords, **direction)
    if args.tokenizer is not None:
        from fairseq.data.encoders import build_tokenizer
        from omegaconf import OmegaConf

        languages = {name: getattr(interface.task.options, name) for name in given}
        used = languages if args.tokenizer == "moses" else {}
        interface.tokenizer = build_tokenizer(OmegaConf.create({"_name": args.tokenizer, **used}))
    return interface.cuda() if torch.cuda.is_available() and not args.cpu else interface


def _sentences() -> Iterator[str]:
    """The lines of standard input that are not empty, without white space at their ends."""
    lines = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="\n")
    try:
        yield from (line.strip() for line in lines if line.strip())
    except UnicodeDecodeError as error:
        raise ValueError(f"standard input: expected text in UTF-8: {error}") from error
    finally:
        lines.detach()  # standard input stays open


def _text(source: str, translations: Sequence[Translation]) -> str:
    """The sentence, then a line per depth pair: the pair, the milliseconds and the translation."""
    lines = [f"{written_pair(pair):>5}  {spent:8.1f} ms  {text}" for pair, text, spent in translations]
    return "\n".join([source, *lines, ""])


def _values(source: str, translations: Sequence[Translation]) -> Dict[str, Any]:
    """The sentence and its translations, as JSON holds them."""
    return {
        "source": source,
        "translations": [
            {"enc_layers": n, "dec_layers": m, "milliseconds": round(spent, 3), "translation": text}
            for (n, m), text, spent in translations
        ],
    }
