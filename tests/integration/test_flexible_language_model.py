"""A language model of many depths with fairseq's commands: train, evaluate, generate; each depth as a stock model."""

import json
import math
import re
from pathlib import Path
from typing import Any, Dict, List

import ctranslate2
import pytest
import torch
from fairseq import checkpoint_utils
from fairseq.models.transformer_lm import TransformerLanguageModel

from fairseq_flexdepth.cli.main import main
from tests.integration import cli
from tests.integration.refusals import fairseqs, ours
from tests.integration.test_language_model_training import binarised_text

SIZES = (
    "--decoder-embed-dim", 16, "--decoder-input-dim", 16, "--decoder-output-dim", 16, "--decoder-ffn-embed-dim", 16,
    "--decoder-attention-heads", 2, "--decoder-layers", 3, "--dropout", 0,
)  # fmt: skip
ADAPTIVE = (
    "--adaptive-input", "--adaptive-input-cutoff", "10,20", "--adaptive-softmax-cutoff", "10,20",
    "--adaptive-input-factor", 2, "--adaptive-softmax-factor", 2, "--tie-adaptive-weights", "--tie-adaptive-proj",
)  # fmt: skip
SHARED = ("--layer-sharing", "cycle", "--unique-decoder-layers", 1, "--share-decoder-input-output-embed")
SHAPES: Dict[str, tuple] = {"adaptive": ADAPTIVE, "shared": SHARED}
BY_SENTENCE = ("--sample-break-mode", "eos")  # batches have padding
OURS = ("layer_sharing", "unique_decoder_layers", "subnetworks", "decoder_depths", "ddp_backend")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return binarised_text(tmp_path_factory.mktemp("text"))


def training(text: Path, folder: Path, *options: Any) -> List[Any]:
    return [
        text, "--save-dir", folder, "--cpu", "--seed", 1, "--task", "language_modeling", "--tokens-per-sample", 24,
        *BY_SENTENCE, "--arch", "tied_multi_transformer_lm", *SIZES, "--criterion", "tied_multi_cross_entropy",
        "--optimizer", "adam", "--lr", 0.01, "--batch-size", 20, "--max-update", 4, "--num-workers", 0,
        "--no-epoch-checkpoints", "--log-format", "json", *options,
    ]  # fmt: skip


def train(text: Path, folder: Path, *options: Any) -> str:
    return cli.run("fairseq-train", *training(text, folder, *options), "--user-dir", cli.PLUGIN)


