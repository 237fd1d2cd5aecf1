"""Loading teachers, and refusing those that cannot teach."""

from argparse import Namespace
from pathlib import Path
from typing import Any, Dict

import pytest
import torch
from fairseq import tasks
from fairseq.data import Dictionary
from fairseq.dataclass.configs import FairseqConfig
from omegaconf import OmegaConf

from fairseq_flexdepth.models.teacher import Teacher, load_teacher
from tests import tiny

SAMPLE = tiny.sample([6, 4, 2], [3, 7, 1])


def save(model: Any, path: Path, name: str = "transformer", **task: Any) -> Path:
    """A checkpoint with what loading a teacher reads."""
    options = vars(tiny.options())
    cfg = OmegaConf.to_container(OmegaConf.structured(FairseqConfig), enum_to_str=True)
    cfg["model"] = {"_name": name, "min_params_to_wrap": 1, **options}
    legacy = "task" in task
    cfg["task"] = Namespace(**task) if legacy else {"_name": "translation", "data": "nowhere", **task}
    history = {"criterion_name": "", "lr_scheduler_state": {}, "num_updates": 1}
    state = {"args": None, "cfg": cfg, "model": model.state_dict(), "optimizer_history": [history], "extra_state": {}}
    torch.save(state, str(path))
    return path


def student_task(source: int = 17, target: int = 21) -> Any:
    return Namespace(**vars(tiny.task(source, target)))


def test_an_ensemble_says_what_its_models_say(tmp_path: Path) -> None:
    models = [tiny.plain_model(seed) for seed in (1, 2)]
    paths = [save(model, tmp_path / f"{seed}.pt") for seed, model in enumerate(models)]
    teacher = load_teacher(":".join(map(str, paths)), student_task())
    teacher_output = teacher(SAMPLE["net_input"], tiny.plain_model())
    mean = sum(torch.softmax(model.eval()(**SAMPLE["net_input"])[0], dim=-1) for model in models) / 2
    assert torch.allclose(torch.softmax(teacher_output.logits[0], dim=-1), mean, atol=1e-6)
    assert not teacher_output.logits[0].requires_grad
    teacher_output.soft_targets(1.0, 3)
    assert not teacher_output.logits
    assert not any(parameter.requires_grad for model in teacher.models for parameter in model.parameters())


def test_traces_are_of_the_first_teachers_layers() -> None:
    models = [tiny.plain_model(seed) for seed in (1, 2)]
    teacher = Teacher(models)
    teacher_output = teacher(SAMPLE["net_input"], tiny.plain_model(), sides=("encoder", "decoder"))
    assert [run.position for run in teacher_output.traces["encoder"]] == [1, 2, 3]
    assert [run.position for run in teacher_output.traces["decoder"]] == [1, 2]
    words = SAMPLE["net_input"]
    states = models[0].encoder(words["src_tokens"], words["src_lengths"], return_all_hiddens=True)["encoder_states"]
    for run, before, after in zip(teacher_output.traces["encoder"], states, states[1:]):
        assert torch.allclose(run.inputs, before, atol=1e-6)
        assert torch.allclose(run.output, after, atol=1e-6)
    assert not any(layer._forward_hooks for layer in models[0].encoder.layers)
    models[0].decoder.forward = None  # not needed, and so not run
    encoder_alone = teacher(SAMPLE["net_input"], tiny.plain_model(), logits=False, sides=("encoder",))
    assert torch.equal(encoder_alone.traces["encoder"][-1].output, teacher_output.traces["encoder"][-1].output)
    assert not encoder_alone.logits


def test_files_that_cannot_teach_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--teacher-path nowhere.pt: no such file"):
        load_teacher("nowhere.pt", student_task())
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match=f"--teacher-path {broken}: cannot be read as a fairseq checkpoint"):
        load_teacher(str(broken), student_task())
    language_model = save(tiny.plain_model(), tmp_path / "lm.pt", name="transformer_lm")
    with pytest.raises(ValueError, match="expected an encoder-decoder, given a transformer_lm"):
        load_teacher(str(language_model), student_task())


