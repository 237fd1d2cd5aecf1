"""The speech model with shared layers: fairseq's manifests of filter-bank features, fairseq-train, fairseq-generate."""

from pathlib import Path

import numpy
import pytest
import torch

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


MODEL = (
    "--task", "speech_to_text", "--train-subset", "train", "--valid-subset", "valid",
    "--arch", "cycle_shared_s2t_transformer", "--encoder-layers", 4, "--unique-encoder-layers", 2,
    "--decoder-layers", 2, "--unique-decoder-layers", 1, "--layer-sharing", "sequence",
    "--encoder-embed-dim", 32, "--encoder-ffn-embed-dim", 32, "--encoder-attention-heads", 2,
    "--decoder-attention-heads", 2, "--conv-channels", 32, "--dropout", 0, "--share-decoder-input-output-embed",
    "--criterion", "label_smoothed_cross_entropy", "--label-smoothing", 0.1,
)  # fmt: skip


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


def test_training_and_recognition(speech: Path, tmp_path: Path) -> None:
    cli.run(
        "fairseq-train", speech, "--user-dir", cli.PLUGIN, "--save-dir", tmp_path, "--cpu", "--seed", 1,
        *MODEL, "--optimizer", "adam", "--lr", 0.005,
        "--warmup-updates", 20, "--lr-scheduler", "inverse_sqrt", "--max-tokens", 600, "--max-update", 300,
        "--num-workers", 0, "--no-epoch-checkpoints",
    )  # fmt: skip
    checkpoint = tmp_path / "checkpoint_last.pt"
    state = torch.load(str(checkpoint), map_location="cpu")["model"]
    assert {key.split(".")[2] for key in state if key.startswith("encoder.transformer_layers.")} == {"0", "2"}
    output = cli.run(
        "fairseq-generate", speech, "--user-dir", cli.PLUGIN, "--task", "speech_to_text", "--gen-subset", "test",
        "--path", checkpoint, "--cpu", "--beam", 3, "--max-len-b", 8, "--max-tokens", 600, "--num-workers", 0,
    )  # fmt: skip
    recognised = [line.split("\t")[2] for line in output.splitlines() if line.startswith("H-")]
    wanted = [line.split("\t")[1] for line in output.splitlines() if line.startswith("T-")]
    assert len(recognised) == len(wanted) == 20
    right = sum(hypothesis == reference for hypothesis, reference in zip(recognised, wanted))
    assert right > 10, output