@pytest.fixture(scope="module")
def trained(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with adaptive inputs and an adaptive softmax; its log is beside it."""
    folder = tmp_path_factory.mktemp("trained")
    best = ("--best-checkpoint-metric", "nll_d2", "--save-interval-updates", 15)
    output = train(text, folder, *ADAPTIVE, "--max-update", 30, *best)
    (folder / "log").write_text(output)
    return folder


def truncated(checkpoint: Path, layers: int) -> Path:
    """The first *layers* of a checkpoint as one of fairseq's ``transformer_lm``."""
    state = torch.load(str(checkpoint), map_location="cpu")
    dropped = [f"decoder.layers.{index}." for index in range(layers, 3)]
    state["model"] = {k: v for k, v in state["model"].items() if not k.startswith(tuple(dropped))}
    model = {name: value for name, value in vars_of(state["cfg"]["model"]).items() if name not in OURS}
    state["cfg"]["model"] = {**model, "_name": "transformer_lm", "decoder_layers": layers, "arch": "transformer_lm"}
    path = checkpoint.with_name(f"stock{layers}.pt")
    torch.save(state, str(path))
    return path


def vars_of(options: Any) -> Dict[str, Any]:
    return dict(options) if isinstance(options, dict) else vars(options)


def run(command: str, text: Path, path: Path, *options: Any, **run_options: Any) -> str:
    task = () if command == "fairseq-eval-lm" else ("--task", "language_modeling")
    return cli.run(
        command, text, "--user-dir", cli.PLUGIN, "--path", path, "--cpu", *task, *options, **run_options
    )  # fmt: skip


def evaluated(output: str) -> List[str]:
    """The loss and the perplexity, with the digits that fairseq-eval-lm prints."""
    return re.findall(r"Loss \(base 2\): (\S+), Perplexity: (\S+)", output)


def test_validation_logs_every_depth_and_the_best_checkpoint_is_one_depths(trained: Path) -> None:
    lines = [line for line in (trained / "log").read_text().splitlines() if '"valid_nll_d1"' in line]
    values = json.loads(lines[-1][lines[-1].index("{") :])
    depths = [float(values[f"valid_nll_d{m}"]) for m in (1, 2, 3)]
    assert float(values["valid_nll_loss"]) == pytest.approx(sum(depths) / 3, abs=2e-3)
    assert float(values["valid_best_nll_d2"]) <= depths[1] < 5
    assert (trained / "checkpoint_best.pt").exists()


def test_evaluation_at_a_depth_is_a_stock_models(text: Path, trained: Path) -> None:
    path = trained / "checkpoint_last.pt"
    options = ("--gen-subset", "test", "--batch-size", 7, *BY_SENTENCE, "--num-workers", 0)
    ours = evaluated(run("fairseq-eval-lm", text, path, "--dec-layers", 2, *options))
    theirs = evaluated(run("fairseq-eval-lm", text, truncated(path, 2), *options))
    assert ours == theirs and len(ours) == 1
    output = run(
        "fairseq-validate", text, path, "--dec-layers", 2, *BY_SENTENCE, "--valid-subset", "test", "--batch-size", 20,
        "--num-workers", 0,
    )  # fmt: skip
    alone = re.findall(r"nll_loss (\S+) \| nll_d2 (\S+) \| ppl", output)
    assert alone == [(f"{float(ours[0][0]):.3f}".rstrip("0"),) * 2] and "nll_d1" not in output


def test_generation_at_a_depth_is_a_stock_models(text: Path, trained: Path) -> None:
    path, options = trained / "checkpoint_last.pt", ("--beam", 2, "--max-len-b", 16, "--num-workers", 0)
    generated = ("--prefix-size", 3, *BY_SENTENCE, "--batch-size", 7, *options)
    outputs = [
        run("fairseq-generate", text, path, "--dec-layers", 1, *generated),
        run("fairseq-generate", text, truncated(path, 1), *generated),
    ]
    assert "decoding with 1 of 3 decoder layers" in outputs[0]
    ours, theirs = map(cli.hypotheses, outputs)
    assert len(ours) == 20
    for line, expected in zip(ours, theirs):
        (number, score, words), (number_of_stock, score_of_stock, words_of_stock) = (
            one.split("\t") for one in (line, expected)
        )
        assert (number, words) == (number_of_stock, words_of_stock)
        assert float(score) == pytest.approx(float(score_of_stock), abs=1e-5)
    lines = (text.parent / "test.txt").read_text().splitlines()
    prefixes = "".join(f"{' '.join(line.split()[:3])}\n" for line in lines)
    typed = cli.hypotheses(run("fairseq-interactive", text, path, "--dec-layers", 1, *options, stdin=prefixes))
    assert [line.split("\t")[2] for line in typed] == [line.split("\t")[2] for line in ours]


EXACT = ("--optimizer", "sgd", "--lr", 0.5)  # Adam would amplify rounding differences


@pytest.mark.parametrize("shape", SHAPES)
def test_two_ranks_and_one_process_that_goes_on_equal_one_process(text: Path, tmp_path: Path, shape: str) -> None:
    sampled = ("--sample-decoder-depths", 2, "--accumulate-depths", "--report-accuracy") if shape == "shared" else ()
    options = (*SHAPES[shape], *EXACT, *sampled)
    log = train(text, tmp_path / "alone", *options, "--update-freq", 2)
    cli.on_two_ranks(lambda *ranks: train(text, tmp_path / "two", *options, "--max-update", 2, *ranks))
    resumed = train(text, tmp_path / "two", *options, "--update-freq", 2)  # amid an epoch
    assert "(epoch 1 @ 2 updates)" in resumed
    assert cli.largest_difference(tmp_path / "alone", tmp_path / "two") < 1e-5
    if shape == "shared":
        values = cli.last_validation(log)
        accuracies = [float(values[f"valid_accuracy{depth}"]) for depth in ("_d1", "_d2", "_d3", "")]
        assert accuracies[3] == pytest.approx(sum(accuracies[:3]) / 3, abs=2e-3) and accuracies[3] > 0
        keys = cli.parameters(tmp_path / "two")
        assert {key.split(".")[2] for key in keys if ".layers." in key} == {"0"}


def test_a_resumed_run_equals_the_uninterrupted_one(text: Path, trained: Path, tmp_path: Path) -> None:
    half_way = trained / "checkpoint_2_15.pt"
    train(text, tmp_path, *ADAPTIVE, "--max-update", 30, "--restore-file", half_way)
    assert cli.largest_difference(trained, tmp_path) == 0


NO_ENCODER = "ValueError: --enc-layers 2: a language model has no encoder; give --dec-layers alone"
DECODING_MISTAKES = [
    ("fairseq-eval-lm", "--dec-layers 4", "ValueError: --dec-layers 4: this model supports 1,2,3"),
    ("fairseq-eval-lm", "--dec-layers 0", "ValueError: --dec-layers 0: this model supports 1,2,3"),
    ("fairseq-eval-lm", "--enc-layers 2", NO_ENCODER),
    ("fairseq-generate", "--enc-layers 2 --dec-layers 1", NO_ENCODER),
    ("fairseq-generate", "--dec-layers 4", "ValueError: --dec-layers 4: this model supports 1,2,3"),
    ("fairseq-interactive", "--depth-selector s.pt", "ValueError: --depth-selector s.pt: reads source sentences"),
    ("fairseq-generate", "--fast-greedy --beam 1", "ValueError: --fast-greedy: is for translation"),
    (
        "fairseq-generate", "--draft-dec-layers 1 --enc-layers 2",
        f"{NO_ENCODER}; --draft-dec-layers 1: is for translation",
    ),
    ("fairseq-validate", "--dec-layers 5 --batch-size 9", "ValueError: --dec-layers 5: this model supports 1,2,3"),
    (
        "fairseq-eval-lm", "--tokens-per-sample 100",
        "ValueError: --tokens-per-sample 100: every sample is longer than the model's 24 positions",
    ),
    ("fairseq-eval-lm", "--gen-subset x", "ValueError: DATA {text}: no split x; it has test, train, valid"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "options", "message"), DECODING_MISTAKES)
def test_mistakes_in_decoding(text: Path, trained: Path, command: str, options: str, message: str) -> None:
    task = () if command == "fairseq-eval-lm" else ("--task", "language_modeling")
    given = (text, "--path", trained / "checkpoint_last.pt", "--cpu", "--num-workers", 0, *task, *options.split())
    assert fairseqs(command, *given).startswith(message.format(text=text))


TEACHER = "--criterion word_kd --teacher-path {teacher}"
TRAINING_MISTAKES = [
    ("--dec-layers 2", "--dec-layers 2: chooses a depth for decoding; leave it out in training, or train fewer depths"),
    ("--enc-layers 2", "--enc-layers 2: a language model has no encoder; give --dec-layers alone"),
    ("--encoder-depths 1", "--encoder-depths 1: a language model has no encoder; leave the option out with --arch tie"),
    ("--decoder-depths 1,4", "--decoder-depths 1,4: depths must lie between 1 and 3, the number of layers"),
    ("--best-checkpoint-metric nll_d4", "--best-checkpoint-metric nll_d4: expected one of loss, nll_loss, ppl, nll_d<"),
    ("--best-checkpoint-metric nll_e1d1", "--best-checkpoint-metric nll_e1d1: expected one of loss, nll_loss, ppl"),
    ("--depth-weights 1;2;3", "--depth-weights 1;2;3: expected 3 weights separated by ',' (decoder depths 1,2,3)"),
    ("--adaptive-softmax-cutoff 9 --label-smoothing 0.1", "--label-smoothing 0.1: needs the probabilities of all"),
    ("--criterion word_kd --kd-alpha 0", "--criterion word_kd: expected an encoder-decoder, given FlexDepthLanguageM"),
    ("--arch transformer_lm", "--criterion tied_multi_cross_entropy: expected a model of many depths, such as --arch"),
    ("--residual-init admin", "--residual-init admin: is for translation models; leave the option out"),
    ("--eval-bleu-depths 1-1", "--eval-bleu-depths 1-1: is for translation"),
    ("--keep-pruned", "--keep-pruned: no weight of the model is zero"),
]


@pytest.mark.parametrize(("options", "message"), TRAINING_MISTAKES)
def test_mistakes_in_training(text: Path, tmp_path: Path, options: str, message: str) -> None:
    assert fairseqs("fairseq-train", *training(text, tmp_path, *options.split())).startswith(f"ValueError: {message}")


def test_mistakes_in_the_data(text: Path, tmp_path: Path) -> None:
    line = fairseqs("fairseq-train", *training(tmp_path, tmp_path / "new"))
    made_by = "expected a directory made by fairseq-preprocess --only-source"
    assert line == f"ValueError: DATA {tmp_path}: has no dict.txt; {made_by}"
    for file in text.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[: 40 if file.name == "train.idx" else None])
    line = fairseqs("fairseq-train", *training(tmp_path, tmp_path / "new"))
    assert line.startswith(f"ValueError: {tmp_path / 'train.idx'}: is damaged or truncated")


