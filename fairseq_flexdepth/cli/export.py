"""``fairseq-flexdepth export``: one depth of a model, written as a smaller model that runs without this package."""

import argparse
import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List

from fairseq_flexdepth.cli.fairseq_options import check_paths, import_plugin, quiet
from fairseq_flexdepth.cli.huggingface_options import (
    add_huggingface_options,
    check_huggingface_options,
    folder_contents,
    refuse_huggingface_options,
)
from fairseq_flexdepth.cli.needed_package import need_package
from fairseq_flexdepth.files.checkpoint_editing import check_output, save_checkpoint, tie_equal
from fairseq_flexdepth.files.outputs import check_file

if TYPE_CHECKING:
    from fairseq_flexdepth.export.loaded_model import LoadedModel
    from fairseq_flexdepth.export.stock_checkpoint import StockModel

NAME = "export"
HELP = "write one depth as a stock fairseq transformer, for CTranslate2 or for Hugging Face's transformers"

FAIRSEQ, CTRANSLATE2, HUGGINGFACE = FORMATS = ("fairseq", "ctranslate2", "huggingface")
# The types that CTranslate2 converts to; importing it here, only to ask it, would take too long.
QUANTIZATIONS = (
    "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16", "float32"
)  # fmt: skip
# The package that writes a format's folder, and the file by which an earlier folder is known.
PACKAGES = {CTRANSLATE2: "ctranslate2", HUGGINGFACE: "safetensors"}
MODEL_FILES = {CTRANSLATE2: "model.bin", HUGGINGFACE: "model.safetensors"}
LIMITS = ("max_source_length", "max_decoding_length")  # in tokens, without the end symbol

EXAMPLES = (
    "fairseq-flexdepth export --path checkpoint_best.pt --enc-layers 3 --dec-layers 2 --output small.pt",
    "fairseq-flexdepth export --path checkpoint_best.pt --format huggingface --output hf",
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
        "--output", required=True, metavar="FILE", help="the checkpoint to write; with the other formats, a folder"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_huggingface_options(parser)
    parser.epilog = "An earlier file or folder of that kind is replaced. The result loads without --user-dir."


def run(args: argparse.Namespace) -> int:
    """Write the exported model, and print its size and limits.

    Raises:
        ValueError: the checkpoint cannot be exported, or the depth is not supported.
        ImportError: the package that writes the format is missing.
    """
    _check(args)
    with quiet():
        import_plugin()
        from fairseq_flexdepth.export import loaded_model, stock_checkpoint

        loaded = loaded_model.load_exported_model(args.path, args.data)
        stock = stock_checkpoint.stock_model(loaded, args.enc_layers, args.dec_layers, args.subnetworks)
        unsupported = stock.unsupported + _unsupported(args.format, stock)
        if unsupported:
            raise ValueError(f"--path {args.path}: cannot be exported to {args.format}: {'; '.join(unsupported)}")
        summary = _write(args, loaded, stock)
    print(json.dumps(summary) if args.json else _sentence(summary))
    return 0


def _check(args: argparse.Namespace) -> None:
    check_paths([args.path])
    if args.quantization is not None and args.format != CTRANSLATE2:
        raise ValueError(f"--quantization {args.quantization}: needs --format ctranslate2")
    if args.format == HUGGINGFACE:
        check_huggingface_options(args)
    else:
        refuse_huggingface_options(args)
    if args.format == FAIRSEQ:
        return check_output(args.output)
    need_package(f"--format {args.format}", PACKAGES[args.format])
    check_file("--output", args.output)
    if os.path.lexists(args.output) and not _replaceable(args.output, MODEL_FILES[args.format]):
        raise ValueError(
            f"--output {args.output}: exists and is not a model of --format {args.format}; expected a new folder"
        )


def _replaceable(folder: str, model_file: str) -> bool:
    """Whether *folder* is empty or holds an earlier model."""
    return os.path.isdir(folder) and (not os.listdir(folder) or os.path.isfile(os.path.join(folder, model_file)))


def _unsupported(format_name: str, stock: "StockModel") -> List[str]:
    """The options that the format does not support, each with the reason."""
    if format_name == CTRANSLATE2:
        from fairseq_flexdepth.export import ctranslate2

        return ctranslate2.unsupported(stock.options)
    if format_name == HUGGINGFACE:
        from fairseq_flexdepth.export.huggingface import families

        if not stock.positions[0]:
            return ["a language model: expected --format fairseq or ctranslate2"]
        return families.unsupported(stock.options)
    return []


def _write(args: argparse.Namespace, loaded: "LoadedModel", stock: "StockModel") -> Dict[str, Any]:
    """Write the model; return the object that ``--json`` prints."""
    from fairseq_flexdepth.cli.params import count_parameters
    from fairseq_flexdepth.export import loaded_model, stock_checkpoint

    tie_equal(stock.state)
    parameters = count_parameters(stock_checkpoint.build_stock(loaded, stock)).total
    if stock.positions[0]:
        limits = dict(zip(LIMITS, loaded_model.longest_sentences(loaded)))
    else:
        limits = {LIMITS[1]: loaded_model.longest_text(loaded)}
    if args.format == FAIRSEQ:
        save_checkpoint(stock_checkpoint.stock_checkpoint(loaded, stock), args.output)
        size = os.path.getsize(args.output)
    else:
        _write_folder(args, loaded, stock, parameters, limits)
        size = sum(path.stat().st_size for path in Path(args.output).rglob("*") if path.is_file())
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
    args: argparse.Namespace, loaded: "LoadedModel", stock: "StockModel", parameters: int, limits: Dict[str, int]
) -> None:
    """Write the folder of a format that has one."""
    if args.format == CTRANSLATE2:
        from fairseq_flexdepth.export import ctranslate2

        with _replaced_folder(args.output) as folder:
            ctranslate2.convert(loaded, stock, folder, args.quantization, limits)
        return
    from fairseq_flexdepth.export.huggingface.folder import write_folder

    contents = folder_contents(args, loaded, stock, parameters)
    with _replaced_folder(args.output) as folder:
        write_folder(loaded, stock, folder, contents)


@contextlib.contextmanager
def _replaced_folder(output: str) -> Iterator[str]:
    """A new folder's temporary name: renamed to *output* at the end; an earlier model is replaced."""
    parent, name = os.path.split(os.path.abspath(output))
    os.makedirs(parent, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=parent) as work:
        converted = os.path.join(work, "converted")
        yield converted
        if os.path.isdir(output):
            os.replace(output, os.path.join(work, "former"))
        os.replace(converted, output)


def _sentence(summary: Dict[str, Any]) -> str:
    """One line about the exported model."""
    layers = " and ".join(
        f"{len(positions)} {side} layers ({','.join(map(str, positions))})"
        for side, positions in (("encoder", summary["encoder_layers"]), ("decoder", summary["decoder_layers"]))
        if positions
    )
    quantization = f", {summary['quantization']}" if summary["quantization"] else ""
    size = f"{summary['parameters']:,} parameters, {summary['bytes'] / 2**20:.1f} MiB"
    source, target = (summary.get(name) for name in LIMITS)
    if source is None:
        limits = f"at most {target} tokens"
    elif summary["format"] == CTRANSLATE2:
        limits = f"at most {source} source tokens, max_decoding_length at most {target}"
    else:
        limits = f"at most {source} source and {target} target tokens"
    return f"{summary['output']}: {summary['format']}{quantization}, {layers} of the model, {size}; {limits}"
