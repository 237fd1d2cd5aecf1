"""``fairseq-flexdepth params`` on real command lines, against counts by formula and from the papers."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import pytest
import torch

from fairseq_flexdepth.cli.main import main

REPOSITORY = Path(__file__).parents[2]
CONSOLE_SCRIPT = (
    "import sys; sys.argv[0] = 'fairseq-flexdepth'; from fairseq_flexdepth.cli.main import main; sys.exit(main())"
)


def _subprocess(*arguments: object, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", CONSOLE_SCRIPT, "params", *map(str, arguments)]
    environment = {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "PATH": ""}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture(autouse=True)
def nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the random initialisation, which takes seconds for large models: parameters are only counted."""
    for name in ("xavier_uniform_", "kaiming_uniform_", "uniform_", "normal_"):
        monkeypatch.setattr(torch.nn.init, name, lambda tensor, *arguments, **options: tensor)


def _printed(capsys: pytest.CaptureFixture, *arguments: object) -> str:
    """The text on standard output; standard error must be empty."""
    assert main(["params", *map(str, arguments)]) == 0, capsys.readouterr().err
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def _counts(capsys: pytest.CaptureFixture, *arguments: object) -> Dict[str, int]:
    output = _printed(capsys, *arguments, "--json")
    assert output.count("\n") == 1
    return json.loads(output)


