"""The tasks of several languages: losses and gradients against stock models, and mistakes in one line."""

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, List

import pytest
import torch
from fairseq import options, tasks
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.tasks import FairseqTask

from fairseq_flexdepth.tasks.refused_options import BLEU, GREEDY, SELECTOR
from tests import tiny

PAIRS = ("--lang-pairs", "de-en,en-de,de-ev")
TAGS = ("--encoder-langtok", "tgt", "--decoder-langtok")
ARCH = "tied_multi_transformer"
PER_DIRECTION = "tied_multi_multilingual_transformer"
TASKS = {
    "translation_multi_simple_epoch": ((*PAIRS, *TAGS), ARCH),
    "multilingual_translation": ((*PAIRS, *TAGS), PER_DIRECTION),
    "translation_from_pretrained_bart": (("--langs", "de,en,ev", "-s", "de", "-t", "en"), ARCH),
}
SIZES = (
    "--encoder-embed-dim", 12, "--encoder-ffn-embed-dim", 14, "--encoder-attention-heads", 2,
    "--decoder-attention-heads", 2, "--encoder-layers", 3, "--decoder-layers", 2, "--dropout", 0,
    "--max-source-positions", 64, "--max-target-positions", 64,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dictionaries of three languages."""
    folder = tmp_path_factory.mktemp("dictionaries")
    for language in ("de", "en", "ev"):
        tiny.dictionary(17).save(str(folder / f"dict.{language}.txt"))
    return folder


def configuration(folder: Path, task: str, *more: Any, arch: str = ARCH) -> Any:
    """The options of a training, parsed by fairseq."""
    criterion = ("--criterion", "tied_multi_cross_entropy", "--label-smoothing", 0.1)
    words = [folder, "--task", task, "--arch", arch, *SIZES, *criterion, *more]
    parser = options.get_training_parser()
    return options.parse_args_and_arch(parser, list(map(str, words)))


def set_up(folder: Path, task: str, *more: Any) -> FairseqTask:
    return tasks.setup_task(configuration(folder, task, *TASKS[task][0], *more, arch=TASKS[task][1]))


def stock_gradients(model: Any, sample: Dict[str, Any], task: Any) -> Any:
    """Loss and gradients (by parameter of *model*) of the mean over two exits, from stock models of those layers."""
    criterion = LabelSmoothedCrossEntropyCriterion(task, sentence_avg=False, label_smoothing=0.1)
    total = 0.0
    gradients: Dict[int, Any] = {}
    for decoder_layers in (1, 2):
        stock = tiny.stock_model(model, 3, decoder_layers)
        loss = criterion(stock, sample)[0] / 2
        loss.backward()
        total += loss.item()
        for name, parameter in stock.named_parameters():
            if parameter.grad is not None:
                layers = range(1, 4), range(1, decoder_layers + 1)
                owner = id(tiny.parameter_called(model, tiny.name_in_whole(name, *layers)))
                gradients[owner] = gradients.get(owner, 0.0) + parameter.grad
    return total, gradients


@pytest.mark.parametrize("name", TASKS)
def test_loss_and_gradients_of_two_exits_are_those_of_stock_models(folder: Path, name: str) -> None:
    cfg = configuration(folder, name, *TASKS[name][0], "--encoder-depths", 3, arch=TASKS[name][1])
    task = tasks.setup_task(cfg)
    torch.manual_seed(1)
    model = task.build_model(cfg)
    criterion = task.build_criterion(cfg)
    size = len(task.source_dictionary)
    several = name == "multilingual_translation"
    lengths = [6, 4, 2], [3, 7, 1]
    samples = {pair: tiny.sample(*lengths, size, size, seed) for seed, pair in enumerate(["de-en", "de-ev"])}
    optimizer = SimpleNamespace(backward=lambda loss: loss.backward(), loss_scale=1.0)
    sample: Any = {**samples, "en-de": None} if several else samples["de-en"]
    loss, sample_size, logged = task.train_step(sample, model, criterion, optimizer, 7)
    expected = 0.0
    gradients: Dict[int, Any] = {}
    for pair in samples if several else ["de-en"]:
        of_pair, more = stock_gradients(model.models[pair] if several else model, samples[pair], task)
        expected += of_pair
        gradients = {owner: gradients.get(owner, 0.0) + more.get(owner, 0.0) for owner in {**gradients, **more}}
    assert torch.as_tensor(loss).item() == pytest.approx(expected, rel=1e-5)
    assert sample_size == 11 * (2 if several else 1)
    trained = [parameter for parameter in model.parameters() if id(parameter) in gradients]
    assert len(trained) == len(gradients) > 50
    for parameter in trained:
        assert torch.allclose(parameter.grad, gradients[id(parameter)], atol=2e-5)
    # The update number seeds the draw of depths: fairseq's multilingual_translation does not tell it.
    assert {part.num_updates for part in (model.models.values() if several else [model])} == {7}


@pytest.mark.parametrize("name", TASKS)
def test_depths_of_the_task_reach_the_model(folder: Path, name: str) -> None:
    direction = () if "bart" in name else ("-s", "de", "-t", "en")
    own, arch = TASKS[name]
    cfg = configuration(folder, name, *own, *direction, "--enc-layers", 2, "--dec-layers", 1, arch=arch)
    model = tasks.setup_task(cfg).build_model(cfg)
    assert model.chosen_depth == (2, 1)
    assert [len(side.layers.active) for side in (model.encoder, model.decoder)] == [2, 1]


MISTAKES: List[Any] = [
    *[
        (name, ("--enc-layers", 4, *direction), "^--enc-layers 4: this model supports 1,2,3$")
        for name, direction in zip(TASKS, (("-s", "de", "-t", "en"), ("-s", "de", "-t", "en"), ()))
    ],
    *[
        (name, ("--dec-layers", 0, *direction), "^--dec-layers 0: this model supports 1,2$")
        for name, direction in zip(TASKS, (("-s", "de", "-t", "en"), ("-s", "de", "-t", "en"), ()))
    ],
    *[(name, ("--dec-layers", 1), "^--dec-layers 1: chooses a depth for decoding; leave it out") for name in TASKS],
    *[(name, ("--keep-pruned", "--ddp-backend", "fully_sharded"), "^--keep-pruned: does not work") for name in TASKS],
    *[
        (name, ("--lang-pairs", "de-en,de"), "^--lang-pairs de-en,de: expected pairs such as de-en,en-de, given de$")
        for name in list(TASKS)[:2]
    ],
    *[(name, ("-s", "de"), "^--source-lang de: expected --target-lang, too$") for name in list(TASKS)[:2]],
    *[(name, ("-t", "de"), "^--target-lang de: expected --source-lang, too$") for name in list(TASKS)[:2]],
    ("translation_multi_simple_epoch", ("-s", "de", "-t", "fr"), "language pair de-fr contains languages that are not"),
    ("multilingual_translation", ("-s", "de", "-t", "fr"),
     "^--source-lang de --target-lang fr: expected one of --lang-pairs de-en,en-de,de-ev$"),
    ("multilingual_translation", ("--residual-init", "admin"), "^--residual-init admin: expected --task translation"),
    *[
        (name, options, f"^{options[0]} {options[1]}: {why}")
        for name in TASKS
        for group, why in ((SELECTOR, "selectors read words, .* have language tags; expected --enc-layers and --dec-l"),
                           (GREEDY, "our greedy search knows no language tags; expected --beam 1 alone, fairseq's"))
        for options in ((option, 1) for option in group)
    ],
    *[(name, (*BLEU, 1), "^--eval-bleu-depths 1: this task has no --eval-bleu; vali") for name in list(TASKS)[:2]],
    ("translation_from_pretrained_bart", (*BLEU, "1-1"), "^--eval-bleu-depths 1-1: needs --eval-bleu$"),
    ("translation_from_pretrained_bart", ("-t", "fr"), "dict.fr.txt: no such dictionary"),
    ("translation_from_pretrained_bart", ("--langs", "de,fr"), "^--langs de,fr: expected en, too, of the direction$"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "more", "message"), MISTAKES)
def test_a_mistake_is_one_line(folder: Path, name: str, more: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        cfg = configuration(folder, name, *TASKS[name][0], *more, arch=TASKS[name][1])
        task = tasks.setup_task(cfg)
        task.begin_epoch(1, task.build_model(cfg))
    assert "\n" not in str(caught.value)


def test_mistakes_of_the_data(folder: Path) -> None:
    for name in list(TASKS)[:2]:
        with pytest.raises(ValueError, match="^DATA .*: no split test of de-en; it has no split at all$"):
            set_up(folder, name).load_dataset("test")
        with pytest.raises(ValueError, match="^--source-lang, --target-lang: required, the direction to decode$"):
            set_up(folder, name).build_generator([], Namespace())
    with pytest.raises(ValueError, match="nowhere: no such directory; expected one made by fairseq-preprocess$"):
        set_up(folder / "nowhere", "translation_multi_simple_epoch")
    cfg = configuration(folder, "translation_from_pretrained_bart", "-s", "de", "-t", "en")
    with pytest.raises(ValueError, match="^--langs: required, the languages of mBART's tags"):
        tasks.setup_task(cfg)
    cfg = configuration(folder, "translation_multi_simple_epoch", *PAIRS, arch=PER_DIRECTION)
    with pytest.raises(ValueError, match=f"^--arch {PER_DIRECTION}: expected --task multilingual_translation, given"):
        tasks.setup_task(cfg).build_model(cfg)


def test_another_dictionary_is_named(folder: Path, tmp_path: Path) -> None:
    name = "multilingual_translation"
    own, arch = TASKS[name]
    cfg = configuration(folder, name, *own, arch=arch)
    saved = tasks.setup_task(cfg).build_model(cfg).state_dict()
    for language in ("de", "en", "ev"):
        tiny.dictionary(19).save(str(tmp_path / f"dict.{language}.txt"))
    cfg = configuration(tmp_path, name, *own, arch=arch)
    with pytest.raises(ValueError, match="^source dictionary of 22 entries: the checkpoint was trained with 20; give"):
        tasks.setup_task(cfg).build_model(cfg).load_state_dict(saved)