def swept(text: Path, folder: Path, *options: Any) -> List[Dict[str, Any]]:
    given = (text, "--task", "language_modeling", "--cpu", *BY_SENTENCE, "--batch-size", 7, "--output", folder)
    assert main(["sweep", *map(str, (*given, *options))]) == 0
    return json.loads((folder / "sweep.json").read_text())


def test_sweep_has_the_perplexity_of_every_depth(
    text: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = trained / "checkpoint_last.pt"
    stock = truncated(path, 2)
    rows = swept(text, tmp_path, "--path", path, "--path", stock, "--repeat", 2, "--budget", 1, "--gen-subset", "test")
    assert [(row["path"], row["dec_layers"]) for row in rows] == [*((str(path), m) for m in (1, 2, 3)), (str(stock), 2)]
    assert rows[1]["nll_loss"] == pytest.approx(rows[3]["nll_loss"], abs=1e-5)
    assert rows[0]["nll_loss"] != pytest.approx(rows[1]["nll_loss"], abs=1e-4)
    for row in rows:
        assert row["perplexity"] == pytest.approx(2 ** row["nll_loss"], rel=1e-4)
        assert (row["tokens"], row["repeats"]) == (260, 2)
        assert row["tokens_per_second"] == pytest.approx(260 / row["seconds"], rel=0.02)
    assert rows[2]["relative_seconds"] == 1
    assert sum(row["best_within_budget"] for row in rows) == 1 and any(row["pareto"] for row in rows)
    assert {file.name for file in tmp_path.iterdir()} == {"sweep.json", "sweep.csv", "report.json", "pareto.png"}
    table = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in table[2:6]] == ["1", "2", "3", "2"]
    (row,) = swept(text, tmp_path, "--path", path, "--depths", "2", "--overwrite", "--json")
    assert row["nll_loss"] == rows[1]["nll_loss"]
    assert json.loads(capsys.readouterr().out) == [row]


