"""``fairseq-flexdepth export``: one depth of a checkpoint decodes in stock fairseq, and in CTranslate2, as here."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import ctranslate2
import pytest
import torch
from ctranslate2.specs.model_spec import ACCEPTED_MODEL_TYPES
from fairseq.checkpoint_utils import load_model_ensemble
from fairseq.models.transformer import TransformerModel

import fairseq_flexdepth
from fairseq_flexdepth.cli.export import QUANTIZATIONS, run
from fairseq_flexdepth.cli.main import build_parser, main
from fairseq_flexdepth.export import loaded_model
from tests import tiny
from tests.integration import cli
from tests.integration.refusals import training

PRE_LN = tiny.NORMS["Pre-LN"]
SHARED = {"encoder_layers": 4, "unique_encoder_layers": 2, "unique_decoder_layers": 1}
MODELS: Dict[str, Dict[str, Any]] = {
    "Pre-LN cycle_rev": {**SHARED, **PRE_LN, "layer_sharing": "cycle_rev", "subnetworks": "optimal"},
    "recurrent, learned positions": {
        "layer_sharing": "cycle", "unique_encoder_layers": 1, "unique_decoder_layers": 1, "layernorm_embedding": True,
        "encoder_learned_pos": True, "decoder_learned_pos": True, "activation_fn": "gelu",
    },
    "admin": {"residual_init": "admin", "share_all_embeddings": True},
}  # fmt: skip
LONGEST = 8


def export(checkpoint: Path, output: Path, *options: Any) -> None:
    assert main(["export", "--path", str(checkpoint), "--output", str(output), *map(str, options)]) == 0


def stock_generate(data: Path, checkpoint: Path, own_process: bool = False) -> str:
    """Run fairseq-generate without this package."""
    options = (
        data, "--path", checkpoint, "--cpu", "--beam", 3, "--max-len-b", 10, "--num-workers", 0,
        "--required-batch-size-multiple", 1,  # or fairseq-fixed drops the last sentences
    )  # fmt: skip
    if not own_process:
        return cli.run("fairseq-generate", *options)
    program = (
        "import sys; from fairseq_cli.generate import cli_main; cli_main();"
        "assert not [name for name in sys.modules if name.startswith('fairseq_flexdepth')]"
    )
    return cli.run(sys.executable, "-c", program, *options)


def scored(output: str) -> List[Tuple[str, float]]:
    """Every hypothesis and its score."""
    lines = [line.split("\t") for line in cli.hypotheses(output)]
    return [(text, float(score)) for _, score, text in lines]


def assert_same_translations(stock: str, ours: str) -> None:
    found, expected = scored(stock), scored(ours)
    assert [text for text, _ in found] == [text for text, _ in expected]
    # The fast path of 0.12.2's encoder differs in the last digits.
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=2e-6)
    assert len(found) == 20


def test_a_trained_model_decodes_in_a_process_that_never_saw_this_package(
    data: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    small = tmp_path / "new" / "small.pt"
    export(checkpoint, small, "--enc-layers", 2, "--dec-layers", 1, "--json")
    summary = json.loads(capsys.readouterr().out)
    assert summary == {
        "output": str(small), "format": "fairseq", "quantization": None, "encoder_layers": [1, 2],
        "decoder_layers": [1], "parameters": summary["parameters"], "bytes": small.stat().st_size,
        "max_source_length": 1023, "max_decoding_length": 1023,
    }  # fmt: skip
    ours = cli.generate(data, checkpoint, "--enc-layers", 2, "--dec-layers", 1)
    assert_same_translations(stock_generate(data, small, own_process=True), ours)
    assert [path.name for path in small.parent.iterdir()] == ["small.pt"]


def test_files_that_a_training_started_from_may_be_gone(
    data: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """All weights are in the checkpoint, also for the sub-commands."""
    embeddings, started = tmp_path / "embeddings.txt", tmp_path / "started"
    embeddings.write_text(f"1 16\nw1 {' '.join(['0.5'] * 16)}\n")
    start = shutil.copyfile(str(checkpoint), str(tmp_path / "start.pt"))
    options = ("--encoder-embed-path", embeddings, "--decoder-embed-path", embeddings, "--finetune-from-model", start)
    cli.train(data, started, "--max-update", 2, *options)
    path = started / "checkpoint_last.pt"
    for gone in (embeddings, tmp_path / "start.pt"):
        gone.unlink()
    export(path, tmp_path / "stock.pt")
    assert_same_translations(stock_generate(data, tmp_path / "stock.pt"), cli.generate(data, path))
    assert fairseq_flexdepth.load(str(path)).translate("w1 w2")
    cli.run(
        "fairseq-validate", data, "--user-dir", cli.PLUGIN, "--path", path, "--task", "translation", "--cpu",
        "--max-tokens", 500, "--num-workers", 0,
    )  # fmt: skip
    assert main(["average", "--inputs", str(path), str(path), "--output", str(tmp_path / "mean.pt")]) == 0
    teacher = ("--criterion", "word_kd", "--teacher-path", tmp_path / "mean.pt")
    cli.train(data, tmp_path / "student", "--max-update", 1, *teacher)
    line = training(data, started, *options)
    assert line.startswith(f"ValueError: --encoder-embed-path {embeddings}: cannot be read as text with an embedding")
    assert line.endswith("; leave it out to resume a training, whose checkpoint has all weights")
    cli.train(data, started, "--max-update", 4)
    assert main(["params", "--arch", "transformer", "--vocab-size", "9", "--encoder-embed-path", str(embeddings)]) == 0


def test_the_file_is_plain_and_exports_again(data: Path, checkpoint: Path, tmp_path: Path) -> None:
    export(checkpoint, tmp_path / "small.pt", "--enc-layers", 1)
    export(tmp_path / "small.pt", tmp_path / "again.pt")
    first, again = (torch.load(str(tmp_path / name)) for name in ("small.pt", "again.pt"))
    assert first["cfg"]["model"] == again["cfg"]["model"]
    assert first["model"].keys() == again["model"].keys()
    assert all(torch.equal(first["model"][key], again["model"][key]) for key in first["model"])
    # a criterion with parameters looks for its own in what a training starts from
    assert first["args"] is None and first["criterion"] is None and first["last_optimizer_state"] is None
    assert first["optimizer_history"][-1]["num_updates"] == 6

    def kinds(entry: Any) -> set:
        nested = entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ()
        return {type(entry)}.union(*map(kinds, nested))

    assert kinds(first) <= {dict, list, str, int, float, bool, type(None), torch.Tensor}
    words = json.dumps(first["cfg"])
    assert "flexdepth" not in words and "tied_multi" not in words and "enc_layers" not in words


@pytest.fixture(scope="module")
def random_model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that saves a checkpoint of an untrained model, with the ``cfg`` of a trained one."""

    def make(**options: Any) -> Path:
        path = tmp_path_factory.mktemp("random") / "model.pt"
        return cli.save_model_with_cfg(path, data, "tied_multi_transformer", **options)

    return make


