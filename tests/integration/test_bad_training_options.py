"""This package's options in fairseq's commands: out of range, of a wrong type, or contradicting each other."""

from pathlib import Path

import pytest

from tests.integration.refusals import decoding, training

NO_CHOICE = "invalid choice: 'x' (choose from"
PARSER = "fairseq-train: error: argument"
TEACHER = "--teacher-path none.pt"

TRAINING = [
    ("--encoder-depths 0", "--encoder-depths 0: depths must lie between 1 and 3, the number of layers"),
    ("--decoder-depths 1;2", "--decoder-depths 1;2: expected all, divisors or depths separated by commas such as"),
    ("--encoder-layers -1", "--encoder-layers -1: expected 1 or more"),
    ("--decoder-attention-heads 3", "--decoder-attention-heads 3: expected a divisor of --decoder-embed-dim 16"),
    ("--subnetworks x", f"{PARSER} --subnetworks: {NO_CHOICE}"),
    ("--layer-sharing x", f"{PARSER} --layer-sharing: {NO_CHOICE}"),
    ("--residual-init x", f"{PARSER} --residual-init: {NO_CHOICE}"),
    ("--unique-encoder-layers x", f"{PARSER} --unique-encoder-layers: invalid int value: 'x'"),
    ("--unique-decoder-layers 2", "--unique-decoder-layers 2: needs --layer-sharing, one of sequence, cycle"),
    (
        "--layer-sharing cycle --unique-encoder-layers 0 --unique-decoder-layers 1",
        "--unique-encoder-layers 0: must divide 3, the number of layers: expected one of 1,3",
    ),
    ("--enc-layers 1", "--enc-layers 1: chooses a depth for decoding; leave it out in training"),
    ("--dec-layers x", f"{PARSER} --dec-layers: invalid int value: 'x'"),
    ("--selector-threshold 0.5", "--selector-threshold 0.5: expected a --depth-selector, too"),
    ("--depth-selector length:1-1", "--depth-selector length:1-1: chooses depths for decoding"),
    ("--keep-pruned", "--keep-pruned: no weight of the model is zero; expected a pruned one"),
    ("--label-smoothing nan", "--label-smoothing nan: expected a number from 0 to 1"),
    ("--label-smoothing=-0.1", "--label-smoothing -0.1: expected a number from 0 to 1"),
    ("--ignore-prefix-size=-1", "--ignore-prefix-size -1: expected 0 or more"),
    ("--depth-weights 1,x;1,1;1,1", "--depth-weights 1,x;1,1;1,1: expected numbers, in 3 rows separated by ';'"),
    ("--depth-weights 1,-1;1,1;1,1", "--depth-weights 1,-1;1,1;1,1: expected finite weights of at least 0"),
    ("--depth-weights 0,0;0,0;0,0", "--depth-weights 0,0;0,0;0,0: at least one weight must be above 0"),
    ("--sample-encoder-depths x", f"{PARSER} --sample-encoder-depths: invalid int value: 'x'"),
    ("--sample-decoder-depths -1", "--sample-decoder-depths -1: expected 0 (all) to 2, the number of depths in the"),
    (
        "--sample-encoder-depths 1 --depth-weights 0,0;1,1;1,1",
        "--depth-weights 0,0;1,1;1,1: expected weights above 0 where depths are sampled",
    ),
    ("--accumulate-depths --checkpoint-activations", "--accumulate-depths: propagates back within the forward pass"),
    ("--criterion word_kd", "--teacher-path: required with --criterion word_kd"),
    ("--criterion word_kd --kd-alpha 1.5", "--kd-alpha 1.5: expected a number from 0 to 1"),
    ("--criterion word_kd --kd-alpha x", f"{PARSER} --kd-alpha: invalid float value: 'x'"),
    ("--criterion word_kd --kd-temperature 0", "--kd-temperature 0.0: expected a finite number above 0"),
    ("--criterion word_kd --kd-temperature inf", "--kd-temperature inf: expected a finite number above 0"),
    ("--criterion word_kd --kd-topk -1", "--kd-topk -1: expected 0 (all) to 16, the size of the dictionary"),
    ("--criterion word_kd --kd-topk 17", "--kd-topk 17: expected 0 (all) to 16, the size of the dictionary"),
    (f"--criterion word_kd {TEACHER}", "--teacher-path none.pt: no such file"),
    ("--criterion pkd --kd-eta 2", "--kd-eta 2.0: expected a number from 0 to 1"),
    ("--criterion ckd --kd-lambda=-1", "--kd-lambda -1.0: expected a number from 0 to 1"),
    ("--criterion ckd --kd-eta 0.6 --kd-lambda 0.7", "--kd-eta 0.6 --kd-lambda 0.7: expected a sum of at most 1"),
    ("--criterion ckd --ckd-fusion x", f"{PARSER} --ckd-fusion: {NO_CHOICE}"),
    ("--criterion ckd --accumulate-depths", "--accumulate-depths: cannot be combined with --criterion ckd; leave it"),
    ("--task depth_selection", "--source-lang: required unless DATA has exactly one dictionary"),
    ("--best-checkpoint-metric nll_e3d3", "--best-checkpoint-metric nll_e3d3: expected one of loss, nll_loss"),
    (
        "--criterion cross_entropy --best-checkpoint-metric bleu",
        "--best-checkpoint-metric bleu: expected one of loss, ppl; --eval-bleu logs bleu",
    ),
    ("--eval-bleu-depths 1-1", "--eval-bleu-depths 1-1: needs --eval-bleu"),
    ("--eval-bleu --eval-bleu-depths 3-3", "--eval-bleu-depths 3-3: 3-3 is not among the depths of this model: encod"),
    ("--eval-bleu --eval-bleu-args {beam:4}", "--eval-bleu-args {beam:4}: expected a JSON object, such as {"),
]  # fmt: skip

