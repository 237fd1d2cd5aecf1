"""fairseq's translation task with ``--enc-layers`` and ``--dec-layers``, in place of its own."""

import logging
import sys
from argparse import Namespace
from types import SimpleNamespace

import pytest
from fairseq import options, tasks
from fairseq.tasks.translation import TranslationTask
from hydra.core.config_store import ConfigStore

from fairseq_flexdepth.tasks.translation import FlexDepthTranslationConfig, FlexDepthTranslationTask
from tests import tiny


def translation(**depths):
    config = FlexDepthTranslationConfig(**depths)
    return FlexDepthTranslationTask(config, tiny.dictionary(17), tiny.dictionary(21))


def build(task, arch="tied_multi_transformer"):
    args = tiny.options()
    args.arch = arch
    return task.build_model(args)


@pytest.mark.parametrize(
    ("depths", "chosen"),
    [
        ({}, None),
        ({"enc_layers": 2}, (2, 2)),
        ({"dec_layers": 1}, (3, 1)),
        ({"enc_layers": 2, "dec_layers": 1}, (2, 1)),
    ],
)
def test_a_model_is_built_at_the_depth(depths, chosen):
    assert build(translation(**depths)).chosen_depth == chosen


@pytest.mark.parametrize(
    ("depths", "message"),
    [
        ({"enc_layers": 0}, "^--enc-layers 0: this model supports 1,2,3$"),
        ({"enc_layers": 1, "dec_layers": -1}, "^--dec-layers -1: this model supports 1,2$"),
    ],
)
def test_a_depth_outside_the_space_is_refused(depths, message):
    with pytest.raises(ValueError, match=message):
        build(translation(**depths))


def test_fairseqs_own_model_is_built_and_refuses_a_depth():
    assert type(build(translation(), "transformer")).__name__ == "TransformerModel"
    with pytest.raises(ValueError, match="^--dec-layers 1: the checkpoint's TransformerModel always runs all"):
        build(translation(dec_layers=1), "transformer")


def test_the_log_says_which_depth_decodes(caplog):
    task = translation(enc_layers=2, dec_layers=1)
    model = build(task)
    with caplog.at_level(logging.INFO, "fairseq_flexdepth"):
        generator = task.build_generator([model], Namespace(beam=2))
    assert generator.beam_size == 2
    assert caplog.messages == ["decoding with 2 of 3 encoder layers, 1 of 2 decoder layers"]


def test_the_log_says_nothing_before_the_depth_is_chosen(caplog):
    """--eval-bleu builds a generator while the model is built."""
    task = translation(enc_layers=2)
    model = tiny.flexible_model()
    with caplog.at_level(logging.INFO, "fairseq_flexdepth"):
        task.build_generator([model], Namespace())
    assert caplog.messages == []


def test_the_log_says_nothing_of_fairseqs_own_model(caplog):
    task = translation()
    model = build(task, "transformer")
    with caplog.at_level(logging.INFO, "fairseq_flexdepth"):
        task.build_generator([model], Namespace(beam=2))
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("depths", "message"),
    [
        ({"enc_layers": 2}, "^--enc-layers 2: chooses a depth for decoding; .* fewer depths with --encoder-depths 2$"),
        ({"dec_layers": 1}, "^--dec-layers 1: chooses a depth for decoding; .* fewer depths with --decoder-depths 1$"),
        ({"draft_dec_layers": "1"}, "^--draft-dec-layers 1: is for decoding; leave it out in training$"),
    ],
)
def test_training_refuses_a_decoding_depth(depths, message):
    task = translation(**depths)
    with pytest.raises(ValueError, match=message):
        task.begin_epoch(1, build(task))


def test_training_goes_on_without_a_decoding_depth():
    task = translation()
    task.begin_epoch(1, build(task))


def test_a_missing_data_directory_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"^DATA .*/nowhere: no such directory; expected one made by fairseq-pre"):
        FlexDepthTranslationTask.setup_task(FlexDepthTranslationConfig(data=str(tmp_path / "nowhere")))


def test_a_criterion_is_checked_against_the_model_before_training():
    task = translation()
    args = Namespace(
        criterion="tied_multi_cross_entropy", depth_weights="1,2", label_smoothing=0.1, sentence_avg=False, seed=1
    )
    build(task)
    with pytest.raises(ValueError, match="^--depth-weights 1,2: expected 3 rows"):
        task.build_criterion(args)
    args.depth_weights = None
    assert type(task.build_criterion(args)).__name__ == "TiedMultiCrossEntropyCriterion"


@pytest.mark.parametrize("name", ["translation", "translation_flexdepth"])
def test_the_task_is_registered_under_its_name_and_as_translation(name):
    assert tasks.TASK_REGISTRY[name] is FlexDepthTranslationTask
    assert tasks.TASK_DATACLASS_REGISTRY[name] is FlexDepthTranslationConfig
    node = ConfigStore.instance().load(f"task/{name}.yaml").node
    assert (node._name, node.enc_layers, node.dec_layers) == (name, None, None)


def test_it_is_a_translation_task():
    assert issubclass(FlexDepthTranslationTask, TranslationTask)
    assert isinstance(translation(), tasks.get_task("translation"))


def generation_args(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["fairseq-generate", "DATA", *arguments])
    return options.parse_args_and_arch(options.get_generation_parser())


def test_the_options_need_no_task_option(monkeypatch):
    args = generation_args(monkeypatch, "--path", "model.pt", "--enc-layers", "3")
    assert (args.task, args.enc_layers, args.dec_layers) == ("translation", 3, None)


def test_a_depth_that_is_no_number_is_refused(monkeypatch, capsys):
    with pytest.raises(SystemExit, match="^2$"):
        generation_args(monkeypatch, "--dec-layers", "two")
    error = capsys.readouterr().err.splitlines()[-1]
    assert "argument --dec-layers: invalid" in error
    assert "'two'" in error


@pytest.mark.parametrize(("accumulates", "scale"), [(True, 64.0), (False, 1.0)])
def test_a_model_that_forms_its_gradients_early_learns_the_loss_scale(monkeypatch, accumulates, scale):
    monkeypatch.setattr(TranslationTask, "train_step", lambda *arguments, **options: None)
    task = translation()
    model = build(task)
    optimizer = SimpleNamespace(scaler=SimpleNamespace(loss_scale=64.0))
    task.train_step({}, model, SimpleNamespace(needs_loss_scale=accumulates), optimizer, update_num=0)
    assert model.loss_scale == scale
