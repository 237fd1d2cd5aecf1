"""Training a tied-multi model and decoding it at every depth, with fairseq's own command lines."""

import re
import shlex
from pathlib import Path
from typing import Dict

import pytest

import fairseq_flexdepth
from fairseq_flexdepth.depth.supported_depths import DepthPair
from tests.integration import cli
from tests.integration.stock import stock_checkpoint

PAIRS = [(n, m) for n in (1, 2, 3) for m in (1, 2)]


@pytest.fixture(scope="module")
def generated(data: Path, checkpoint: Path) -> Dict[DepthPair, str]:
    """The output of fairseq-generate at every depth pair."""
    return {(n, m): cli.generate(data, checkpoint, "--enc-layers", n, "--dec-layers", m) for n, m in PAIRS}


@pytest.mark.parametrize("pair", PAIRS)
def test_generate_at_a_depth_equals_a_stock_model_of_that_depth(
    data: Path, checkpoint: Path, generated: Dict[DepthPair, str], tmp_path: Path, pair: DepthPair
) -> None:
    (n, m), ours = pair, generated[pair]
    assert f"decoding with {n} of 3 encoder layers, {m} of 2 decoder layers" in ours
    layers = range(1, n + 1), range(1, m + 1)
    stock = cli.generate(data, stock_checkpoint(checkpoint, *layers, tmp_path / "stock.pt"))
    assert "encoder layers" not in stock
    assert len(cli.hypotheses(ours)) == 20
    for our_line, stock_line in zip(cli.hypotheses(ours), cli.hypotheses(stock)):
        our_id, our_score, our_text = our_line.split("\t")
        stock_id, stock_score, stock_text = stock_line.split("\t")
        assert (our_id, our_text) == (stock_id, stock_text)
        assert float(our_score) == pytest.approx(float(stock_score), abs=1e-5)


def test_the_deepest_pair_decodes_by_default_and_one_depth_may_be_given(
    data: Path, checkpoint: Path, generated: Dict[DepthPair, str]
) -> None:
    default = cli.generate(data, checkpoint)
    assert "decoding with 3 of 3 encoder layers, 2 of 2 decoder layers" in default
    assert "decoding with 3 of 3 encoder layers, 1 of 2 decoder layers" in cli.generate(
        data, checkpoint, "--dec-layers", 1
    )
    assert cli.hypotheses(default) == cli.hypotheses(generated[3, 2])


def test_an_ensemble_decodes_at_the_depth(
    data: Path, checkpoint: Path, generated: Dict[DepthPair, str]
) -> None:
    options = ("--enc-layers", 2, "--dec-layers", 1)
    one = cli.hypotheses(generated[2, 1])
    both = cli.hypotheses(cli.generate(data, f"{checkpoint}:{checkpoint}", *options))
    assert [line.split("\t")[2] for line in one] == [line.split("\t")[2] for line in both]


def test_interactive_decodes_at_the_depth_as_generate_does(
    data: Path, checkpoint: Path, generated: Dict[DepthPair, str]
) -> None:
    source = next(line.split("\t")[1] for line in generated[1, 2].splitlines() if line.startswith("S-0\t"))
    output = cli.run(
        "fairseq-interactive", data, "--user-dir", cli.PLUGIN, "--path", checkpoint, "--cpu", "--beam", 3,
        "--max-len-b", 10, "--enc-layers", 1, "--dec-layers", 2, stdin=f"{source}\n",
    )  # fmt: skip
    assert "decoding with 1 of 3 encoder layers, 2 of 2 decoder layers" in output
    expected, found = cli.hypotheses(generated[1, 2])[0].split("\t"), cli.hypotheses(output)[0].split("\t")
    assert found[2] == expected[2]
    assert float(found[1]) == pytest.approx(float(expected[1]), abs=1e-5)


def validate(data: Path, checkpoint: Path, *options: object) -> dict:
    output = cli.run(
        "fairseq-validate", data, "--user-dir", cli.PLUGIN, "--task", "translation", "--path", checkpoint,
        "--cpu", "--max-tokens", 500, "--num-workers", 0, *options,
    )  # fmt: skip
    statistics = output.splitlines()[-1].split(" | ")[4:]
    return {name: float(value) for name, value in (statistic.rsplit(" ", 1) for statistic in statistics)}


def test_validate_reports_every_pair_or_the_one_asked_for(data: Path, checkpoint: Path) -> None:
    every = validate(data, checkpoint)
    pairs = {f"nll_e{n}d{m}" for n, m in PAIRS}
    assert {name for name in every if name.startswith("nll_e")} == pairs
    assert every["nll_loss"] == pytest.approx(sum(every[name] for name in pairs) / len(pairs), abs=2e-3)
    one = validate(data, checkpoint, "--enc-layers", 2, "--dec-layers", 1)
    assert {name for name in one if name.startswith("nll_e")} == {"nll_e2d1"}
    assert one["nll_e2d1"] == one["nll_loss"] == every["nll_e2d1"]


