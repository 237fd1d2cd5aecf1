"""Makes the committed checkpoints, by the real command lines; those that are there already stay as they are.

    python -m tests.compatibility.make

In the root of the repository. It takes minutes, and writes checkpoints/a/*.pt.gz with fairseq-fixed,
checkpoints/b/*.pt.gz with fairseq 0.12.2, and what they decode into expected.json beside them.
"""

import gzip
import io
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict

from fairseq_flexdepth.cli.main import main as flexdepth
from fairseq_flexdepth.cli.stack_versions import find_environment
from tests.compatibility.decoding import DATA, HERE, decoded, expected_file
from tests.integration import cli
from tests.integration.test_speech_training import write_features

STACK = find_environment().stack.lower()
OF_B = ("tied", "cycled", "language", "speech", "scored")  # the kinds whose files differ most

LAST = "checkpoint_last.pt"  # of the folder of its kind
SMALL = (
    *("--encoder-embed-dim", 4, "--encoder-ffn-embed-dim", 4, "--decoder-embed-dim", 4, "--decoder-ffn-embed-dim", 4),
    *("--encoder-layers", 2, "--decoder-layers", 2, "--dropout", 0, "--share-decoder-input-output-embed"),
    *("--max-update", 60, "--lr", 0.02, "--max-tokens", 600, "--no-save-optimizer-state"),
)
PRE_LN = ("--encoder-normalize-before", "--decoder-normalize-before")
CYCLED = ("--layer-sharing", "cycle_rev", "--unique-encoder-layers", 2, "--unique-decoder-layers", 2)
OPTIMAL = ("--subnetworks", "optimal", "--encoder-depths", "divisors", "--decoder-depths", "divisors")
DEEP = ("--encoder-layers", 4, "--decoder-layers", 4)
CYCLED_LM = ("--arch", "cycle_shared_transformer_lm", "--unique-decoder-layers", 2, "--criterion", "adaptive_loss")
CYCLED_SPEECH = (
    "--arch", "cycle_shared_s2t_transformer", "--unique-encoder-layers", 2, "--unique-decoder-layers", 2,
    "--criterion", "label_smoothed_cross_entropy",
)  # fmt: skip
SPEECH_DEPTHS = ("--arch", "tied_multi_s2t_transformer_s", "--encoder-depths", "2,4", "--decoder-depths", "1,4")
MULTILINGUAL = (
    "--task", "translation_multi_simple_epoch", "--lang-pairs", "src-tgt,tgt-src", "--encoder-langtok", "tgt",
    "--decoder-langtok",
)  # fmt: skip
EVERY_DEPTH = ("--criterion", "tied_multi_cross_entropy")
BLEU = ("--eval-bleu", "--best-checkpoint-metric", "bleu", "--maximize-best-checkpoint-metric")  # arrays in its meters


def translation(folder: Path, *options: Any) -> None:
    """A tied-multi model of the reversal corpus, with or without more *options*."""
    cli.train(Path("corpus"), folder, *SMALL, *options)


def distilled(folder: Path) -> None:
    """A CKD student; what trains the fusions is saved with the optimizer's state alone, of which SGD has none."""
    cli.train(
        Path("corpus"), folder, *(option for option in SMALL if option != "--no-save-optimizer-state"),
        "--optimizer", "sgd", "--lr", 0.5, "--criterion", "ckd", "--ckd-mapping", "1:1+2,2:2",
        "--teacher-path", Path("tied", LAST),
    )  # fmt: skip


def language(folder: Path, *options: Any) -> None:
    """A language model with an adaptive softmax."""
    lines = [" ".join(f"w{(start + step) % 40}" for step in range(12)) for start in range(40)]
    Path("lines").write_text("\n".join(lines) + "\n")
    prefixes = (item for split in ("train", "valid", "test") for item in (f"--{split}pref", "lines"))
    cli.run("fairseq-preprocess", "--only-source", "--destdir", "language-bin", *prefixes)
    shutil.copy("language-bin/dict.txt", DATA / "language")
    cli.run(
        "fairseq-train", "language-bin", "--user-dir", cli.PLUGIN, "--save-dir", folder, "--cpu", "--seed", 1,
        "--task", "language_modeling", "--decoder-layers", 4,
        "--decoder-embed-dim", 8, "--decoder-input-dim", 8, "--decoder-output-dim", 8,
        "--decoder-ffn-embed-dim", 8, "--decoder-attention-heads", 2, "--adaptive-input-cutoff", "10,20",
        "--adaptive-input-factor", 2, "--adaptive-softmax-cutoff", "10,20", "--adaptive-softmax-factor", 2,
        "--ddp-backend", "legacy_ddp", "--optimizer", "adam", "--lr", 0.02,
        "--dropout", 0, "--tokens-per-sample", 24, "--max-tokens", 480, "--max-update", 60, "--num-workers", 0,
        "--no-epoch-checkpoints", "--no-save-optimizer-state", *options,
    )  # fmt: skip