STOCK = "--arch transformer_tiny"
OF_OTHERS = [
    ("translation_multi_simple_epoch", STOCK, "expected a model of many depths, such as --arch"),
    ("translation_lev", STOCK, "expected a model of many depths, such as --arch"),
    (
        "translation_lev", "--arch nonautoregressive_transformer --criterion word_kd --kd-alpha 0",
        "expected a model that takes only source",
    ),
    ("multilingual_translation", "--arch multilingual_transformer --criterion word_kd --kd-alpha 0", "expected an enc"),
    ("translation_lev", "--accumulate-depths", "--accumulate-depths: expected --task translation, giv"),
    ("translation_multi_simple_epoch", "--depth-weights 1", "--depth-weights 1: expected 3 rows separated by ';'"),
    ("translation_multi_simple_epoch", "--best-checkpoint-metric nll_e4d1", "--best-checkpoint-metric nll_e4d1: exp"),
    ("translation_lev", "--best-checkpoint-metric bleu", "--best-checkpoint-metric bleu: expected one of"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), TRAINING)
def test_fairseq_train(options: str, message: str, data: Path, tmp_path: Path) -> None:
    line = training(data, tmp_path, *options.split())
    assert line.startswith(message if message.startswith(PARSER) else f"ValueError: {message}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("task", "options", "message"), OF_OTHERS)
def test_other_tasks(task: str, options: str, message: str, data: Path, tmp_path: Path) -> None:
    """Refused before the first update: there is no crash.pt."""
    languages = ("--lang-pairs", "src-tgt") if task.startswith(("multi", "translation_multi")) else ()
    line = training(data, tmp_path, "--task", task, *languages, *options.split())
    assert line.startswith(f"ValueError: {message if message.startswith('--') else '--criterion '}")
    assert message in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("x", "--ckd-mapping x: expected rc, oc, sc, cc or student:teacher+teacher"),
        ("1:9", "--ckd-mapping 1:9: the teacher has layers 1 to 3, not 9"),
        ("4:1", "--ckd-mapping 4:1: the student has layers 1 to 3, not 4"),
        ("1:2,1:3", "--ckd-mapping 1:2,1:3: names a layer twice"),
        ("1:1+2", "--ckd-mapping 1:1+2: --criterion pkd needs one teacher layer per student layer"),
    ],
)
def test_layers_that_are_not_there(
    mapping: str, message: str, data: Path, checkpoint: Path, tmp_path: Path
) -> None:
    options = ("--criterion", "pkd", "--teacher-path", checkpoint, "--ckd-mapping", mapping)
    assert training(data, tmp_path, *options).startswith(f"ValueError: {message}")
    assert not list(tmp_path.iterdir())


