"""``fairseq-flexdepth prune``: exactly the smallest weights of a checkpoint, wherever they are."""

import json
from argparse import Namespace
from typing import Any, Callable, Dict

import pytest
import torch
from fairseq.models.lstm import LSTMModel, base_architecture

from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.cli.params import count_parameters
from fairseq_flexdepth.compat import FAST_PATH_NAMES
from fairseq_flexdepth.modules.admin import SCALE_SUFFIX
from fairseq_flexdepth.pruning.magnitude_pruning import prunable_weights, zero_smallest
from tests import tiny


def lstm(**changes: Any) -> Any:
    torch.manual_seed(1)
    args = Namespace(**{"encoder_embed_dim": 6, "decoder_embed_dim": 6, "decoder_out_embed_dim": 6, **changes})
    args.encoder_layers = args.decoder_layers = 2
    args.criterion = "cross_entropy"
    base_architecture(args)
    return LSTMModel.build_model(args, tiny.task())


MODELS: Dict[str, Callable[[], Any]] = {
    "ours": lambda: tiny.flexible_model(residual_init="admin"),
    "shared": lambda: tiny.flexible_model(
        layer_sharing="cycle", encoder_layers=4, unique_encoder_layers=2, unique_decoder_layers=1
    ),
    "stock": lambda: tiny.stock_model(tiny.flexible_model(), 2, 1),
    "lstm": lstm,
}


def pruned(tmp_path, capsys, state, fraction):
    """The pruned checkpoint of a model's state, and the report."""
    before = {
        "args": Namespace(arch="tiny"),
        "model": state,
        "criterion": {"weight": torch.ones(2)},
        "extra_state": {"val_loss": 1, "ema": state, "ema_fp32_params": state},
        "last_optimizer_state": {"state": torch.zeros(9)},
        "optimizer_history": [{"num_updates": 3}],
    }
    torch.save(before, str(tmp_path / "dense.pt"))
    arguments = ["--path", tmp_path / "dense.pt", "--fraction", fraction, "--output", tmp_path / "new" / "pruned.pt"]
    assert main(["prune", *map(str, arguments), "--json"]) == 0
    return torch.load(str(tmp_path / "new" / "pruned.pt")), json.loads(capsys.readouterr().out)


def is_fast_path(name: str) -> bool:
    owner, _, leaf = name.rpartition(".")
    return leaf in FAST_PATH_NAMES and owner[-1].isdigit()


def expected_zeros(model: torch.nn.Module, fraction: float) -> Dict[str, torch.Tensor]:
    """Where the smallest weights of a model are, found another way: by sorting all of them."""
    padding = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    eligible = {}
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and not is_fast_path(name):
            eligible[name] = torch.ones_like(parameter, dtype=torch.bool)
            if id(parameter) in padding:
                eligible[name][1] = False
    parameters = dict(model.named_parameters())
    magnitudes = torch.cat([parameters[name][chosen].abs() for name, chosen in eligible.items()])
    number = round(fraction * len(magnitudes))
    threshold = magnitudes.sort().values[number - 1]
    zeros = {name: chosen & (parameters[name].abs() <= threshold) for name, chosen in eligible.items()}
    assert sum(int(where.sum()) for where in zeros.values()) == number  # no ties at the threshold
    return zeros


@pytest.mark.parametrize("fraction", [0.5, 0.83])
@pytest.mark.parametrize("name", MODELS)
def test_the_smallest_weights_of_all_matrices_are_zeroed_and_nothing_else(tmp_path, capsys, name, fraction):
    model = MODELS[name]()
    zeros = expected_zeros(model, fraction)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    checkpoint, report = pruned(tmp_path, capsys, state, fraction)
    assert checkpoint["model"].keys() == state.keys()
    for key, value in model.named_parameters():
        where = zeros.get(key, torch.zeros_like(value, dtype=torch.bool))
        assert torch.equal(checkpoint["model"][key], value.masked_fill(where, 0)), key
    for key in state:
        if is_fast_path(key) or key.endswith(SCALE_SUFFIX):
            assert torch.equal(checkpoint["model"][key], state[key])
    assert report["total"] == count_parameters(model).total
    gone = sum(int(where.sum()) for where in zeros.values())
    natural = sum(int((value == 0).sum()) for key, value in model.named_parameters() if not is_fast_path(key))
    assert report["nonzero"] == report["total"] - gone - natural


def test_the_result_holds_the_weights_and_nothing_of_their_training(tmp_path, capsys):
    checkpoint, _ = pruned(tmp_path, capsys, dict(lstm().state_dict()), 0.5)
    assert checkpoint["args"].arch == "tiny"
    assert checkpoint["last_optimizer_state"] is None
    assert checkpoint["optimizer_history"] == [{"num_updates": 3}]
    assert checkpoint["extra_state"].keys() == {"val_loss", "ema"}
    for key, value in checkpoint["extra_state"]["ema"].items():  # what --store-ema starts from takes no place
        assert value.data_ptr() == checkpoint["model"][key].data_ptr()
    assert checkpoint["criterion"] is None
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["pruned.pt"]