@pytest.mark.parametrize("name", MODELS)
def test_models_of_every_kind_decode_the_same(
    name: str, random_model: Callable[..., Path], data: Path, tmp_path: Path
) -> None:
    checkpoint = random_model(**MODELS[name])
    loaded = loaded_model.load_exported_model(str(checkpoint), None)
    model, task = loaded.model, loaded.task
    task.load_dataset("test")
    dataset = task.dataset("test")
    batch = dataset.collater([dataset[index] for index in range(len(dataset))])
    for n, m in model.depth_space.pairs:
        export(checkpoint, tmp_path / "small.pt", "--enc-layers", n, "--dec-layers", m)
        (stock,), _ = load_model_ensemble([str(tmp_path / "small.pt")])
        assert type(stock) is TransformerModel
        model.set_depth(n, m)
        for expected, found in zip(tiny.generate([model], batch, 3), tiny.generate([stock.eval()], batch, 3)):
            assert [beam["tokens"].tolist() for beam in found] == [beam["tokens"].tolist() for beam in expected]
            scores = [[float(beam["score"]) for beam in beams] for beams in (found, expected)]
            assert scores[0] == pytest.approx(scores[1], abs=5e-6)
    export(checkpoint, tmp_path / "ct2", "--enc-layers", 2, "--dec-layers", 1, "--format", "ctranslate2")
    model.set_depth(2, 1)
    greedy = {}
    for number, hypotheses in zip(batch["id"].tolist(), tiny.generate([model], batch, 1)):
        words = [task.target_dictionary[token] for token in hypotheses[0]["tokens"].tolist()]
        greedy[number] = words[:-1]  # without the end symbol
    sources = [task.source_dictionary.string(dataset.src[number]).split() for number in range(len(dataset))]
    assert ctranslate2_greedy(tmp_path / "ct2", sources) == [greedy[number] for number in range(len(dataset))]


