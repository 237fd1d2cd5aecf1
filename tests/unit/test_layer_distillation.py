"""pkd and ckd against Eq. 3, written on the states that fairseq's own models return."""

from typing import Any, Dict, List, Tuple

import pytest
import torch
from torch.nn.functional import normalize

from fairseq_flexdepth.criterions import distillation
from fairseq_flexdepth.criterions.ckd import CKDConfig, CKDCriterion
from fairseq_flexdepth.criterions.layer_distillation import LayerDistillationCriterion
from fairseq_flexdepth.criterions.pkd import PKDConfig, PKDCriterion
from fairseq_flexdepth.criterions.word_kd import WordKDConfig, WordKDCriterion
from fairseq_flexdepth.models.teacher import Teacher
from tests import tiny

PAD = 1
SAMPLE = tiny.sample([6, 4, 2], [3, 7, 1])
KEPT = SAMPLE["net_input"]["src_tokens"].ne(PAD)
TAUGHT: Dict[str, List[Tuple[int, ...]]] = {
    "rc": [(1, 2, 3), (4, 5, 6)],
    "oc": [(1, 2, 3, 4), (3, 4, 5, 6)],
    "sc": [(1, 2), (5, 6)],
    "cc": [(1, 3), (4, 6)],
}
NORMS = pytest.mark.parametrize("norm", tiny.NORMS.values(), ids=tiny.NORMS.keys())


def teacher(**changes: Any) -> Any:
    return tiny.plain_model(2, **{"encoder_layers": 6, "decoder_layers": 4, **changes}).eval()


def student(**changes: Any) -> Any:
    return tiny.plain_model(1, encoder_layers=2, **changes)


def criterion(
    name: str, monkeypatch: pytest.MonkeyPatch, model: Any, taught_by: Any, **options: Any
) -> LayerDistillationCriterion:
    monkeypatch.setattr(distillation, "load_teacher", lambda path, task: Teacher([taught_by]))
    config = {
        "label_smoothing": 0.1, "sentence_avg": False, "seed": 1, "teacher_path": "teacher.pt",
        "no_save_optimizer_state": False, "reset_optimizer": False, "finetune_from_model": None, **options,
    }  # fmt: skip
    torch.manual_seed(5)
    if name == "ckd":
        tested: Any = CKDCriterion(tiny.task(), CKDConfig(**config))
    else:
        tested = PKDCriterion(tiny.task(), PKDConfig(**config))
    tested.check_model(model)
    return tested


def states(model: Any) -> List[torch.Tensor]:
    """Batch × length × channels of the embeddings and of every encoder layer."""
    words = SAMPLE["net_input"]
    out = model.encoder(words["src_tokens"], src_lengths=words["src_lengths"], return_all_hiddens=True)
    return [state.transpose(0, 1) for state in out["encoder_states"]]