DEPTHS = "this model supports 1,2"
DRAFTS = "--beam 1 --draft-dec-layers"


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("generate", "--dec-layers 3", f"--dec-layers 3: {DEPTHS}"),
        ("generate", "--subnetworks x", f"argument --subnetworks: {NO_CHOICE}"),
        ("generate", "--depth-selector none.pt", "--depth-selector none.pt: no such file"),
        ("generate", "--depth-selector length:5=1-1", "--depth-selector length:5=1-1: expected ascending lengths and"),
        ("generate", "--depth-selector length:5=1-1,5=1-2,2-2", "--depth-selector length:5=1-1,5=1-2,2-2: expected"),
        ("generate", "--depth-selector x --selector-threshold 2", "--selector-threshold 2: expected 0 to 1"),
        ("generate", "--depth-selector length:1-1 --selector-threshold 1", "--selector-threshold 1: length:1-1 has no"),
        ("generate", "--depth-selector x --dec-layers 1", "--depth-selector x: chooses each sentence's depth; leave"),
        ("generate", f"{DRAFTS} 2", "--draft-dec-layers 2: expected less than 2, the decoder layers that check the dr"),
        (
            "generate",
            f"{DRAFTS} 1 --draft-tokens 0 --draft-vocabulary 99 --beam 4 --nbest 4 --print-alignment --sampling",
            "--draft-tokens 0: expected 1 to 16; --beam 4: expected --beam 1 with --draft-dec-layers 1, which is "
            "greedy search; --sampling, --print-alignment hard: cannot be combined with --draft-dec-layers 1; leave "
            "out the one or the other; --draft-vocabulary 99: expected 1 to 16, the size of the dictionary",
        ),
        ("generate", f"{DRAFTS} 1 --path {{path}}:{{path}}", "--draft-dec-layers 1: expected one model, given an ens"),
        ("interactive", "--draft-vocabulary 9", "--draft-vocabulary 9: needs --draft-dec-layers"),
        ("generate", "--gen-subset x", "DATA {data}: no split x of src-tgt; it has test, train, valid"),
        ("validate", "--task translation --enc-layers 0", "--enc-layers 0: this model supports 1,2,3"),
        ("validate", "--task translation --subnetworks x", f"argument --subnetworks: {NO_CHOICE}"),
        ("validate", "--task translation --valid-subset x", "DATA {data}: no split x of src-tgt; it has test, train,"),
        ("interactive", "--dec-layers -1", f"--dec-layers -1: {DEPTHS}"),
        ("interactive", "--enc-layers x", "argument --enc-layers: invalid int value: 'x'"),
        ("interactive", "--depth-selector oracle:none", "--depth-selector oracle:none: no such directory"),
    ],
)
def test_decoding(command: str, options: str, message: str, data: Path, checkpoint: Path) -> None:
    given = options.format(path=checkpoint).split()
    line = decoding(data, checkpoint, *given, command=f"fairseq-{command}")
    program = f"fairseq-{command}: error" if message.startswith("argument") else "ValueError"
    assert line.startswith(f"{program}: {message.format(data=data)}")
