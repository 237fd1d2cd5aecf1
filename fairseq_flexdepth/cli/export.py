"""``fairseq-flexdepth export``: one depth of a model as a smaller model that needs nothing of this package."""

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
# Those of CTranslate2's converters; importing it takes too long to ask it here.
QUANTIZATIONS = (
    "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16", "float32"
)  # fmt: skip
MODEL_FILE = "model.bin"  # in a folder of CTranslate2's
LIMITS = ("max_source_length", "max_decoding_length")  # in tokens, without the end symbol


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--path", required=True, metavar="FILE", help="the checkpoint to export from")
    parser.add_argument("--enc-layers", type=int, metavar="N", help="encoder depth (default: the deepest)")
    parser.add_argument("--dec-layers", type=int, metavar="M", help="decoder depth (default: the deepest)")
    parser.add_argument("--subnetworks", metavar="S", help="which layers a depth runs (default: the checkpoint's)")
    parser.add_argument(
        "--data", metavar="DIR", help="where the dictionaries are (default: the directory that the checkpoint names)"
    )
    parser.add_argument("--format", choices=FORMATS, default=FAIRSEQ, help="what to write (default: fairseq)")
    parser.add_argument(
        "--quantization", choices=QUANTIZATIONS, help="type of the weights, for ctranslate2 (default: as saved)"
    )
    parser.add_argument(
        "--output", required=True, metavar="FILE", help="the checkpoint to write; for ctranslate2 a folder"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = "An earlier file or folder of that kind is replaced. The result loads without --user-dir."


def run(args: argparse.Namespace) -> int:
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
            raise ValueError(f"--quantization {args.quantization}: expected --format ctranslate2, too")
        return check_output(args.output)
    if importlib.util.find_spec("ctranslate2") is None:
        raise ImportError("--format ctranslate2: expected the package ctranslate2; pip install ctranslate2")
    check_file("--output", args.output)
    if os.path.lexists(args.output) and not _replaceable(args.output):
        raise ValueError(f"--output {args.output}: is no folder of a CTranslate2 model; expected a new folder")


def _replaceable(folder: str) -> bool:
    return os.path.isdir(folder) and (not os.listdir(folder) or os.path.isfile(os.path.join(folder, MODEL_FILE)))


def _write(args: argparse.Namespace, loaded: "LoadedModel", stock: "StockModel") -> Dict[str, Any]:
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
    """Convert into a temporary folder and rename it, in place of an earlier one."""
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
    layers = " and ".join(
        f"{len(positions)} {side} layers ({','.join(map(str, positions))})"
        for side, positions in (("encoder", summary["encoder_layers"]), ("decoder", summary["decoder_layers"]))
    )
    quantization = f", {summary['quantization']}" if summary["quantization"] else ""
    size = f"{summary['parameters']:,} parameters, {summary['bytes'] / 2**20:.1f} MiB"
    source, target = (summary[name] for name in LIMITS)
    if summary["format"] == CTRANSLATE2:
        limits = f"sources of at most {source} tokens, max_decoding_length of at most {target}"
    else:
        limits = f"sources and translations of at most {source} and {target} tokens"
    return f"{summary['output']}: {summary['format']}{quantization}, {layers} of the model, {size}; {limits}"