def word_loss(model: Any, taught_by: Any, eta: float, lam: float, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """β · L + η · L_KD from word_kd, which has tests of its own."""
    monkeypatch.setattr(distillation, "load_teacher", lambda path, task: Teacher([taught_by]))
    total = 1 - lam
    config = WordKDConfig(
        label_smoothing=0.1, sentence_avg=False, seed=1, teacher_path="teacher.pt", kd_alpha=eta / total
    )
    return total * WordKDCriterion(tiny.task(), config)(model, SAMPLE)[0]


@NORMS
@pytest.mark.parametrize("mapping", TAUGHT)
@pytest.mark.parametrize("width", [12, 16], ids=["same width", "wider teacher"])
def test_ckd_is_equation_3(mapping: str, norm: Dict, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taught_by = teacher(encoder_embed_dim=width, decoder_embed_dim=width, **norm)
    model, other = student(**norm), student(**norm)
    tested = criterion("ckd", monkeypatch, model, taught_by, ckd_mapping=mapping)
    loss, sample_size, logged = tested(model, SAMPLE)
    assert sample_size == SAMPLE["ntokens"]

    own, of_teacher = states(other), [state.detach() for state in states(taught_by)]
    layer_loss, weights = torch.zeros(()), {}
    for layer, layers in enumerate(TAUGHT[mapping], start=1):
        projection = tested.fusions[f"encoder_{layer}"].projection
        assert projection.weight.shape == (12, width * len(layers))
        weight, bias = (p.detach().clone().requires_grad_() for p in (projection.weight, projection.bias))
        weights[layer] = weight, bias
        fused = torch.cat([of_teacher[j] for j in layers], dim=-1) @ weight.t() + bias
        layer_loss = layer_loss + (own[layer] - fused)[KEPT].pow(2).mean()
    layer_loss = layer_loss * SAMPLE["ntokens"]
    expected = word_loss(other, taught_by, 0.1, 0.7, monkeypatch) + 0.7 * layer_loss
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert logged["layer_loss"].item() == pytest.approx(layer_loss.item(), rel=1e-5)
    loss.backward()
    expected.backward()
    tiny.assert_gradients(model, tiny.gradients(other))
    for layer, pair in weights.items():
        projection = tested.fusions[f"encoder_{layer}"].projection
        for parameter, wanted in zip((projection.weight, projection.bias), pair):
            assert torch.allclose(parameter.grad, wanted.grad, rtol=1e-4, atol=1e-5)


def test_the_released_codes_form_projects_the_student(monkeypatch: pytest.MonkeyPatch) -> None:
    model, taught_by = student(), teacher()
    tested = criterion("ckd", monkeypatch, model, taught_by, ckd_mapping="oc", ckd_fusion="student")
    _, _, logged = tested(model, SAMPLE)
    own, of_teacher, expected = states(model), states(taught_by), 0.0
    for layer, layers in enumerate(TAUGHT["oc"], start=1):
        fused = normalize(torch.cat([of_teacher[j] for j in layers], dim=-1), dim=-1)
        projected = normalize(tested.fusions[f"encoder_{layer}"].projection(own[layer]), dim=-1)
        expected += float((projected - fused)[KEPT].pow(2).sum())
    assert float(logged["layer_loss"]) == pytest.approx(expected, rel=1e-5)


def test_pkd_takes_single_layers_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    model, taught_by = student(), teacher()
    for mapping, layers in ((None, (3, 6)), ("1:2,2:5", (2, 5))):
        tested = criterion("pkd", monkeypatch, model, taught_by, ckd_mapping=mapping)
        assert not list(tested.parameters())
        own, of_teacher = states(model), states(taught_by)
        expected = sum((own[i] - of_teacher[j])[KEPT].pow(2).mean() for i, j in enumerate(layers, start=1))
        assert float(tested(model, SAMPLE)[2]["layer_loss"]) == pytest.approx(
            float(expected * SAMPLE["ntokens"]), rel=1e-5
        )


def test_pkd_projects_layers_of_another_width(monkeypatch: pytest.MonkeyPatch) -> None:
    taught_by = teacher(encoder_embed_dim=16, decoder_embed_dim=16)
    tested = criterion("pkd", monkeypatch, student(), taught_by)
    assert [tuple(p.shape) for p in tested.parameters()] == [(12, 16), (12,)] * 2


@NORMS
def test_attention_is_what_fairseqs_layers_attend_to(norm: Dict, monkeypatch: pytest.MonkeyPatch) -> None:
    model, taught_by = student(**norm), teacher(**norm, encoder_attention_heads=4)
    plain = criterion("pkd", monkeypatch, model, taught_by)
    tested = criterion("pkd", monkeypatch, model, taught_by, pkd_attention=True)

    def attention(of: Any, layer: int) -> torch.Tensor:
        inputs, module = states(of)[layer - 1].transpose(0, 1), of.encoder.layers[layer - 1]
        if module.normalize_before:
            inputs = module.self_attn_layer_norm(inputs)
        attend = module.self_attn
        return attend(query=inputs, key=inputs, value=inputs, key_padding_mask=~KEPT, need_weights=True)[1]

    pairs = KEPT.unsqueeze(1) & KEPT.unsqueeze(2)
    expected = sum((attention(model, i) - attention(taught_by, j))[pairs].pow(2).mean() for i, j in ((1, 3), (2, 6)))
    difference = tested(model, SAMPLE)[2]["layer_loss"] - plain(model, SAMPLE)[2]["layer_loss"]
    assert float(difference) == pytest.approx(float(expected) * SAMPLE["ntokens"], rel=1e-3)


def test_the_decoder_learns_only_if_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    model, taught_by = student(), teacher()
    encoder_only = criterion("pkd", monkeypatch, model, taught_by)(model, SAMPLE)[2]["layer_loss"]
    both = criterion("pkd", monkeypatch, model, taught_by, distill_decoder=True)(model, SAMPLE)[2]["layer_loss"]

    def inner_states(of: Any) -> List[torch.Tensor]:
        return [state.transpose(0, 1) for state in of(**SAMPLE["net_input"])[1]["inner_states"]]

    own, of_teacher = inner_states(model), inner_states(taught_by)
    kept = SAMPLE["target"].ne(PAD)
    expected = sum((own[i] - of_teacher[j])[kept].pow(2).mean() for i, j in ((1, 2), (2, 4))) * SAMPLE["ntokens"]
    assert float(both - encoder_only) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("strategy", ["head", "optimal"])
@pytest.mark.parametrize("decoder", [False, True], ids=["encoder", "both"])
def test_layers_count_once_in_a_student_of_many_depths(
    strategy: str, decoder: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    depths: Dict[str, Any] = {"encoder_layers": 4, "encoder_depths": "divisors", "subnetworks": strategy}
    model, other, taught_by = tiny.flexible_model(**depths), tiny.flexible_model(**depths), teacher()
    tested = criterion("ckd", monkeypatch, model, taught_by, ckd_mapping="rc", distill_decoder=decoder)
    tested.check_model(other)
    torch.manual_seed(5)
    loss, _, logged = tested(model, SAMPLE)
    # a stock model of all layers has the states that the deepest pair must have
    whole = tiny.stock_subnetwork(other, range(1, 5), (1, 2), encoder_layers=4)
    plain = criterion("ckd", monkeypatch, whole, taught_by, ckd_mapping="rc", distill_decoder=decoder)
    plain.load_state_dict(tested.state_dict())
    layer_loss = plain(whole, SAMPLE)[2]["layer_loss"]
    assert float(logged["layer_loss"]) == pytest.approx(float(layer_loss), rel=1e-5)
    expected = word_loss(other, taught_by, 0.1, 0.7, monkeypatch) + 0.7 * layer_loss
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_drawn_depths_teach_the_layers_that_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    model, taught_by = tiny.flexible_model(encoder_layers=2), teacher()
    tested = criterion("ckd", monkeypatch, model, taught_by, sample_encoder_depths=1)
    only_second = criterion("ckd", monkeypatch, model, taught_by, sample_encoder_depths=1, ckd_mapping="2:6")
    seen = set()
    for update in range(8):
        model.set_num_updates(update)
        moved = []
        for one in (tested, only_second):
            one.zero_grad()
            model.zero_grad()
            one(model.train(), SAMPLE)[0].backward()
            assert all(parameter.grad is not None for parameter in one.parameters())
            moved += [bool(fusion.projection.weight.grad.any()) for fusion in one.fusions.values()]
        seen.add(tuple(moved))
    assert seen == {(True, False, False), (True, True, True)}


def test_padding_never_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    model, taught_by = student(), teacher()
    tested = criterion("pkd", monkeypatch, model, taught_by, pkd_attention=True, distill_decoder=True)
    wider = {**SAMPLE, "net_input": dict(SAMPLE["net_input"])}
    for name, left in (("src_tokens", True), ("prev_output_tokens", False)):
        words = SAMPLE["net_input"][name]
        padding = torch.full((3, 2), PAD)
        wider["net_input"][name] = torch.cat([padding, words] if left else [words, padding], dim=1)
    wider["target"] = torch.cat([SAMPLE["target"], torch.full((3, 2), PAD)], dim=1)
    for key in ("layer_loss", "loss"):
        values = [float(tested(model, batch)[2][key]) for batch in (SAMPLE, wider)]
        assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_what_compares_layers_is_saved_to_resume_and_fits_or_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    first = criterion("ckd", monkeypatch, student(), teacher())
    saved = first.state_dict()
    assert len(saved) == 4
    assert sum(value.numel() for value in saved.values()) == 2 * (12 * 36 + 12)
    other = criterion("ckd", monkeypatch, student(), teacher(), ckd_mapping="oc")
    with pytest.raises(ValueError, match="--criterion ckd: the checkpoint was trained with another mapping"):
        other.load_state_dict(saved)
    for changes in ({"reset_optimizer": True}, {"finetune_from_model": "ckd.pt"}):
        criterion("ckd", monkeypatch, student(), teacher(), ckd_mapping="oc", **changes).load_state_dict(saved)
    other.load_state_dict(None)  # what fairseq passes on from a checkpoint of another criterion
    plain = criterion("ckd", monkeypatch, student(), teacher(), no_save_optimizer_state=True)
    assert plain.state_dict() == {}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ckd", {"kd_eta": 0.5, "kd_lambda": 0.6}, "--kd-eta 0.5 --kd-lambda 0.6: expected a sum of at most 1"),
        ("ckd", {"kd_eta": -0.1}, "--kd-eta -0.1: expected a number from 0 to 1"),
        ("pkd", {"kd_lambda": 1.1}, "--kd-lambda 1.1: expected a number from 0 to 1"),
        ("ckd", {"ckd_mapping": "1:7"}, "--ckd-mapping 1:7: the teacher has layers 1 to 6, not 7"),
        ("pkd", {"ckd_mapping": "rc"}, "--ckd-mapping rc: --criterion pkd needs one teacher layer per student"),
        ("ckd", {"accumulate_depths": True}, "--accumulate-depths: cannot be combined with --criterion ckd"),
        ("pkd", {"teacher_path": None}, "--teacher-path: required with --criterion pkd"),
    ],
)
def test_mistakes_are_named(name: str, options: Dict, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=message):
        criterion(name, monkeypatch, student(), teacher(), **options)


def test_teachers_and_students_without_such_layers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="expected a Transformer as student, given LSTMModel"):
        criterion("ckd", monkeypatch, tiny.lstm_model(), teacher())
    with pytest.raises(ValueError, match="expected a Transformer as teacher, given LSTMModel"):
        criterion("ckd", monkeypatch, student(), tiny.lstm_model())
    with pytest.raises(ValueError, match="--pkd-attention: cannot be combined with --checkpoint-activations"):
        criterion("pkd", monkeypatch, student(checkpoint_activations=True), teacher(), pkd_attention=True)
    with pytest.raises(ValueError, match="--ckd-mapping rc: the student has 2 layers, more than the teacher's 1"):
        criterion("ckd", monkeypatch, student(), teacher(encoder_layers=1))


