"""Options of fairseq's ``transformer`` that no other runtime's Transformer has; they are refused together."""

from typing import Any, Dict, List

# Options that change the computation.
UNSUPPORTED = (
    "no_token_positional_embeddings", "adaptive_softmax_cutoff", "adaptive_input", "no_cross_attention",
    "cross_self_attention", "merge_src_tgt_embed", "quant_noise_pq", "quant_noise_scalar",
    "encoder_xformers_att_config", "decoder_xformers_att_config",
)  # fmt: skip


def unsupported_options(options: Dict[str, Any], runtime: str) -> List[str]:
    """The options of a stock model that a runtime's plain encoder-decoder Transformer does not have, with the reasons.

    Args:
        options: the options of the model, by fairseq's flat names.
        runtime: the name of the runtime, for the messages.
    """
    reasons = [
        f"{option(name)}{'' if options[name] is True else f' {options[name]}'}: not in {runtime}"
        for name in UNSUPPORTED
        if options.get(name)
    ]
    reasons += unequal_sides(options, "normalize_before", runtime)
    for name in ("decoder_input_dim", "decoder_output_dim"):
        needed = options["decoder_embed_dim"]
        if options[name] != needed:
            reasons.append(f"{option(name)} {options[name]}: {runtime} needs the --decoder-embed-dim, {needed}")
    if options["no_decoder_final_norm"] and options["decoder_normalize_before"]:
        reasons.append(f"--no-decoder-final-norm: {runtime} ends a Pre-LN decoder with a layer norm")
    return reasons


def unequal_sides(options: Dict[str, Any], name: str, runtime: str) -> List[str]:
    """The reason why the encoder's and the decoder's option *name* must be equal; none if they are."""
    encoder, decoder = (options[f"{side}_{name}"] for side in ("encoder", "decoder"))
    if encoder == decoder:
        return []
    found = f"{option(f'encoder_{name}')} {encoder}, {option(f'decoder_{name}')} {decoder}"
    return [f"{found}: {runtime} needs the same on both sides"]


def option(name: str) -> str:
    """The name of an option on the command line."""
    return f"--{name.replace('_', '-')}"
