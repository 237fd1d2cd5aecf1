"""fairseq-eval-lm's options in ``sweep`` of a language model: none is accepted and without effect."""

from typing import List

import pytest
from fairseq import options

from fairseq_flexdepth.cli import eval_lm_options
from fairseq_flexdepth.cli.generate_options import ACTING, WITHOUT_MEANING

# Read by fairseq's task, by its eval_lm, or by corpus/language_model_sweep.py, besides those of fairseq-generate.
OF_LANGUAGE_MODELS = {
    "context_window", "softmax_batch", "tokens_per_sample", "sample_break_mode", "output_dictionary_size",
    "self_target", "future_target", "past_target", "add_bos_token", "shorten_method", "shorten_data_split_list",
    "pad_to_fixed_length", "pad_to_fixed_bsz",
}  # fmt: skip


def test_every_option_acts_is_refused_or_has_no_meaning() -> None:
    parser = options.get_eval_lm_parser()
    parser.set_defaults(criterion=None, lr_scheduler=None)  # whose options fairseq-eval-lm does not read
    options.parse_args_and_arch(parser, ["data"])
    known = {action.dest for action in parser._actions} - {"help"}
    accounted = ACTING.union(*WITHOUT_MEANING.values(), eval_lm_options._REFUSED, ("pad", "eos", "unk"))
    assert known - accounted == OF_LANGUAGE_MODELS


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["data", "--task", "language_modeling"], True),
        (["--task=language_modeling_flexdepth", "data"], True),
        (["data", "--path", "lm.pt"], False),
        (["data", "--task", "translation"], False),
    ],
)
def test_the_task_says_whether_the_model_is_a_language_model(arguments: List[str], asked: bool) -> None:
    assert eval_lm_options.is_of_language_model(arguments) == asked
