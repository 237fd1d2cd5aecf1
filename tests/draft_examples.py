"""Random cases of greedy search with drafts, drawn by hypothesis: the suite tries a few, a campaign many."""

from typing import Any, Dict, List

from hypothesis import strategies as st

from fairseq_flexdepth.decoding.drafting_report import DraftingReport
from fairseq_flexdepth.decoding.greedy_options import drafting_depths
from tests import drafts, tiny

SEARCH = st.fixed_dictionaries(
    {
        "min_len": st.integers(0, 5),
        "max_len_a": st.sampled_from([0, 0.5, 2]),
        "max_len_b": st.integers(5, 12),
        "unk_penalty": st.sampled_from([0.0, -2.0, 1.5]),
        "len_penalty": st.sampled_from([0.0, 0.6, 1.0]),
        "normalize_scores": st.booleans(),
        "temperature": st.sampled_from([1.0, 1.7]),
    }
)
EXAMPLES = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10**6),
        "lengths": st.lists(st.integers(1, 12), min_size=1, max_size=6),
        "pair": st.tuples(st.integers(1, 3), st.integers(1, 4)),  # the depths that check
        "draft": st.integers(0, 3),  # which of the depths that can draft, the last one if there are fewer; 0: none
        "words": st.integers(1, 16),
        "vocabulary": st.integers(1, 21),
        "search": SEARCH,
        "prefix": st.integers(0, 4),
        "agreement": st.sampled_from([0.0, 0.5, 0.95]),
        "kind": st.sampled_from(sorted(drafts.MODELS)),
    }
)


def options_of(example: Dict[str, Any], depths: List[int]) -> Dict[str, Any]:
    """The options of drafts; *depths*: those that can draft."""
    if not depths or not example["draft"]:
        return {"fast_greedy": True}
    depth = depths[min(example["draft"], len(depths)) - 1]
    return {"draft_dec_layers": depth, "draft_tokens": example["words"], "draft_vocabulary": example["vocabulary"]}


def check(example: Dict[str, Any]) -> DraftingReport:
    """Compare our search with fairseq's in double precision, which leaves no near ties; return our report."""
    model = drafts.disagreeing_model(example["seed"], example["agreement"], **drafts.MODELS[example["kind"]]).double()
    model.set_depth(*example["pair"])
    lengths = example["lengths"]
    batch = tiny.sample(lengths, [1 + length % 4 for length in lengths], seed=example["seed"])
    prefix = batch["target"][:, : example["prefix"]] if example["prefix"] else None
    options = options_of(example, list(drafting_depths(model)))
    return drafts.assert_exact(model, batch, example["search"], prefix=prefix, **options)
