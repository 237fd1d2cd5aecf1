"""``config.json`` and ``generation_config.json``."""

from typing import Any, Dict, NamedTuple

from fairseq.data import Dictionary

from fairseq_flexdepth.export.huggingface.families import ACTIVATIONS, Family
from fairseq_flexdepth.export.huggingface.weights import longest_positions, vocabulary_size
from fairseq_flexdepth.export.stock_checkpoint import StockModel


class Search(NamedTuple):
    """The options of the beam search, with fairseq's meanings."""

    beam: int
    lenpen: float
    max_len_b: int  # the maximum tokens of a translation, the end symbol not counted


def model_config(stock: StockModel, family: Family, symbols: Dictionary) -> Dict[str, Any]:
    """The content of ``config.json``.

    Args:
        stock: the weights and options of the depth.
        family: the family that holds them.
        symbols: a dictionary with fairseq's special symbols.
    """
    options = stock.options
    tied = options["share_all_embeddings"]
    config = {
        "model_type": family.model_type,
        "architectures": [family.architecture],
        "is_encoder_decoder": True,
        "vocab_size": vocabulary_size(stock),
        "max_position_embeddings": longest_positions(options),
        "d_model": options["decoder_embed_dim"],
        "activation_function": ACTIVATIONS[options["activation_fn"]],
        "scale_embedding": not options["no_scale_embedding"],
        "tie_word_embeddings": tied or options["share_decoder_input_output_embed"],
        "use_cache": True,
        # fairseq-generate computes in single precision, whatever the precision of the file
        "torch_dtype": "float32",
        **_symbols(symbols),
    }
    for side in ("encoder", "decoder"):
        config[f"{side}_layers"] = options[f"{side}_layers"]
        config[f"{side}_attention_heads"] = options[f"{side}_attention_heads"]
        config[f"{side}_ffn_dim"] = options[f"{side}_ffn_embed_dim"]
    for name in ("dropout", "attention_dropout", "activation_dropout"):  # for those who train on
        config[name] = options[name]
    if family.separate_tables:
        config.update(share_encoder_decoder_embeddings=tied, decoder_vocab_size=config["vocab_size"])
    return config


def generation_config(search: Search, symbols: Dictionary) -> Dict[str, Any]:
    """The content of ``generation_config.json``: fairseq's beam search.

    fairseq stops at as many finished hypotheses as the beam is wide, writes at least one token, ends a translation of
    the maximum length, and never writes the padding symbol. ``transformers`` counts the start and the end symbol.
    """
    return {
        "num_beams": search.beam,
        "length_penalty": search.lenpen,
        "early_stopping": search.beam > 1,
        "max_length": search.max_len_b + 2,
        "min_length": 2,
        "forced_eos_token_id": symbols.eos(),
        "suppress_tokens": [symbols.pad()],
        **_symbols(symbols),
    }


def _symbols(symbols: Dictionary) -> Dict[str, int]:
    """The numbers of the special symbols; fairseq's decoder starts with the end symbol."""
    return {
        "bos_token_id": symbols.bos(),
        "pad_token_id": symbols.pad(),
        "eos_token_id": symbols.eos(),
        "decoder_start_token_id": symbols.eos(),
    }