def _error(capsys: pytest.CaptureFixture, *arguments: object) -> str:
    assert main(["params", *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def _attention(width: int) -> int:
    return 4 * (width * width + width)


def _feed_forward(width: int, ffn: int) -> int:
    return width * ffn + ffn + ffn * width + width


def _stacks(encoder_layers: int, decoder_layers: int, width: int, ffn: int) -> Dict[str, int]:
    """Encoder and decoder parameters of a Post-LN Transformer; a layer norm has two vectors."""
    encoder = encoder_layers * (_attention(width) + _feed_forward(width, ffn) + 2 * 2 * width)
    decoder = decoder_layers * (2 * _attention(width) + _feed_forward(width, ffn) + 3 * 2 * width)
    return {"encoder": encoder, "decoder": decoder}


TINY = (
    ["--encoder-embed-dim", 16, "--encoder-ffn-embed-dim", 24, "--encoder-attention-heads", 2]
    + ["--encoder-layers", 3, "--decoder-layers", 2, "--decoder-attention-heads", 2]
)  # fmt: skip


@pytest.mark.parametrize(
    ("options", "millions"),
    [
        (["--arch", "transformer"], 60.9),
        (["--arch", "transformer_wmt_en_de_big"], 209.9),
        (["--arch", "transformer", "--encoder-layers", 18, "--decoder-layers", 18], 149.2),
    ],
)
def test_counts_of_well_known_models(options: List[object], millions: float, capsys: pytest.CaptureFixture) -> None:
    counts = _counts(capsys, "--vocab-size", 32768, "--share-all-embeddings", *options)
    assert list(counts) == ["total", "embeddings", "encoder", "decoder", "with_adam_moments"]
    assert counts["total"] / 1e6 == pytest.approx(millions, abs=0.05)
    assert counts["total"] == counts["embeddings"] + counts["encoder"] + counts["decoder"]
    assert counts["with_adam_moments"] == 3 * counts["total"]


def test_text(capsys: pytest.CaptureFixture) -> None:
    output = _printed(capsys, "--vocab-size", 100, "--arch", "tied_multi_transformer", *TINY)
    rows = [line.split() for line in output.splitlines()]
    assert [row[0] for row in rows] == ["total", "embeddings", "encoder", "decoder", "with"]
    assert all(row[-1].endswith("M") for row in rows)


@pytest.mark.parametrize("arch", ["transformer", "tied_multi_transformer"])
@pytest.mark.parametrize(
    ("options", "matrices", "extra"),
    [
        (["--share-all-embeddings"], 100, 0),
        (["--share-decoder-input-output-embed"], 2 * 100, 0),
        ([], 3 * 100, 0),
        # Pre-LN ends each stack with a norm of two vectors
        (["--encoder-normalize-before", "--decoder-normalize-before"], 3 * 100, 2),
        # positions count from the padding index on
        (["--encoder-learned-pos", "--max-source-positions", 40], 3 * 100 + 40 + 2, 0),
    ],
)
def test_a_transformer_by_formula(
    arch: str, options: List[object], matrices: int, extra: int, capsys: pytest.CaptureFixture
) -> None:
    counts = _counts(capsys, "--vocab-size", 100, "--arch", arch, *TINY, *options)
    stacks = _stacks(3, 2, 16, 24)
    assert counts["embeddings"] == matrices * 16
    assert counts["encoder"] == stacks["encoder"] + extra * 16
    assert counts["decoder"] == stacks["decoder"] + extra * 16


@pytest.mark.parametrize("preset", ["", "_tiny", "_iwslt_de_en", "_wmt_en_de", "_wmt_en_de_big"])
def test_our_presets_have_the_sizes_of_fairseqs(preset: str, capsys: pytest.CaptureFixture) -> None:
    arguments = ["--vocab-size", 100, "--share-decoder-input-output-embed"]
    ours = _counts(capsys, *arguments, "--arch", f"tied_multi_transformer{preset}")
    assert ours == _counts(capsys, *arguments, "--arch", f"transformer{preset}")


def test_separate_vocabularies(capsys: pytest.CaptureFixture) -> None:
    arguments = ["--arch", "transformer", "--share-decoder-input-output-embed", *TINY]
    separate = _counts(capsys, "--source-vocab-size", 100, "--target-vocab-size", 80, *arguments)
    overridden = _counts(capsys, "--vocab-size", 100, "--target-vocab-size", 80, *arguments)
    assert separate["embeddings"] == (100 + 80) * 16
    assert overridden == separate


def test_a_fairseq_train_command_line_as_it_is(capsys: pytest.CaptureFixture) -> None:
    plain = ["--vocab-size", 100, "--arch", "tied_multi_transformer", *TINY]
    training = [
        "data-bin/de-en", "--user-dir", "fairseq_flexdepth", "--criterion", "tied_multi_cross_entropy",
        "--label-smoothing", "0.1", "--optimizer", "adam", "--adam-betas", "(0.9, 0.98)", "--lr", "5e-4",
        "--lr-scheduler", "inverse_sqrt", "--warmup-updates", "4000", "--max-tokens", "4096", "--fp16",
        "-s", "de", "-t", "en", "--save-dir", "checkpoints",
    ]  # fmt: skip
    assert _counts(capsys, *training, *plain) == _counts(capsys, *plain)


def test_an_lstm(capsys: pytest.CaptureFixture) -> None:
    counts = _counts(
        capsys, "--vocab-size", 100, "--arch", "lstm", "--encoder-embed-dim", 16, "--decoder-embed-dim", 16
    )
    # the projection, from 512, has a bias; the four gates have two each
    assert counts["embeddings"] == 2 * 100 * 16 + 100 * 512 + 100
    assert counts["encoder"] == 4 * 16 * (16 + 16 + 2)


@pytest.mark.parametrize(
    ("options", "embeddings"),
    [
        (["--share-decoder-input-output-embed"], 100 * 16),
        ([], 2 * 100 * 16),
        # adaptive softmax: a head of 40 words and one cluster of 60 at a quarter of the width
        (
            ["--criterion", "adaptive_loss", "--adaptive-softmax-cutoff", "40"],
            100 * 16 + (40 + 1) * 16 + 16 * 4 + 60 * 4,
        ),
    ],
)
def test_a_language_model(options: List[object], embeddings: int, capsys: pytest.CaptureFixture) -> None:
    counts = _counts(
        capsys, "--vocab-size", 100, "--task", "language_modeling", "--arch", "transformer_lm",
        "--decoder-embed-dim", 16, "--decoder-ffn-embed-dim", 24, "--decoder-layers", 2,
        "--decoder-attention-heads", 2, "--decoder-input-dim", 16, "--decoder-output-dim", 16, *options,
    )  # fmt: skip
    assert counts["embeddings"] == embeddings
    assert counts["encoder"] == 0
    # a decoder layer without attention to an encoder
    assert counts["decoder"] == _stacks(2, 0, 16, 24)["encoder"]


def write_config(folder: Path, bins: int) -> Path:
    (folder / "speech.yaml").write_text(f"input_feat_per_channel: {bins}\nvocab_filename: spm.txt\n")
    return folder / "speech.yaml"


def test_a_speech_model(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    layers = ("--encoder-layers", 4, "--unique-encoder-layers", 2, "--decoder-layers", 2, "--unique-decoder-layers", 1)
    arguments = (
        "--vocab-size", 100, "--task", "speech_to_text", "--arch", "cycle_shared_s2t_transformer", *layers,
        "--encoder-embed-dim", 16, "--encoder-ffn-embed-dim", 24, "--encoder-attention-heads", 2,
        "--decoder-attention-heads", 2, "--conv-channels", 8, "--share-decoder-input-output-embed",
    )  # fmt: skip
    counts = _counts(capsys, *arguments)
    assert counts == _counts(capsys, *arguments, "--config-yaml", write_config(tmp_path, 80))
    narrow = _counts(capsys, *arguments, "--config-yaml", write_config(tmp_path, 40))
    assert counts["encoder"] - narrow["encoder"] == 40 * 8 * 5
    subsampler = (80 * 8 * 5 + 8) + (4 * 32 * 5 + 32)  # two convolutions of width 5, each halved by a gate
    final_norm = 2 * 16
    assert counts["embeddings"] == 100 * 16
    assert counts["encoder"] == _stacks(2, 1, 16, 24)["encoder"] + subsampler + final_norm
    assert counts["decoder"] == _stacks(2, 1, 16, 24)["decoder"] + final_norm


OTHER_PLUGIN = """
from fairseq.models import register_model_architecture
from fairseq.models.transformer import base_architecture

@register_model_architecture("transformer", "somebody_elses")
def somebody_elses(args):
    args.encoder_layers = args.decoder_layers = 1
    base_architecture(args)
"""


def test_another_user_dir(tmp_path: Path) -> None:
    (tmp_path / "somebody").mkdir()
    (tmp_path / "somebody" / "__init__.py").write_text(OTHER_PLUGIN)
    result = _subprocess(
        "--vocab-size", 100, "--user-dir", "somebody", "--arch", "somebody_elses", "--json", cwd=tmp_path
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout)["encoder"] == _stacks(1, 0, 512, 2048)["encoder"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--arch: required, for example --arch tied_multi_transformer_iwslt_de_en"),
        (["--arch", "transfomer"], "--arch transfomer: unknown name; did you mean transformer or "),
        (["--arch", "transformer", "--layerss", 3], "unrecognized arguments: --layerss 3"),
        (["DATA", "--arch", "transformer", "--layerss", 3], "unrecognized arguments: --layerss 3"),
        (
            ["--arch", "transformer", "--encoder-layers", "x"],
            "argument --encoder-layers: invalid int value: 'x'",
        ),
        (
            ["--arch", "transformer", "--encoder-embed-dim", 30],
            "--arch transformer: fairseq refuses these options: embed_dim must be divisible by num_heads",
        ),
        (
            ["--arch", "transformer", "--share-all-embeddings", "--source-vocab-size", 80],
            "--share-all-embeddings: expected one vocabulary, given sizes 80 and 100",
        ),
        (
            ["--arch", "transformer_lm", "--task", "language_modeling", "--source-vocab-size", 80],
            "--task language_modeling: expected one vocabulary, given sizes 80 and 100",
        ),
        (
            ["--arch", "transformer_lm"],
            "--task translation: expected --task language_modeling for --arch transformer_lm",
        ),
        (
            ["--arch", "transformer", "--task", "language_modeling"],
            "--task language_modeling: expected a language model's --arch, given transformer",
        ),
        (
            ["--arch", "cycle_shared_s2t_transformer"],
            "--task translation: expected --task speech_to_text for --arch cycle_shared_s2t_transformer",
        ),
        (
            ["--arch", "cycle_shared_s2t_transformer", "--task", "speech_to_text", "--config-yaml", "none.yaml"],
            "--config-yaml none.yaml: no such file; give its path",
        ),
        (
            ["--arch", "tts_transformer", "--task", "text_to_speech"],
            "--task text_to_speech: not supported: it needs more than the dictionaries of DATA",
        ),
        (
            ["--arch", "cycle_shared_transformer_lm", "--task", "language_modeling", "--unique-encoder-layers", 2],
            "--unique-encoder-layers 2: a language model has no encoder",
        ),
        (
            ["--arch", "recurrent_stacked_transformer", "--ddp-backend", "fully_sharded"],
            "--ddp-backend fully_sharded: cannot shard the tied layers of --layer-sharing cycle; use --ddp-backend leg",
        ),
        (["--arch", "transformer", "--user-dir", "/nowhere"], "--user-dir /nowhere: no such directory"),
    ],
)
def test_mistakes(options: List[object], message: str, capsys: pytest.CaptureFixture) -> None:
    error = _error(capsys, "--vocab-size", 100, *options)
    assert error.startswith(f"fairseq-flexdepth params: error: {message}")


def test_a_mistake_in_a_real_process_is_one_line() -> None:
    result = _subprocess("--vocab-size", 100, "--arch", "transformer", "--encoder-layers", "x", "--json")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == ("fairseq-flexdepth params: error: argument --encoder-layers: invalid int value: 'x'\n")