def test_load_translates_at_the_depth_that_generate_does(
    data: Path, checkpoint: Path, generated: Dict[DepthPair, str]
) -> None:
    hub = fairseq_flexdepth.load(str(checkpoint), data=str(data))
    assert hub.depths == PAIRS
    hub.set_depth(2, 1)
    lines = [line[2:].split("\t") for line in generated[2, 1].splitlines() if line.startswith("S-")]
    sources, ids = [line[1] for line in lines], [int(line[0]) for line in lines]
    texts = hub.translate(sources, beam=3, max_len_b=10)
    expected = {int(line[2:].split("\t")[0]): line.split("\t")[2] for line in cli.hypotheses(generated[2, 1])}
    assert dict(zip(ids, texts)) == expected
    assert fairseq_flexdepth.load(str(checkpoint)).depths == PAIRS  # dictionaries from where the checkpoint says


def test_depth_options_reach_the_checkpoint_and_the_best_one_can_be_that_of_one_pair(
    data: Path, tmp_path: Path
) -> None:
    output = cli.train(
        data, tmp_path, "--encoder-depths", "1,3", "--decoder-depths", "divisors", "--sample-encoder-depths", 1,
        "--depth-weights", "1,2;3,4", "--update-freq", 2, "--share-all-embeddings",
        "--best-checkpoint-metric", "nll_e3d1",
    )  # fmt: skip
    assert "valid_best_nll_e3d1" in output or re.search(r"checkpoint_best.pt .*score", output)
    assert (tmp_path / "checkpoint_best.pt").exists()
    assert fairseq_flexdepth.load(str(tmp_path / "checkpoint_last.pt")).depths == [(1, 1), (1, 2), (3, 1), (3, 2)]
    output = cli.generate(data, tmp_path / "checkpoint_last.pt", "--enc-layers", 2, fails=True)
    assert output.splitlines()[-1] == "ValueError: --enc-layers 2: this model supports 1,3"


def test_validation_by_bleu_as_the_docs_have_it(tmp_path: Path) -> None:
    page = (cli.REPOSITORY / "docs" / "training.md").read_text(encoding="utf-8")
    options = shlex.split(re.findall(r"(?m)^ +(--eval-bleu (?:.*\\\n)+.*)$", page)[0].replace("\\\n", " "))
    assert "--maximize-best-checkpoint-metric" in options
    cli.write_reversal_corpus(tmp_path / "text", {"train": 200, "valid": 20, "test": 20})
    for path in (tmp_path / "text").iterdir():  # as SentencePiece marks the beginnings of words
        path.write_text(path.read_text().replace("w", "\u2581w"), encoding="utf-8")
    data, folder = tmp_path / "bin", tmp_path / "model"
    cli.binarise(tmp_path / "text", data)
    learning = ("--max-tokens", 2000, "--lr", 0.01, "--dropout", 0, *options)
    cli.train(data, folder, *learning, "--max-update", 30)
    output = cli.train(data, folder, *learning, "--max-update", 60)  # resumes
    assert f"Loaded checkpoint {folder}/checkpoint_last.pt" in output
    scores = [float(score) for score in re.findall(r'"valid_bleu": "([\d.]+)"', output)]
    assert scores[-1] > 1
    alike = ("--gen-subset", "valid", "--beam", 4, "--max-len-b", 200, "--post-process", "sentencepiece")
    for depth, same in (((), True), (("--enc-layers", 1, "--dec-layers", 1), False)):
        decoded = cli.generate(data, folder / "checkpoint_last.pt", *alike, "--scoring", "sacrebleu", *depth)
        bleu = float(re.findall(r"BLEU = ([\d.]+)", decoded.splitlines()[-1])[0])
        assert (bleu == pytest.approx(scores[-1], abs=0.011)) == same


def test_hydra_train_from_a_yaml_file(data: Path, tmp_path: Path) -> None:
    (tmp_path / "tied_multi.yaml").write_text(
        f"""
common: {{user_dir: {cli.PLUGIN}, cpu: true, log_format: json, log_interval: 1}}
task: {{_name: translation, data: {data}}}
model:
  _name: tied_multi_transformer
  encoder_layers: 2
  decoder_layers: 2
  encoder_embed_dim: 16
  encoder_ffn_embed_dim: 16
  encoder_attention_heads: 2
  decoder_embed_dim: 16
  decoder_ffn_embed_dim: 16
  decoder_attention_heads: 2
  encoder_depths: "1,2"
criterion: {{_name: tied_multi_cross_entropy, label_smoothing: 0.1}}
dataset: {{max_tokens: 200, num_workers: 0}}
optimization: {{max_update: 3, lr: [0.005]}}
optimizer: {{_name: adam}}
lr_scheduler: {{_name: fixed}}
checkpoint: {{save_dir: {tmp_path}, no_epoch_checkpoints: true}}
hydra: {{run: {{dir: {tmp_path}/hydra}}}}
"""
    )
    command = ("fairseq-hydra-train", "--config-dir", tmp_path, "--config-name", "tied_multi")
    listed = cli.run(*command, "model.encoder_depths=[1,2]", HYDRA_FULL_ERROR="1", fails=True).splitlines()[-1]
    assert listed.startswith("ValueError: --encoder-depths [1, 2]: ")
    cli.run(*command, HYDRA_FULL_ERROR="1")
    assert fairseq_flexdepth.load(str(tmp_path / "checkpoint_last.pt")).depths == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert len(cli.hypotheses(cli.generate(data, tmp_path / "checkpoint_last.pt", "--enc-layers", 1))) == 20