SWEEP_MISTAKES = [
    ("--depths 1-1", "--depths 1-1: expected decoder depths of a language model such as 1,3"),
    ("--depths 4", "--depths 4: {path} supports 1, 2, 3"),
    ("--dec-layers 4", "--dec-layers 4: this model supports 1,2,3"),
    ("--depths 1 --dec-layers 1", "--depths 1: names the depths; leave out --dec-layers"),
    ("--enc-layers 1", "--enc-layers 1: a language model has no encoder; give --dec-layers alone"),
    ("--beam 4", "unrecognized arguments: --beam 4"),
    ("--comet m --max-loss 0.5", "--comet m, --max-loss 0.5: needs translations, which a language model does not make"),
    ("--tpu --output-word-probs", "--tpu: fairseq-generate ignores it; expected --fp16 or full precision; --output-wo"),
    ("--context-window 1024", "--context-window 1024: expected 0 or more, and less than --tokens-per-sample 1024"),
    ("--repeat 0", "--repeat 0: expected 1 or more"),
    ("--sample-break-mode none", "--tokens-per-sample 1024: every sample is longer than the model's 24 positions"),
]


@pytest.mark.parametrize(("options", "message"), SWEEP_MISTAKES)
def test_mistakes_in_sweep(text: Path, trained: Path, tmp_path: Path, options: str, message: str) -> None:
    path = trained / "checkpoint_last.pt"
    given = (text, "--task", "language_modeling", "--path", path, "--cpu", "--output", tmp_path / "new", *BY_SENTENCE)
    assert ours("sweep", *given, *options.split()).startswith(message.format(path=path))
    assert not (tmp_path / "new").exists()


