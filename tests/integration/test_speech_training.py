"""Speech on the command line: fairseq's manifests of filter-bank features, training, recognition at every depth."""

import json
import re
from argparse import Namespace
from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy
import pytest
import torch

import fairseq_flexdepth
from fairseq_flexdepth.cli.main import main
from tests.integration import cli

WORDS = 6
BINS = 8


def write_features(folder: Path, split: str, utterances: int, seed: int) -> None:
    """Every word is five frames in which one filter-bank bin sounds, among some noise."""
    generator = numpy.random.RandomState(seed)
    rows = ["id\taudio\tn_frames\ttgt_text\tspeaker"]
    for number in range(utterances):
        words = generator.permutation(WORDS)[: generator.randint(2, 6)]
        frames = generator.normal(scale=0.1, size=(5 * len(words), BINS)).astype(numpy.float32)
        for position, word in enumerate(words):
            frames[5 * position : 5 * position + 5, word] += 2
        audio = folder / "features" / f"{split}{number}.npy"
        numpy.save(str(audio), frames)
        text = " ".join(f"w{word}" for word in words)
        rows.append(f"{split}{number}\t{audio}\t{len(frames)}\t{text}\tspeaker")
    (folder / f"{split}.tsv").write_text("\n".join(rows) + "\n")


SIZES = (
    "--task", "speech_to_text", "--train-subset", "train", "--valid-subset", "valid", "--encoder-layers", 4,
    "--decoder-layers", 2, "--encoder-embed-dim", 32, "--encoder-ffn-embed-dim", 32, "--encoder-attention-heads", 2,
    "--decoder-attention-heads", 2, "--conv-channels", 32, "--share-decoder-input-output-embed",
    "--label-smoothing", 0.1,
)  # fmt: skip
MODEL = (
    *SIZES, "--arch", "cycle_shared_s2t_transformer", "--unique-encoder-layers", 2, "--unique-decoder-layers", 1,
    "--layer-sharing", "sequence", "--dropout", 0, "--criterion", "label_smoothed_cross_entropy",
)  # fmt: skip
EVERY_DEPTH = (*SIZES, "--arch", "tied_multi_s2t_transformer_s", "--criterion", "tied_multi_cross_entropy")


def write_speech(folder: Path) -> Path:
    """A folder in fairseq's speech-to-text format."""
    (folder / "features").mkdir(parents=True)
    for seed, (split, utterances) in enumerate((("train", 120), ("valid", 10), ("test", 20))):
        write_features(folder, split, utterances, seed)
    (folder / "dict.txt").write_text("".join(f"w{word} 1\n" for word in range(WORDS)))
    (folder / "config.yaml").write_text(f"vocab_filename: dict.txt\ninput_feat_per_channel: {BINS}\n")
    return folder


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech(tmp_path_factory.mktemp("speech"))


def train(speech: Path, save_dir: Path, *options: Any) -> str:
    return cli.run(
        "fairseq-train", speech, "--user-dir", cli.PLUGIN, "--save-dir", save_dir, "--cpu", "--seed", 1,
        "--optimizer", "adam", "--lr", 0.005, "--max-tokens", 600, "--num-workers", 0, "--no-epoch-checkpoints",
        "--log-format", "json", *options,
    )  # fmt: skip


def decode(command: str, speech: Path, checkpoint: Path, *options: Any, **run_options: Any) -> str:
    return cli.run(
        command, speech, "--user-dir", cli.PLUGIN, "--task", "speech_to_text", "--path", checkpoint, "--cpu",
        "--max-tokens", 600, "--num-workers", 0, *options, **run_options,
    )  # fmt: skip


ONLY_LAST = ("--disable-validation", "--save-interval", 100)
LEARNING = ("--lr-scheduler", "inverse_sqrt", "--warmup-updates", 5, "--dropout", 0, "--max-update", 40)
SEARCH = ("--gen-subset", "test", "--beam", 3, "--max-len-b", 8)