def test_fusions_that_were_never_trained_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in fairseq-validate, which does not load them."""
    model, taught_by = student(), teacher()
    trained = criterion("ckd", monkeypatch, model, taught_by)
    trained(model.train(), SAMPLE)
    validated = criterion("ckd", monkeypatch, model, taught_by)
    assert "layer_loss" in trained(model.eval(), SAMPLE)[2]
    assert "layer_loss" not in validated(model, SAMPLE)[2]
    validated.load_state_dict(trained.state_dict())
    assert validated(model, SAMPLE)[2]["layer_loss"] == trained(model, SAMPLE)[2]["layer_loss"]
    assert "layer_loss" in criterion("pkd", monkeypatch, model, taught_by)(model, SAMPLE)[2]


@pytest.mark.parametrize(
    ("name", "options"),
    [("ckd", {}), ("ckd", {"ckd_fusion": "student"}), ("pkd", {"pkd_attention": True, "distill_decoder": True})],
)
def test_a_sentence_of_weight_0_is_not_there(name: str, options: Dict, monkeypatch: pytest.MonkeyPatch) -> None:
    model, taught_by = student(), teacher()
    tested = criterion(name, monkeypatch, model, taught_by, **options)
    batch = tiny.sample([5, 5, 5], [4, 6, 2])
    kept = torch.tensor([0, 2])
    fewer = {
        "net_input": {key: value[kept] for key, value in batch["net_input"].items()},
        "target": batch["target"][kept],
        "ntokens": 6,
    }
    weighted = tested(model, {**batch, "sentence_weights": torch.tensor([1.0, 0.0, 1.0])})
    alone = tested(model, fewer)
    assert float(weighted[0]) == pytest.approx(float(alone[0]), rel=1e-5)
    assert float(weighted[2]["layer_loss"]) == pytest.approx(float(alone[2]["layer_loss"]), rel=1e-5)
    assert float(weighted[1]) == alone[1]


def test_the_teacher_is_left_out_where_nothing_is_learnt_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = student()
    tested = criterion("ckd", monkeypatch, model, None, kd_eta=0.0, kd_lambda=0.0, teacher_path=None)
    assert tested.teacher is None
    assert not list(tested.parameters())
    assert "layer_loss" not in tested(model, SAMPLE)[2]


@pytest.mark.parametrize("fusion", ["teacher", "student"])
def test_reduced_precision_comes_close(fusion: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under --bf16, where fairseq's trainer casts model and criterion before the first batch."""
    model, taught_by = student(), teacher()
    tested = criterion("ckd", monkeypatch, model, taught_by, ckd_fusion=fusion)
    exact = tested(model, SAMPLE)[2]
    loss, _, logged = tested.to(torch.bfloat16)(model.to(torch.bfloat16), SAMPLE)
    assert loss.dtype == torch.float32
    for key in ("loss", "nll_loss", "kd_loss", "layer_loss"):
        assert float(logged[key]) == pytest.approx(float(exact[key]), rel=0.03), key
    loss.backward()
    trained = {**tiny.gradients(model), **tiny.gradients(tested)}
    assert {gradient.dtype for gradient in trained.values()} == {torch.bfloat16}


@pytest.mark.parametrize("name", ["pkd", "ckd"])
def test_layerdrop_in_a_student_leaves_the_mapping_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In training the list of a stock model's layers, iterated, skips some at random."""
    model = tiny.plain_model(1, encoder_layers=2, encoder_layerdrop=0.9).train()
    mapping = {"ckd_mapping": "1:3,2:6"} if name == "pkd" else {}
    tested = criterion(name, monkeypatch, model, teacher(), **mapping)
    assert list(tested.mappings["encoder"]) == [1, 2]


def test_a_model_that_was_never_looked_at_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = student()
    tested = criterion("ckd", monkeypatch, model, teacher())
    tested.mappings = {}  # as before check_model
    with pytest.raises(ValueError, match=r"--criterion ckd: its layers are not mapped; call check_model"):
        tested(model, SAMPLE)


def test_attention_is_refused_where_training_is_fully_sharded(monkeypatch: pytest.MonkeyPatch) -> None:
    message = "--pkd-attention: projects queries and keys outside of .*, which --ddp-backend fully_sharded does not see"
    with pytest.raises(ValueError, match=message):
        criterion("pkd", monkeypatch, student(), teacher(), pkd_attention=True, ddp_backend="fully_sharded")