def scores(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """The log-probability of each token after the first, where padding is impossible: batch × (length - 1)."""
    with torch.no_grad():
        output = model.get_normalized_probs(model(tokens[:, :-1]), log_probs=True)
    output[:, :, model.decoder.dictionary.pad()] = -math.inf
    output = output.log_softmax(dim=2)  # batch × (length - 1) × words
    return output.gather(2, tokens[:, 1:].unsqueeze(2)).squeeze(2)  # batch × (length - 1)


def test_export_of_a_depth(text: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    train(text, tmp_path / "shared", *SHARED)
    tokens = torch.tensor([[2, *range(4, 12)], [2, *range(20, 28)]])
    for number, path in enumerate((trained / "checkpoint_last.pt", tmp_path / "shared" / "checkpoint_last.pt")):
        (model,), _, task = checkpoint_utils.load_model_ensemble_and_task([str(path)])
        model.eval().set_depth(decoder_depth=2)
        stock = tmp_path / f"stock{number}.pt"
        assert main(["export", "--path", str(path), "--dec-layers", "2", "--output", str(stock)]) == 0
        assert "fairseq, 2 decoder layers (1,2) of the model" in capsys.readouterr().out
        (other,), _, _ = checkpoint_utils.load_model_ensemble_and_task([str(stock)])
        assert type(other) is TransformerLanguageModel and len(other.decoder.layers) == 2
        assert torch.allclose(scores(model, tokens), scores(other.eval(), tokens), atol=1e-6)
    folder = tmp_path / "converted"
    given = ("--path", str(path), "--dec-layers", "2", "--format", "ctranslate2", "--output", str(folder))
    assert main(["export", *given]) == 0
    assert "at most 23 tokens" in capsys.readouterr().out
    generator = ctranslate2.Generator(str(folder))
    words = [[task.dictionary[number] for number in line] for line in tokens.tolist()]
    found = [result.log_probs for result in generator.score_batch(words)]
    assert torch.allclose(torch.tensor(found), scores(model, tokens), atol=1e-4)


EXPORT_MISTAKES = [
    ("--enc-layers 1", "--enc-layers 1: a language model has no encoder; give --dec-layers alone"),
    ("--dec-layers 4", "--dec-layers 4: this model supports 1,2,3"),
    ("--format huggingface", "cannot be exported to huggingface: a language model: expected --format fairseq or"),
    (
        "--format ctranslate2",
        "ctranslate2: --adaptive-input: not in CTranslate2; --adaptive-softmax-cutoff 10,20: not in CTranslate2",
    ),
]


@pytest.mark.parametrize(("options", "message"), EXPORT_MISTAKES)
def test_mistakes_in_export(trained: Path, tmp_path: Path, options: str, message: str) -> None:
    line = ours("export", "--path", trained / "checkpoint_last.pt", "--output", tmp_path / "new", *options.split())
    assert message in line and not list(tmp_path.iterdir())


def test_hydra_train_from_a_yaml_file(text: Path, tmp_path: Path) -> None:
    (tmp_path / "language_model.yaml").write_text(
        f"""
common: {{user_dir: {cli.PLUGIN}, cpu: true, log_format: json}}
task: {{_name: language_modeling_flexdepth, data: {text}, tokens_per_sample: 24, sample_break_mode: eos}}
model:
  _name: tied_multi_transformer_lm
  decoder_layers: 2
  decoder_embed_dim: 16
  decoder_input_dim: 16
  decoder_output_dim: 16
  decoder_ffn_embed_dim: 16
  decoder_attention_heads: 2
criterion: {{_name: tied_multi_cross_entropy}}
dataset: {{batch_size: 20, num_workers: 0}}
optimization: {{max_update: 2, lr: [0.005]}}
optimizer: {{_name: adam}}
lr_scheduler: {{_name: fixed}}
checkpoint: {{save_dir: {tmp_path}, no_epoch_checkpoints: true}}
hydra: {{run: {{dir: {tmp_path}/hydra}}}}
"""
    )
    output = cli.run(
        "fairseq-hydra-train", "--config-dir", tmp_path, "--config-name", "language_model", HYDRA_FULL_ERROR="1"
    )
    assert "valid_nll_d1" in output and "valid_nll_d2" in output