def test_the_report_names_embeddings_and_layers(tmp_path, capsys):
    checkpoint, report = pruned(tmp_path, capsys, dict(lstm().state_dict()), 0.75)
    modules = {row["module"]: row for row in report["modules"]}
    assert list(modules) == [
        "encoder.embed_tokens", "encoder.lstm.0", "encoder.lstm.1", "decoder.embed_tokens", "decoder.layers.0",
        "decoder.layers.1", "decoder.attention", "decoder.fc_out",
    ]  # fmt: skip
    layer = [value for key, value in checkpoint["model"].items() if key.startswith("encoder.lstm") and "_l1" in key]
    total = 4 * 6 * (6 + 6 + 2)
    nonzero = sum(int(value.count_nonzero()) for value in layer)
    assert modules["encoder.lstm.1"] == {
        "module": "encoder.lstm.1", "total": total, "nonzero": nonzero, "sparsity": 1 - nonzero / total
    }  # fmt: skip
    assert report["sparsity"] == 1 - report["nonzero"] / report["total"]
    for key in ("total", "nonzero"):
        assert report[key] == sum(row[key] for row in modules.values())
    assert 0.6 < report["sparsity"] < 0.75


def test_the_table(tmp_path, capsys):
    torch.save({"model": {"decoder.layers.0.fc1.weight": torch.tensor([[3.0, -1], [2, 4]])}}, str(tmp_path / "a.pt"))
    arguments = ["--path", tmp_path / "a.pt", "--fraction", 0.5, "--output", tmp_path / "b.pt"]
    assert main(["prune", *map(str, arguments)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:4] == ["| decoder.layers.0 | 4 | 2 | 50.0% |", "| all | 4 | 2 | 50.0% |"]
    assert lines[-1] == f"{tmp_path / 'b.pt'}: 4 parameters before, 2 after (50.0% zero)"


def test_of_equal_weights_the_first_go():
    first, second = torch.tensor([[1.0, -1, 3], [1, 0.5, 1]]), torch.tensor([[-1.0, 1], [0.5, 1]])
    zero_smallest([first, second], 4)
    assert first.tolist() == [[0, 0, 3], [1, 0, 1]]
    assert second.tolist() == [[-1, 1], [0, 1]]
    zero_smallest([first, second], 4)  # what is zero already counts
    assert [int(weight.count_nonzero()) for weight in (first, second)] == [3, 3]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_with_many_ties(dtype):
    torch.manual_seed(1)
    weights = [torch.randn(30, 40).to(dtype), torch.randn(50, 8).to(dtype)]
    zero_smallest(weights, 1111)
    assert sum(int((weight == 0).sum()) for weight in weights) == 1111
    assert all(weight.dtype == dtype for weight in weights)


@pytest.mark.parametrize("copies", [False, True])
def test_tied_matrices_are_pruned_once_and_stay_tied(tmp_path, capsys, copies):
    model = tiny.flexible_model(for_task=tiny.task(17, joined=True), share_all_embeddings=True)
    state = model.state_dict()
    if copies:  # as fairseq saves tied embeddings of a GPU
        state = {key: value.clone() for key, value in state.items()}
    zeros = expected_zeros(model, 0.5)
    checkpoint, report = pruned(tmp_path, capsys, dict(state), 0.5)
    names = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "decoder.output_projection.weight")
    tied = [checkpoint["model"][name] for name in names]
    assert len({tensor.data_ptr() for tensor in tied}) == 1
    assert torch.equal(tied[0] == 0, zeros[names[0]] | (state[names[0]] == 0))
    assert report["total"] == count_parameters(model).total
    assert [row["module"] for row in report["modules"] if "embed" in row["module"]] == ["encoder.embed_tokens"]


def test_a_tied_output_projection_keeps_the_padding_row():
    weight = torch.full((5, 3), 0.1)
    assert sum(view.numel() for view in prunable_weights({"decoder.output_projection.weight": weight})) == 15
    tied = {"decoder.output_projection.weight": weight, "decoder.embed_tokens.weight": weight}
    zero_smallest(prunable_weights(tied), 12)
    assert weight[1].tolist() == pytest.approx([0.1] * 3)
    assert int(weight.count_nonzero()) == 3


def test_mistakes(tmp_path, capsys):
    good, text = tmp_path / "good.pt", tmp_path / "text.pt"
    torch.save({"model": {"weight": torch.ones(2, 2)}}, str(good))
    text.write_text("hello")
    torch.save({"weights": 1}, str(tmp_path / "other.pt"))
    torch.save({"model": {"weight": torch.full((2, 2), float("inf"))}}, str(tmp_path / "diverged.pt"))
    for path, fraction, output, message in (
        ("none.pt", 0.5, "new.pt", "--path none.pt: no such file"),
        (text, 0.5, "new.pt", f"--path {text}: cannot be read as a fairseq checkpoint"),
        (tmp_path / "other.pt", 0.5, "new.pt", "other.pt: expected a fairseq checkpoint"),
        (tmp_path / "diverged.pt", 0.5, "new.pt", "diverged.pt: weight has values that are not finite"),
        (good, 0, "new.pt", "--fraction 0.0: expected a number between 0 and 1, both excluded"),
        (good, 1, "new.pt", "--fraction 1.0: expected a number between 0 and 1"),
        (good, "nan", "new.pt", "--fraction nan: expected a number between 0 and 1"),
        (good, 0.5, ".", f"--output {tmp_path}: is a directory; expected a file"),
    ):
        output = tmp_path / output
        assert main(["prune", "--path", str(path), "--fraction", str(fraction), "--output", str(output)]) == 2
        assert message in capsys.readouterr().err.strip().splitlines()[-1]
        assert not (tmp_path / "new.pt").exists()