def speech(folder: Path, *options: Any) -> None:
    """A model that recognises the words of ``write_features``."""
    Path("spoken", "features").mkdir(parents=True, exist_ok=True)
    for split in ("train", "valid"):
        write_features(Path("spoken"), split, 40, seed=1)
    for name in ("dict.txt", "config.yaml"):
        shutil.copy(DATA / "speech" / name, "spoken")
    cli.run(
        "fairseq-train", "spoken", "--user-dir", cli.PLUGIN, "--save-dir", folder, "--cpu", "--seed", 1,
        "--task", "speech_to_text", "--train-subset", "train", "--valid-subset", "valid",
        "--encoder-layers", 4, "--decoder-layers", 4, "--encoder-embed-dim", 4, "--encoder-ffn-embed-dim", 4,
        "--encoder-attention-heads", 2, "--decoder-attention-heads", 2, "--conv-channels", 4, "--dropout", 0,
        "--share-decoder-input-output-embed", "--optimizer", "adam", "--lr", 0.01, "--max-tokens", 600,
        "--max-update", 60, "--num-workers", 0, "--no-epoch-checkpoints", "--no-save-optimizer-state", *options,
    )  # fmt: skip


def selector(folder: Path) -> None:
    tied = Path("tied", LAST)
    for split in ("train", "valid"):
        own("oracle", "corpus", "--path", tied, "--gen-subset", split, "--output", "labels", "--cpu")
    cli.run(
        "fairseq-train", "labels", "--user-dir", cli.PLUGIN, "--save-dir", folder, "--cpu", "--seed", 1,
        "--task", "depth_selection", "--arch", "depth_selector", "--criterion", "depth_selection",
        "--init-embeddings-from", tied, "--encoder-ffn-embed-dim", 4, "--encoder-attention-heads", 2,
        "--optimizer", "nag", "--momentum", 0.9, "--lr", 0.1, "--batch-size", 16, "--max-update", 20,
        "--num-workers", 0, "--no-epoch-checkpoints", "--no-save-optimizer-state",
    )  # fmt: skip


def own(command: str, *options: Any) -> None:
    """Run a sub-command of ours."""
    assert flexdepth([command, *map(str, options)]) == 0


def exported(folder: Path) -> None:
    path = Path("optimal", LAST)
    own("export", "--path", path, "--enc-layers", 2, "--dec-layers", 1, "--output", folder / LAST)


def pruned(folder: Path) -> None:
    path = Path("pre_ln", LAST)
    own("prune", "--path", path, "--fraction", 0.3, "--output", folder / LAST)


def averaged(folder: Path) -> None:
    translation(folder, "--save-interval-updates", 7)
    inputs = (folder, "--num-update-checkpoints", 2)
    own("average", "--inputs", *inputs, "--output", folder / LAST)


KINDS: Dict[str, Callable[[Path], None]] = {
    "tied": translation,
    "pre_ln": lambda folder: translation(folder, *PRE_LN),
    "optimal": lambda folder: translation(folder, *OPTIMAL, *DEEP),
    "cycled": lambda folder: translation(folder, *CYCLED, *DEEP),
    "recurrent": lambda folder: translation(folder, "--arch", "recurrent_stacked_transformer_tiny"),
    "admin": lambda folder: translation(folder, "--residual-init", "admin"),
    "distilled": distilled,
    "language": lambda folder: language(folder, *CYCLED_LM),
    "language_depths": lambda folder: language(folder, "--arch", "tied_multi_transformer_lm", *EVERY_DEPTH),
    "speech": lambda folder: speech(folder, *CYCLED_SPEECH),
    "speech_depths": lambda folder: speech(folder, *SPEECH_DEPTHS, *EVERY_DEPTH),
    "multilingual": lambda folder: translation(folder, *MULTILINGUAL),
    "selector": selector,
    "exported": exported,
    "pruned": pruned,
    "averaged": averaged,
    "scored": lambda folder: translation(folder, *BLEU),
}


def packed(path: Path) -> bytes:
    """The file, compressed; the same bytes for the same file."""
    content = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=content, mtime=0) as output:
        output.write(path.read_bytes())
    return content.getvalue()


def main() -> None:
    file = expected_file(STACK)
    expected = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)  # so that no path of this machine is in the checkpoints but that of the plugin
        cli.write_reversal_corpus(Path("text"), {"train": 200, "valid": 20, "test": 20})
        cli.binarise(Path("text"), Path("corpus"))
        for name in ("dict.src.txt", "dict.tgt.txt"):
            shutil.copy(Path("corpus", name), DATA / "translation")
        for kind in KINDS if STACK == "a" else OF_B:
            target, path = HERE / "checkpoints" / STACK / f"{kind}.pt.gz", Path(kind, LAST)
            if target.exists():
                path.parent.mkdir()
                path.write_bytes(gzip.decompress(target.read_bytes()))  # others are made of it
                continue
            KINDS[kind](path.parent)
            expected[kind] = decoded(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(packed(path))
            file.write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