def test_other_dictionaries_are_refused(tmp_path: Path) -> None:
    path = save(tiny.plain_model(), tmp_path / "teacher.pt")
    with pytest.raises(ValueError, match="its source dictionary has 17 entries, DATA's has 19"):
        load_teacher(str(path), student_task(source=19))
    with pytest.raises(ValueError, match="its target dictionary has 21 entries, DATA's has 22"):
        load_teacher(str(path), student_task(target=22))
    other = Dictionary()
    for index in range(13):
        other.add_symbol(f"other{index}")
    other.save(str(tmp_path / "dict.de.txt"))
    path = save(tiny.plain_model(), path, data=str(tmp_path), source_lang="de", target_lang="en")
    with pytest.raises(ValueError, match=r"its source dictionary, .*dict\.de\.txt, differs from DATA's"):
        load_teacher(str(path), student_task())
    (tmp_path / "train.de-en.de.idx").touch()  # fairseq infers languages that were not given, and does not save them
    path = save(tiny.plain_model(), path, data=str(tmp_path), source_lang=None, target_lang=None)
    with pytest.raises(ValueError, match=r"its source dictionary, .*dict\.de\.txt, differs from DATA's"):
        load_teacher(str(path), student_task())
    tiny.dictionary(17).save(str(tmp_path / "dict.de.txt"))
    assert len(load_teacher(str(path), student_task()).models) == 1


def of_pretrained_bart(folder: Path, langs: str) -> Dict[str, Any]:
    """Options of a task that adds a symbol for each of *langs*, and one more, to its dictionaries."""
    for language in ("de", "en"):
        tiny.dictionary(17).save(str(folder / f"dict.{language}.txt"))
    return {
        "task": "translation_from_pretrained_bart", "data": str(folder), "source_lang": "de", "target_lang": "en",
        "langs": langs, "prepend_bos": False, "left_pad_source": True, "left_pad_target": False,
    }  # fmt: skip


def test_dictionaries_are_compared_as_the_tasks_make_them(tmp_path: Path) -> None:
    student = tasks.setup_task(Namespace(**of_pretrained_bart(tmp_path, "de,en")))
    size = len(student.source_dictionary)
    assert size > 17
    model = tiny.plain_model(1, size, size)
    same = save(model, tmp_path / "same.pt", **of_pretrained_bart(tmp_path, "de,en"))
    assert len(load_teacher(str(same), student).models) == 1
    other = save(model, tmp_path / "other.pt", **of_pretrained_bart(tmp_path, "en,de"))
    with pytest.raises(ValueError, match="its source dictionary, .*, differs from DATA's"):
        load_teacher(str(other), student)


def test_symbols_that_a_task_added_are_passed_over_where_it_cannot_be_set_up(tmp_path: Path) -> None:
    options = of_pretrained_bart(tmp_path, "de,en")
    student = tasks.setup_task(Namespace(**options))
    model = tiny.plain_model(1, len(student.source_dictionary), len(student.target_dictionary))
    gone = save(model, tmp_path / "teacher.pt", **{**options, "task": "of another plugin"})
    assert len(load_teacher(str(gone), student).models) == 1
    (tmp_path / "dict.de.txt").write_text("other 1\n")
    with pytest.raises(ValueError, match="its source dictionary, .*, differs from DATA's"):
        load_teacher(str(gone), student)


def test_a_teacher_of_the_other_direction_is_refused(tmp_path: Path) -> None:
    path = save(tiny.plain_model(), tmp_path / "teacher.pt", source_lang="en", target_lang="de")
    task = student_task()
    task.cfg = Namespace(source_lang="de", target_lang="en")
    with pytest.raises(ValueError, match="translates from en to de, DATA from de to en"):
        load_teacher(str(path), task)


def test_dictionaries_that_cannot_be_compared_are_mentioned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_teacher(str(save(tiny.plain_model(), tmp_path / "teacher.pt")), student_task())
    assert "cannot compare its source dictionary with DATA's" in caplog.text