def ctranslate2_greedy(folder: Path, sources: List[List[str]]) -> List[List[str]]:
    translator = ctranslate2.Translator(str(folder), intra_threads=1)
    results = translator.translate_batch(sources, beam_size=1, max_decoding_length=LONGEST)
    return [result.hypotheses[0] for result in results]


def test_the_longest_sentences_of_ctranslate2(
    random_model: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """CTranslate2 does not know the model's limits, and fails beyond those that export prints."""
    checkpoint = random_model(max_source_positions=20, max_target_positions=30)
    state = torch.load(str(checkpoint))
    state["cfg"]["task"].update(max_source_positions=20, max_target_positions=30)
    torch.save(state, str(checkpoint))
    export(checkpoint, tmp_path / "stock.pt")
    assert capsys.readouterr().out.endswith("; at most 19 source and 29 target tokens\n")
    export(checkpoint, tmp_path / "ct2", "--format", "ctranslate2")
    told = "; at most 19 source tokens, max_decoding_length at most 29\n"
    assert capsys.readouterr().out.endswith(told)
    config = json.loads((tmp_path / "ct2" / "config.json").read_text())
    source, target = config["max_source_length"], config["max_decoding_length"]
    assert (source, target) == (19, 29)

    translator = ctranslate2.Translator(str(tmp_path / "ct2"), intra_threads=1)

    def translate(words: int, length: int, **options: Any) -> int:
        options.update(beam_size=1, min_decoding_length=length, max_decoding_length=length)
        return len(translator.translate_batch([["w1"] * words], **options)[0].hypotheses[0])

    assert translate(source, target) == target
    assert translate(source + 9, target, max_input_length=source + 1) == target
    for words, length in ((source + 1, target), (source, target + 2)):
        with pytest.raises(RuntimeError, match="No position encodings are defined for positions"):
            translate(words, length)


def test_quantized_and_in_place_of_an_earlier_export(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "ct2"
    (folder / "left").mkdir(parents=True)
    (folder / "model.bin").touch()
    (tmp_path / "ct2.old").mkdir()  # a user's copy
    export(checkpoint, folder, "--format", "ctranslate2", "--quantization", "int8", "--dec-layers", 1)
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.bin", "shared_vocabulary.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"ct2", "ct2.old"}
    assert "ct2: ctranslate2, int8, 3 encoder layers (1,2,3) and 1 decoder layers (1) of the model" in (
        capsys.readouterr().out
    )
    assert len(ctranslate2_greedy(folder, [["w1", "w2"]])[0]) <= LONGEST
    assert QUANTIZATIONS == ACCEPTED_MODEL_TYPES


def test_what_cannot_be_exported_is_reported_at_once(random_model: Callable[..., Path], tmp_path: Path) -> None:
    checkpoint = random_model(
        encoder_normalize_before=True, decoder_attention_heads=3, activation_fn="tanh", cross_self_attention=True,
        no_token_positional_embeddings=True, decoder_input_dim=6, quant_noise_pq=0.1, quant_noise_pq_block_size=2,
    )  # fmt: skip
    options = ["--output", str(tmp_path / "ct2"), "--format", "ctranslate2"]
    with pytest.raises(ValueError, match="cannot be exported to ctranslate2") as caught:
        run(build_parser().parse_args(["export", "--path", str(checkpoint), *options]))
    for reason in (
        "--no-token-positional-embeddings: not in CTranslate2", "--cross-self-attention: not in CTranslate2",
        "--quant-noise-pq 0.1: not in CTranslate2", "--activation-fn tanh: CTranslate2 has relu, gelu,",
        "--encoder-normalize-before True, --decoder-normalize-before False: CTranslate2 needs the same on both sides",
        "--encoder-attention-heads 2, --decoder-attention-heads 3: ", "--decoder-input-dim 6: CTranslate2 needs",
    ):  # fmt: skip
        assert reason in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_mistakes(checkpoint: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    state = torch.load(str(checkpoint))
    others = {"lm": "transformer_lm", "speech": "s2t_transformer", "unknown": "unheard_of"}
    for name, arch in others.items():
        cfg = {"model": {"_name": arch}, "task": {"_name": "other"}}
        torch.save({**state, "args": None, "cfg": cfg}, str(tmp_path / name))
    cfg = {"model": {"_name": "transformer"}, "task": {"_name": "multilingual_translation"}}
    torch.save({**state, "args": None, "cfg": cfg}, str(tmp_path / "multilingual"))
    state["model"]["decoder.layers.0.fc1.bias"][0] = float("nan")
    torch.save(state, str(tmp_path / "diverged"))
    (tmp_path / "text").write_text("hello")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    for path, options, message in (
        ("none", (), f"--path {tmp_path / 'none'}: no such file"),
        ("text", (), f"--path {tmp_path / 'text'}: cannot be read as a fairseq checkpoint"),
        ("lm", (), "was trained with --task other; expected --task language_modeling"),
        ("speech", (), "holds a model of --arch s2t_transformer; expected a translation model"),
        ("unknown", (), "holds a model of --arch unheard_of; expected a translation model"),
        ("multilingual", (), "was trained with --task multilingual_translation; expected --task translation"),
        ("diverged", (), "decoder.layers.0.fc1.bias has values that are not finite; expected a model that did not"),
        (checkpoint, ("--enc-layers", 4), "--enc-layers 4: this model supports 1,2,3"),
        (checkpoint, ("--subnetworks", "right"), "--subnetworks right: expected one of head"),
        (checkpoint, ("--data", "nowhere"), "--data nowhere: no such directory; give the one with the model's"),
        (checkpoint, ("--data", tmp_path / "folder"), "does not fit the checkpoint"),
        (checkpoint, ("--quantization", "int8"), "--quantization int8: needs --format ctranslate2"),
        (checkpoint, ("--output", tmp_path / "folder"), "is a directory; expected a file"),
        (checkpoint, ("--output", tmp_path / "folder", "--format", "ctranslate2"), "exists and is not a model of"),
    ):
        arguments = ["--path", tmp_path / path, "--output", tmp_path / "new", *options]
        assert main(["export", *map(str, arguments)]) == 2
        assert message in capsys.readouterr().err.strip().splitlines()[-1]
        assert not list(tmp_path.glob("new*"))


def test_without_ctranslate2(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["export", "--path", str(checkpoint), "--output", str(tmp_path), "--format", "ctranslate2"]) == 1
    assert "needs the package ctranslate2; pip install ctranslate2" in capsys.readouterr().err
