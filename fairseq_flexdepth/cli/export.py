"""``fairseq-flexdepth export``: one depth of a model, written as a smaller model that runs without this package."""

import argparse
import importlib.util
import json
import os
import tempfile
from typing import TYPE_CHECKING, Any, Dict

from fairseq_flexdepth.cli.fairseq_options import check_paths, import_plugin, quiet
from fairseq_flexdepth.files.checkpoint_editing import check_output, save_checkpoint, tie_equal
from fairseq_flexdepth.files.outputs import check_file

if TYPE_CHECKING:
    from fairseq_flexdepth.export.loaded_model import LoadedModel
    from fairseq_flexdepth.export.stock_checkpoint import StockModel

NAME = "export"
HELP = "write one depth as a stock fairseq transformer or for CTranslate2"

FAIRSEQ, CTRANSLATE2 = FORMATS = ("fairseq", "ctranslate2")
# The types that CTranslate2 converts to; importing it here, only to ask it, would take too long.
QUANTIZATIONS = (
    "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16", "float32"
)  # fmt: skip
MODEL_FILE = "model.bin"  # in the folder of a CTranslate2 model
LIMITS = ("max_source_length", "max_decoding_length")  # in tokens, without the end symbol

EXAMPLES = (
    "fairseq-flexdepth export --path checkpoint_best.pt --enc-layers 3 --dec-layers 2 --output small.pt",
    "fairseq-flexdepth export --path checkpoint_best.pt --format ctranslate2 --quantization int8 --output ct2",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("--path", required=True, metavar="FILE", help="the checkpoint to export")
    parser.add_argument(
        "--enc-layers", type=int, metavar="N", help="number of encoder layers (default: the deepest trained)"
    )
    parser.add_argument(
        "--dec-layers", type=int, metavar="M", help="number of decoder layers (default: the deepest trained)"
    )
    parser.add_argument("--subnetworks", metavar="S", help="which layers run at each depth (default: as trained)")
    parser.add_argument(
        "--data", metavar="DIR", help="the directory of the dictionaries (default: the one named in the checkpoint)"
    )
    parser.add_argument(
        "--format", choices=FORMATS, default=FAIRSEQ, help="format of the exported model (default: fairseq)"
    )
    parser.add_argument(
        "--quantization", choices=QUANTIZATIONS,
        help="type of the weights with --format ctranslate2 (default: as in the checkpoint)",
    )  # fmt: skip
    parser.add_argument(
        "--output", required=True, metavar="FILE", help="the checkpoint to write; with --format ctranslate2, a folder"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = "An earlier file or folder of that kind is replaced. The result loads without --user-dir."


def run(args: argparse.Namespace) -> int:
    """Write the exported model, and print its size and limits.

    Raises:
        ValueError: the checkpoint cannot be exported, or the depth is not supported.
        ImportError: ``--format ctranslate2`` without the package.
    """
    _check(args)
    with quiet():
        import_plugin()
        from fairseq_flexdepth.export import loaded_model, stock_checkpoint

        loaded = loaded_model.load_translation_model(args.path, args.data)
        stock = stock_checkpoint.stock_model(loaded, args.enc_layers, args.dec_layers, args.subnetworks)
        unsupported = list(stock.unsupported)
        if args.format == CTRANSLATE2:
            from fairseq_flexdepth.export import ctranslate2

            unsupported += ctranslate2.unsupported_options(stock.options)
        if unsupported:
            raise ValueError(f"--path {args.path}: cannot be exported to {args.format}: {'; '.join(unsupported)}")
        summary = _write(args, loaded, stock)
    print(json.dumps(summary) if args.json else _sentence(summary))
    return 0


def _check(args: argparse.Namespace) -> None:
    check_paths([args.path])
    if args.format == FAIRSEQ:
        if args.quantization is not None:
            raise ValueError(f"--quantization {args.quantization}: needs --format ctranslate2")
        return check_output(args.output)
    if importlib.util.find_spec("ctranslate2") is None:
        raise ImportError("--format ctranslate2: needs the package ctranslate2; pip install ctranslate2")
    check_file("--output", args.output)
    if os.path.lexists(args.output) and not _replaceable(args.output):
        raise ValueError(f"--output {args.output}: exists and is not a CTranslate2 model; expected a new folder")


def _replaceable(folder: str) -> bool:
    """Whether *folder* is empty or holds an earlier CTranslate2 model."""
    return os.path.isdir(folder) and (not os.listdir(folder) or os.path.isfile(os.path.join(folder, MODEL_FILE)))


def _write(args: argparse.Namespace, loaded: "LoadedModel", stock: "StockModel") -> Dict[str, Any]:
    """Write the model; return the object that ``--json`` prints."""
    from fairseq_flexdepth.cli.params import count_parameters
    from fairseq_flexdepth.export import loaded_model, stock_checkpoint

    tie_equal(stock.state)
    parameters = count_parameters(stock_checkpoint.build_stock(loaded, stock)).total
    limits = dict(zip(LIMITS, loaded_model.longest_sentences(loaded)))
    if args.format == FAIRSEQ:
        save_checkpoint(stock_checkpoint.stock_checkpoint(loaded, stock), args.output)
        size = os.path.getsize(args.output)
    else:
        _write_folder(args, loaded, stock, limits)
        size = sum(entry.stat().st_size for entry in os.scandir(args.output))
    return {
        "output": args.output,
        "format": args.format,
        "quantization": args.quantization,
        "encoder_layers": stock.positions[0],
        "decoder_layers": stock.positions[1],
        "parameters": parameters,
        "bytes": size,
        **limits,
    }


def _write_folder(
    args: argparse.Namespace, loaded: "LoadedModel", stock: "StockModel", limits: Dict[str, int]
) -> None:
    """Convert into a temporary folder, then rename it; an earlier model is replaced."""
    from fairseq_flexdepth.export import ctranslate2

    output = os.path.abspath(args.output)
    parent, name = os.path.split(output)
    os.makedirs(parent, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=parent) as work:
        converted = os.path.join(work, "converted")
        ctranslate2.convert(loaded, stock, converted, args.quantization, limits)
        if os.path.isdir(output):
            os.replace(output, os.path.join(work, "former"))
        os.replace(converted, output)


def _sentence(summary: Dict[str, Any]) -> str:
    """One line about the exported model."""
    layers = " and ".join(
        f"{len(positions)} {side} layers ({','.join(map(str, positions))})"
        for side, positions in (("encoder", summary["encoder_layers"]), ("decoder", summary["decoder_layers"]))
    )
    quantization = f", {summary['quantization']}" if summary["quantization"] else ""
    size = f"{summary['parameters']:,} parameters, {summary['bytes'] / 2**20:.1f} MiB"
    source, target = (summary[name] for name in LIMITS)
    if summary["format"] == CTRANSLATE2:
        limits = f"at most {source} source tokens, max_decoding_length at most {target}"
    else:
        limits = f"at most {source} source and {target} target tokens"
    return f"{summary['output']}: {summary['format']}{quantization}, {layers} of the model, {size}; {limits}"
