"""The options of greedy search: each mistake is one line that names the option, its value and what is allowed."""

from argparse import Namespace
from types import SimpleNamespace
from typing import Any, Dict

import pytest

from fairseq_flexdepth.decoding.greedy_options import asked_options
from fairseq_flexdepth.decoding.self_speculative import SelfSpeculativeGenerator
from fairseq_flexdepth.tasks.translation import FlexDepthTranslationTask
from tests import tiny

OURS: Dict[str, Any] = {"draft_dec_layers": "1"}


def generator(model: Any, task_options: Dict[str, Any], *further: Any, **generation: Any) -> Any:
    """The generator that the task builds."""
    task = FlexDepthTranslationTask(
        SimpleNamespace(depth_selector=None, **task_options), tiny.dictionary(17), model.decoder.dictionary
    )
    return task.build_generator([model, *further], Namespace(**{"beam": 1, **generation}))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"draft_dec_layers": "two"}, r"^--draft-dec-layers two: expected a number of decoder layers, or auto$"),
        ({"draft_dec_layers": "-1"}, r"^--draft-dec-layers -1: expected a number of decoder layers, or auto$"),
        ({"draft_dec_layers": "7"}, r"^--draft-dec-layers 7: this model supports 1,2$"),
        ({"draft_dec_layers": "2"}, r"^--draft-dec-layers 2: expected less than 2, the decoder layers that check"),
        ({**OURS, "draft_tokens": 0}, r"^--draft-tokens 0: expected 1 to 16$"),
        ({**OURS, "draft_tokens": 17}, r"^--draft-tokens 17: expected 1 to 16$"),
        ({**OURS, "draft_vocabulary": 0}, r"^--draft-vocabulary 0: expected 1 to 21, the size of the dictionary$"),
        ({**OURS, "draft_vocabulary": 22}, r"^--draft-vocabulary 22: expected 1 to 21"),
        ({"draft_tokens": 0}, r"^--draft-tokens 0: needs --draft-dec-layers$"),
        ({"draft_vocabulary": 9, "fast_greedy": True}, r"^--draft-vocabulary 9: needs --draft-dec-layers$"),
        ({**OURS, "beam": 5}, r"^--beam 5: expected --beam 1 with --draft-dec-layers 1, which is greedy search$"),
        ({"fast_greedy": True, "beam": 2}, r"^--beam 2: expected --beam 1 with --fast-greedy"),
        ({**OURS, "sampling": True}, r"^--sampling: cannot be combined with --draft-dec-layers 1; leave out the one "),
        ({**OURS, "diverse_beam_groups": 1}, r"^--diverse-beam-groups 1: cannot be combined with"),
        ({**OURS, "diversity_rate": 0.5}, r"^--diversity-rate 0.5: cannot be combined with"),
        ({**OURS, "constraints": "ordered"}, r"^--constraints ordered: cannot be combined with"),
        ({**OURS, "match_source_len": True}, r"^--match-source-len: cannot be combined with"),
        ({**OURS, "no_repeat_ngram_size": 3}, r"^--no-repeat-ngram-size 3: cannot be combined with"),
        ({**OURS, "print_alignment": "hard"}, r"^--print-alignment hard: cannot be combined with"),
        ({**OURS, "retain_dropout": True}, r"^--retain-dropout: cannot be combined with"),
        ({**OURS, "score_reference": True}, r"^--score-reference: cannot be combined with"),
        ({**OURS, "lm_path": "lm.pt"}, r"^--lm-path lm.pt: cannot be combined with"),
        (
            {"draft_dec_layers": "x", "draft_tokens": 0, "draft_vocabulary": 0, "beam": 4},
            "^--draft-dec-layers x: expected .*; --draft-tokens 0: .*; --beam 4: .*; --draft-vocabulary 0: expected 1",
        ),
        (
            {"draft_dec_layers": "2", "draft_vocabulary": 22, "print_alignment": "hard", "sampling": True},
            "^--sampling, --print-alignment hard: cannot .*; --draft-dec-layers 2: .*; --draft-vocabulary 22: ",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes(options: Dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generator(tiny.flexible_model(), {}, **options)


def test_models_that_cannot_draft() -> None:
    model = tiny.flexible_model()
    with pytest.raises(ValueError, match="^--draft-dec-layers 1: expected one model, given an ensemble of 2$"):
        generator(model, OURS, model)
    with pytest.raises(ValueError, match="^--draft-dec-layers 1: .* TransformerModel has one depth, .* --fast-greedy$"):
        generator(tiny.plain_model(), OURS)
    with pytest.raises(ValueError, match="^--fast-greedy: expected a Transformer, given a LSTMModel$"):
        generator(tiny.lstm_model(), {"fast_greedy": True})
    with pytest.raises(ValueError, match="^--fast-greedy: does not work with .* --adaptive-softmax-cutoff$"):
        adaptive = tiny.plain_model(adaptive_softmax_cutoff="5,10", adaptive_softmax_dropout=0)
        generator(adaptive, {"fast_greedy": True})
    with pytest.raises(ValueError, match="^--beam 2: .*; --draft-dec-layers 1: drafts for .* out --depth-selector a"):
        task = FlexDepthTranslationTask(
            SimpleNamespace(depth_selector="a.pt", **OURS), tiny.dictionary(17), tiny.dictionary(21)
        )
        task.build_generator([model], Namespace(beam=2))


def test_options_in_python_come_before_those_of_the_task() -> None:
    options = asked_options(Namespace(draft_dec_layers=2), SimpleNamespace(draft_dec_layers="1", draft_tokens=3))
    assert options is not None
    assert (options.layers, options.words) == ("2", 3)
    assert asked_options(Namespace(), SimpleNamespace()) is None
    model = tiny.flexible_model()
    assert type(generator(model, {}, draft_dec_layers=1)) is SelfSpeculativeGenerator
    assert type(generator(model, {})) is not SelfSpeculativeGenerator
