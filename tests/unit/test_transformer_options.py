"""Every option of fairseq's transformer acts in a model of many depths as in stock models, or is refused."""

from argparse import ArgumentParser
from typing import Any, Dict

import pytest
from fairseq.models.transformer import TransformerModel

from tests import tiny
from tests.unit.test_tied_multi_loss import assert_equals_naive, criterion

PRE_LN = {"encoder_normalize_before": True, "decoder_normalize_before": True}
# Compared with the double loop over stock models, loss and gradients.
ALIKE: Dict[str, Dict[str, Any]] = {
    "--activation-fn": {"activation_fn": "gelu"},
    "--checkpoint-activations": {"checkpoint_activations": True},
    "--cross-self-attention": {"cross_self_attention": True},
    "--decoder-learned-pos": {"decoder_learned_pos": True},
    "--decoder-output-dim": {"decoder_output_dim": 10},
    "--encoder-learned-pos": {"encoder_learned_pos": True},
    "--export": {"export": True},
    "--layernorm-embedding": {"layernorm_embedding": True},
    "--merge-src-tgt-embed": {"merge_src_tgt_embed": True},
    "--no-decoder-final-norm": {"no_decoder_final_norm": True, **PRE_LN},
    "--no-scale-embedding": {"no_scale_embedding": True},
    "--no-token-positional-embeddings": {"no_token_positional_embeddings": True},
    "--offload-activations": {"offload_activations": True},
    "--share-all-embeddings": {"share_all_embeddings": True},
    "--share-decoder-input-output-embed": {"share_decoder_input_output_embed": True},
}
REFUSED: Dict[str, Any] = {
    "--adaptive-softmax-cutoff": "5,10",
    "--base-layers": 1,
    "--quant-noise-scalar": 0.5,
}
# Of no effect without a refused one, or in fairseq's transformer itself.
WITHOUT_EFFECT = {
    *("--adaptive-softmax-dropout", "--adaptive-softmax-factor", "--tie-adaptive-proj", "--tie-adaptive-weights"),
    *("--base-shuffle", "--base-sublayers", "--char-inputs"),
}
# Sizes, which all tests vary, and parts of fairseq's layers, which are fairseq's own here.
LAYERS_OWN = {
    *("--activation-dropout", "--relu-dropout", "--attention-dropout", "--dropout", "--min-params-to-wrap"),
    *("--quant-noise-pq", "--quant-noise-pq-block-size", "--adaptive-input"),  # the last: without the noise
    *("--max-source-positions", "--max-target-positions"),
}
SIDES_OWN = {
    *("embed-dim", "ffn-embed-dim", "layers", "attention-heads", "normalize-before", "layerdrop"),
    *("embed-path", "layers-to-keep", "xformers-att-config"),
}
ELSEWHERE = {"--no-cross-attention"}  # leaves the encoder without a gradient in stock models: no loss to compare with


def test_every_option_of_fairseqs_parser() -> None:
    parser = ArgumentParser(add_help=False)
    TransformerModel.add_args(parser)
    options = {option for action in parser._actions for option in action.option_strings}
    sides = {f"--{side}-{option}" for side in ("encoder", "decoder") for option in SIDES_OWN}
    known = {*ALIKE, *REFUSED, *WITHOUT_EFFECT, *LAYERS_OWN, *sides, *ELSEWHERE}
    assert known - options <= {"--merge-src-tgt-embed"}  # of fairseq-fixed alone
    assert options <= known


@pytest.mark.parametrize("option", ALIKE)
def test_the_loss_equals_stock_models(option: str) -> None:
    changes = ALIKE[option]
    model = tiny.flexible_model(for_task=tiny.task(21, 21, option == "--share-all-embeddings"), **changes)
    sample = tiny.sample([6, 2, 4], [1, 7, 3])
    loss, _, _ = criterion()(model, sample)
    assert_equals_naive(model, sample, {pair: 1 / 6 for pair in model.depth_space.pairs}, 0.1, loss, **changes)


@pytest.mark.parametrize("option", REFUSED)
def test_what_cannot_act_is_refused(option: str) -> None:
    """When the model is built, or, where a trained one can be used, when the criterion looks at it."""
    with pytest.raises(ValueError, match=f"^{option} .*; (leave the option out|use --quant-noise-pq)"):
        criterion().check_model(tiny.flexible_model(**{option[2:].replace("-", "_"): REFUSED[option]}))


@pytest.mark.parametrize("option", sorted(WITHOUT_EFFECT))
def test_what_has_no_effect_in_fairseq_has_none(option: str) -> None:
    model, sample = tiny.flexible_model(), tiny.sample([6, 2, 4], [1, 7, 3])
    given = tiny.flexible_model(**{option[2:].replace("-", "_"): 2})
    assert criterion()(given, sample)[0] == criterion()(model, sample)[0]
