"""Which of the encoder-decoder models in ``transformers`` computes the same as fairseq's ``transformer``.

All of them come from fairseq, so that the parameters of their layers have fairseq's names. They differ in the layer
norms, the positions and the number of embedding tables:

=============  ==========  =======================  ===============================  ==================
family         layer norm  ``layernorm_embedding``  positions                        embedding tables
=============  ==========  =======================  ===============================  ==================
Marian         Post-LN     no                       from the file                    one, two or three
BART           Post-LN     yes                      from the file, two rows more     one
M2M100         Pre-LN      no                       fairseq's sinusoids              one
Blenderbot     Pre-LN      no                       from the file                    one
mBART          Pre-LN      yes                      from the file, two rows more     one
=============  ==========  =======================  ===============================  ==================

FSMT, the port of fairseq's WMT models, has neither learned positions nor an output projection of its own.
"""

from typing import Any, Dict, List, NamedTuple, Optional

from fairseq_flexdepth.export.unsupported_options import unsupported_options

RUNTIME = "transformers"
# The names in transformers of all choices of --activation-fn.
ACTIVATIONS = {
    "relu": "relu", "gelu": "gelu", "gelu_accurate": "gelu_new", "gelu_fast": "gelu_new", "tanh": "tanh",
    "linear": "linear",
}  # fmt: skip
# fairseq counts positions from the padding symbol's number + 1: these rows of its table are never read.
UNREAD_POSITIONS = 2


class Family(NamedTuple):
    """A family of models in ``transformers``."""

    model_type: str  # in config.json
    architecture: str  # the class
    first_position: Optional[int]  # the row of fairseq's position table that is the file's first; None: no table
    separate_tables: bool  # whether the embedding tables may differ
    logits_bias: bool = True  # whether it adds final_logits_bias


MARIAN = Family("marian", "MarianMTModel", UNREAD_POSITIONS, separate_tables=True)
BART = Family("bart", "BartForConditionalGeneration", 0, separate_tables=False)
M2M100 = Family("m2m_100", "M2M100ForConditionalGeneration", None, separate_tables=False, logits_bias=False)
BLENDERBOT = Family("blenderbot", "BlenderbotForConditionalGeneration", UNREAD_POSITIONS, separate_tables=False)
MBART = Family("mbart", "MBartForConditionalGeneration", 0, separate_tables=False)


def choose_family(options: Dict[str, Any]) -> Family:
    """The family for a stock model with these options."""
    if options["layernorm_embedding"]:
        return MBART if options["encoder_normalize_before"] else BART
    if not options["encoder_normalize_before"]:
        return MARIAN
    learned = options["encoder_learned_pos"] or options["decoder_learned_pos"]
    return BLENDERBOT if learned else M2M100


def unsupported(options: Dict[str, Any]) -> List[str]:
    """The options of a stock model that ``transformers`` does not support, each with the reason."""
    reasons = unsupported_options(options, RUNTIME)
    encoder, decoder = options["encoder_embed_dim"], options["decoder_embed_dim"]
    if encoder != decoder:
        reasons.append(f"--encoder-embed-dim {encoder}, --decoder-embed-dim {decoder}: {RUNTIME} needs the same")
    family = choose_family(options)
    if not (family.separate_tables or options["share_all_embeddings"]):
        norm = "--encoder-normalize-before" if options["encoder_normalize_before"] else "--layernorm-embedding"
        reasons.append(f"{norm} without --share-all-embeddings: {family.architecture} has one table of embeddings")
    return reasons
