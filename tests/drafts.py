"""Models whose exits disagree, and greedy search with drafts compared with fairseq's, for the tests."""

from argparse import Namespace
from typing import Any, Dict, List, NamedTuple, Optional

import torch
from fairseq.sequence_generator import SequenceGenerator

from fairseq_flexdepth.decoding.drafting_report import DraftingReport
from fairseq_flexdepth.decoding.greedy_options import asked_options
from fairseq_flexdepth.decoding.self_speculative import Drafting, SelfSpeculativeGenerator
from tests import tiny

# Whatever makes a layer, an exit or a cache special.
MODELS: Dict[str, Dict[str, Any]] = {
    **tiny.NORMS,
    "Admin": {"residual_init": "admin"},
    "left": {"subnetworks": "left"},
    "seq, Pre-LN": {"subnetworks": "seq", **tiny.NORMS["Pre-LN"]},
    "middle_left": {"subnetworks": "middle_left"},
    "optimal, cycle": {
        "subnetworks": "optimal", "layer_sharing": "cycle", "unique_decoder_layers": 2, "unique_encoder_layers": 3,
    },
    "recurrent": {"layer_sharing": "cycle", "unique_decoder_layers": 1, "unique_encoder_layers": 1},
    "cycle": {"layer_sharing": "cycle", "unique_decoder_layers": 2, "unique_encoder_layers": 3},
    "sequence": {"layer_sharing": "sequence", "unique_decoder_layers": 2, "unique_encoder_layers": 3},
    "cycle_rev, Pre-LN": {
        "layer_sharing": "cycle_rev", "unique_decoder_layers": 2, "unique_encoder_layers": 3, **tiny.NORMS["Pre-LN"],
    },
    "learned positions": {"decoder_learned_pos": True, "layernorm_embedding": True},
    "no positions, tied": {"no_token_positional_embeddings": True, "share_decoder_input_output_embed": True},
    "other widths": {"decoder_input_dim": 6, "decoder_output_dim": 10, "no_decoder_final_norm": True},
    "LayerDrop": {"decoder_layerdrop": 0.5},
    "no encoder attention": {"no_cross_attention": True},
    "checkpointed activations": {"checkpoint_activations": True},
}  # fmt: skip


def disagreeing_model(seed: int, agreement: float, for_task: Any = None, **changes: Any) -> Any:
    """A random model with opinions, of 4 decoder layers; *agreement*, from 0 to 1, is high if its exits agree often."""
    model = tiny.flexible_model(seed, for_task, **{"decoder_layers": 4, **changes}).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.mul_(4 if "embed_tokens" in name or "output_projection" in name else 1.5)
        for layer in list(model.decoder.layers)[1:]:
            for name, parameter in layer.named_parameters():
                if "fc2" in name or "out_proj" in name:
                    parameter.mul_(1 - agreement)
    return model


class Compared(NamedTuple):
    """Our greedy search compared with fairseq's."""

    differing: List[int]  # sentences with other words
    largest: float  # the largest difference of a score, relative to scores above 1
    report: DraftingReport  # ours


def greedy(model: Any, batch: Dict, search: Dict, prefix: Optional[torch.Tensor] = None) -> List[Dict]:
    """The hypotheses of fairseq's greedy search."""
    plain = SequenceGenerator([model], model.decoder.dictionary, beam_size=1, **search)
    return [found for (found,) in plain.generate([model], batch, prefix_tokens=prefix)]


def compare(
    model: Any, batch: Dict, search: Dict, expected: List[Dict], prefix: Optional[torch.Tensor] = None, **options: Any
) -> Compared:
    """Compare our search with the *expected* hypotheses; *options* as in :mod:`tasks.depth_options`."""
    asked = asked_options(Namespace(**options))
    assert asked is not None
    drafting = Drafting(asked, model)
    ours = SelfSpeculativeGenerator([model], model.decoder.dictionary, drafting, beam_size=1, **search)
    found = [
        {key: value.cpu() for key, value in hypothesis.items()}
        for (hypothesis,) in ours.generate([model], batch, prefix_tokens=prefix)
    ]
    assert len(found) == len(expected)
    differing = [
        number for number, (our, their) in enumerate(zip(found, expected))
        if our["tokens"].tolist() != their["tokens"].tolist()
    ]  # fmt: skip
    largest = 0.0
    for number, (our, their) in enumerate(zip(found, expected)):
        assert our.keys() == their.keys() and all(our[key].dtype == their[key].dtype for key in our)
        if number not in differing:
            scale = their["score"].abs().clamp(min=1)
            largest = max(largest, float((our["score"] - their["score"]).abs() / scale))
            sums = their["positional_scores"].sum().abs().clamp(min=1)
            apart = (our["positional_scores"] - their["positional_scores"]).abs().max() / sums
            largest = max(largest, float(apart))
    return Compared(differing, largest, drafting.report)


def assert_exact(
    model: Any, batch: Dict, search: Dict, reference: Any = None, prefix: Optional[torch.Tensor] = None, **options: Any
) -> DraftingReport:
    """Check our hypotheses, found without fairseq's help, against fairseq's; return our report.

    fairseq's search decodes with *reference*, or else with *model*.
    """
    expected = greedy(reference or model, batch, search, prefix)
    compared = compare(model, batch, search, expected, prefix, **options)
    assert compared.differing == [], compared
    assert compared.largest < 1e-5, compared
    assert compared.report.again == 0
    return compared.report
