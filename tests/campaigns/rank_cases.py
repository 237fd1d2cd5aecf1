"""The trainings of ``ranks``: every objective, with sampled depths if possible, and uneven numbers of batches."""

from pathlib import Path
from typing import Any, Callable, Dict, List

from tests.campaigns.inputs import Inputs
from tests.integration import cli, selector_cli, test_language_model_training, test_speech_training

SGD = ("--optimizer", "sgd", "--lr", 0.1, "--dropout", 0)  # Adam would amplify rounding differences
UNEVEN = ("--max-tokens", 4000, "--batch-size", 40)  # 5 batches, divisible neither by 2 nor by 4 ranks
NO_OTHER_DROPOUT = ("--attention-dropout", 0, "--activation-dropout", 0, "--adaptive-softmax-dropout", 0)
REFUSES_TORCHS_DDP = ("cycle_shared_transformer_lm",)  # fairseq's adaptive_loss does
DRAWN = ("--sample-encoder-depths", 2, "--sample-decoder-depths", 1)

# A function from a folder to the command line that trains in it.
Case = Callable[[Path], List[Any]]


def unused_layers(inputs: Inputs) -> Dict[str, Case]:
    """Trainings with unused layers in each update: the same on all ranks, but others in one process."""
    dropped = ("--encoder-layerdrop", 0.2, "--decoder-layerdrop", 0.5)
    fewer = ("--encoder-depths", "1,2", "--decoder-depths", "1")
    taught = ("--teacher-path", inputs.teacher, "--ckd-mapping", "1:1+2,2:2+3,3:3", *dropped)
    plain = ("--criterion", "label_smoothed_cross_entropy")

    def training(*options: Any) -> Case:
        return lambda save_dir: cli.training(inputs.corpus, save_dir, *SGD, *UNEVEN, *options)

    return {
        "tied_multi_cross_entropy, LayerDrop": training(*dropped, *DRAWN),
        "tied_multi_cross_entropy, accumulated, LayerDrop": training(*dropped, "--accumulate-depths"),
        "word_kd, LayerDrop": training("--criterion", "word_kd", "--teacher-path", inputs.teacher, *dropped, *DRAWN),
        "ckd, LayerDrop": training("--criterion", "ckd", *taught),
        "label_smoothed_cross_entropy, fewer depths": training(*plain, *fewer),
        "label_smoothed_cross_entropy, LayerDrop": training(*plain, *dropped),
    }


def cases(inputs: Inputs, folder: Path) -> Dict[str, Case]:
    """The trainings, by the name of the criterion or, if that is fairseq's, of the model; *folder* is for data."""

    def translation(*options: Any) -> Case:
        return lambda save_dir: cli.training(inputs.corpus, save_dir, *SGD, *UNEVEN, *options)

    def selection(objective: Any, *options: Any) -> Case:
        return lambda save_dir: selector_cli.training(
            inputs.labels, save_dir, "--dropout", 0, *options, objective=objective
        )

    def stock(data: Path, model: Any, size: int) -> Case:
        return lambda save_dir: [
            "fairseq-train", data, "--user-dir", cli.PLUGIN, "--save-dir", save_dir, "--cpu", "--seed", 1, *model, *SGD,
            "--max-tokens", size, "--num-workers", 0, "--no-epoch-checkpoints", "--log-format", "json",
        ]  # fmt: skip

    text, speech = folder / "text", folder / "speech"
    if not (text / "bin").exists():
        test_language_model_training.binarised_text(text)
    if not speech.exists():
        test_speech_training.write_speech(speech)
    taught = ("--teacher-path", inputs.teacher)
    language_model = (*test_language_model_training.MODEL, *NO_OTHER_DROPOUT)
    layers = ("--ckd-mapping", "1:1+2,2:2+3", "--encoder-layers", 2)
    return {
        "tied_multi_cross_entropy": translation(*DRAWN),
        "multi_task_depth_cross_entropy": translation(
            "--criterion", "multi_task_depth_cross_entropy", "--subnetworks", "optimal", "--accumulate-depths", *DRAWN
        ),
        "word_kd": translation("--criterion", "word_kd", *taught, *DRAWN),
        "pkd": translation(
            "--criterion", "pkd", *taught, "--ckd-mapping", "1:1,2:3", "--encoder-layers", 2,
            "--sample-encoder-depths", 1,
        ),
        "ckd": translation("--criterion", "ckd", *taught, *layers, "--sample-encoder-depths", 1),
        "depth_selection": selection(selector_cli.PAPER),
        "cost_aware_depth_selection": selection(selector_cli.COST_AWARE, "--optimizer", "sgd", "--lr", 0.02),
        "cycle_shared_transformer_lm": stock(text / "bin", language_model, 480),
        "cycle_shared_s2t_transformer": stock(speech, test_speech_training.MODEL, 600),
    }  # fmt: skip