@pytest.fixture(scope="module")
def trained(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train(speech, folder, *EVERY_DEPTH, *ONLY_LAST, *LEARNING, "--encoder-depths", "1,2,4")
    return folder / "checkpoint_last.pt"


def save_stock(trained: Path, encoder: Sequence[int], decoder: Sequence[int], path: Path) -> Path:
    """A checkpoint of fairseq's ``s2t_transformer`` with these layers, counted from 1, of a *trained* model."""
    state = torch.load(str(trained), map_location="cpu")
    sizes = {"encoder_layers": len(encoder), "decoder_layers": len(decoder)}
    args = Namespace(**{**vars(state["cfg"]["model"]), **sizes})
    args._name = args.arch = "s2t_transformer"
    criterion = {"_name": "label_smoothed_cross_entropy", "label_smoothing": 0.1, "report_accuracy": False}
    criterion.update(ignore_prefix_size=0, sentence_avg=False)
    state["cfg"].update(model=args, criterion=criterion)
    del state["cfg"]["task"].subnetworks  # of the trained model; a task with add_args keeps all options
    for key in [key for key in state["model"] if re.match(r"\w+\.(transformer_)?layers\.", key)]:
        side, stack, position, rest = key.split(".", 3)
        value, layers = state["model"].pop(key), list(encoder if side == "encoder" else decoder)
        if int(position) + 1 in layers:  # its number only falls, so that nothing is overwritten
            state["model"][f"{side}.{stack}.{layers.index(int(position) + 1)}.{rest}"] = value
    torch.save(state, str(path))
    return path


def test_recognition_at_every_depth(speech: Path, trained: Path, tmp_path: Path) -> None:
    stock = save_stock(trained, (1, 2), (1,), tmp_path / "stock.pt")
    depth = ("--enc-layers", 2, "--dec-layers", 1)
    output = decode("fairseq-generate", speech, trained, *SEARCH, *depth, "--scoring", "wer")
    assert "decoding with 2 of 4 encoder layers, 1 of 2 decoder layers" in output
    found, expected = cli.hypotheses(output), cli.hypotheses(decode("fairseq-generate", speech, stock, *SEARCH))
    assert len(found) == 20
    assert found == expected
    assert cli.hypotheses(decode("fairseq-generate", speech, trained, *SEARCH)) != expected
    left = decode("fairseq-generate", speech, trained, *SEARCH, *depth, "--subnetworks", "left")
    assert cli.hypotheses(left) != expected

    given = ("--valid-subset", "valid", "--log-format", "json")
    ours, theirs = (
        json.loads(re.findall(r'{"valid_loss".*}', decode("fairseq-validate", speech, *checkpoint, *given))[0])
        for checkpoint in ((trained, *depth), (stock,))
    )
    assert [key for key in ours if "nll_e" in key] == ["valid_nll_e2d1"]
    assert (ours["valid_loss"], ours["valid_nll_loss"]) == (theirs["valid_loss"], theirs["valid_nll_loss"])

    audio = "".join(f"{path}\n" for path in sorted((speech / "features").glob("test*.npy"))[:2])
    typed = [
        decode("fairseq-interactive", speech, *checkpoint, "--beam", 3, "--max-len-b", 8, stdin=audio)
        for checkpoint in ((trained, *depth), (stock,))
    ]
    assert len(cli.hypotheses(typed[0])) == 2
    spoken = [[line.split("\t")[1:] for line in cli.hypotheses(output)] for output in typed]
    assert spoken[0] == spoken[1]

    rows = sweep(speech, trained, tmp_path / "report")
    assert [(row["enc_layers"], row["dec_layers"]) for row in rows] == [(n, m) for n in (1, 2, 4) for m in (1, 2)]
    printed = re.findall(r"WER: (\S+)", output)
    assert [f"{row['wer']:.2f}" for row in rows if (row["enc_layers"], row["dec_layers"]) == (2, 1)] == printed
    assert "bleu" not in rows[-1] and "words_per_second" not in rows[-1]
    texts = (tmp_path / "report" / "e2d1.txt").read_text().splitlines()
    assert texts == [line.split("\t")[2] for line in found]
    assert sweep(speech, stock, tmp_path / "stock")[0]["wer"] == float(printed[0])
    with pytest.raises(ValueError, match="recognises speech; expected a model that translates text"):
        fairseq_flexdepth.load(str(trained))


def test_layerdrop_recognises_with_the_layers_that_it_keeps(speech: Path, tmp_path: Path) -> None:
    """Trained by a stock criterion at full depth; the sub-networks are chosen for decoding."""
    dropped = ("--encoder-layerdrop", 0.2, "--decoder-layerdrop", 0.2, "--criterion", "label_smoothed_cross_entropy")
    train(speech, tmp_path, *EVERY_DEPTH, *ONLY_LAST, *LEARNING, *dropped)
    checkpoint, left = tmp_path / "checkpoint_last.pt", ("--subnetworks", "left")
    depth = ("--enc-layers", 2, "--dec-layers", 1)
    output = decode("fairseq-generate", speech, checkpoint, *SEARCH, *left, *depth, "--scoring", "wer")
    stock = save_stock(checkpoint, (1, 3), (1,), tmp_path / "stock.pt")
    assert cli.hypotheses(output) == cli.hypotheses(decode("fairseq-generate", speech, stock, *SEARCH))
    assert len(cli.hypotheses(output)) == 20
    rows = sweep(speech, checkpoint, tmp_path / "report", *left)
    rates = {(row["enc_layers"], row["dec_layers"]): f"{row['wer']:.2f}" for row in rows}
    assert [rates[2, 1]] == re.findall(r"WER: (\S+)", output) and len(set(rates.values())) > 1 and len(rates) == 8


def sweep(speech: Path, checkpoint: Path, folder: Path, *options: Any) -> List[Dict[str, Any]]:
    given = [
        "sweep", speech, "--task", "speech_to_text", "--path", checkpoint, "--output", folder, *SEARCH,
        "--max-tokens", 600, "--cpu", "--scoring", "wer", "--max-loss", 5, *options,
    ]  # fmt: skip
    assert main([str(word) for word in given]) == 0
    rows: List[Dict[str, Any]] = json.loads((folder / "sweep.json").read_text())
    return rows


def test_two_ranks_equal_one_and_a_resumed_run_equals_the_uninterrupted_one(speech: Path, tmp_path: Path) -> None:
    frozen = (*EVERY_DEPTH, "--encoder-freezing-updates", 2)
    exact = (*frozen, *ONLY_LAST, "--optimizer", "sgd", "--lr", 0.1, "--dropout", 0, "--max-update", 4)
    train(speech, tmp_path / "one", *exact, "--update-freq", 2)
    accumulated = (*exact, "--accumulate-depths")
    cli.on_two_ranks(lambda *rank: train(speech, tmp_path / "two", *accumulated, "--max-update", 2, *rank))
    assert "(epoch 1 @ 2 updates)" in train(speech, tmp_path / "two", *accumulated, "--update-freq", 2)
    assert cli.largest_difference(tmp_path / "one", tmp_path / "two") < 1e-5
    drawn = (*frozen, "--sample-encoder-depths", 2, "--encoder-layerdrop", 0.3, "--max-update", 8)
    train(speech, tmp_path / "whole", *drawn, "--save-interval-updates", 3)
    half_way = next((tmp_path / "whole").glob("checkpoint_*_3.pt"))
    train(speech, tmp_path / "resumed", *drawn, "--restore-file", half_way)
    assert cli.largest_difference(tmp_path / "whole", tmp_path / "resumed") == 0


def test_a_model_of_shared_layers_trains_and_recognises(speech: Path, tmp_path: Path) -> None:
    train(speech, tmp_path, *MODEL, *ONLY_LAST, "--max-update", 3)
    checkpoint = tmp_path / "checkpoint_last.pt"
    state = torch.load(str(checkpoint), map_location="cpu")["model"]
    assert {key.split(".")[2] for key in state if key.startswith("encoder.transformer_layers.")} == {"0", "2"}
    assert len(cli.hypotheses(decode("fairseq-generate", speech, checkpoint, *SEARCH))) == 20
    refused = decode("fairseq-generate", speech, checkpoint, *SEARCH, "--enc-layers", 2, fails=True)
    assert "ValueError: --enc-layers 2: this model supports 4" in refused
