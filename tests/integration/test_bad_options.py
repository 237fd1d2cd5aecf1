"""Bad options of every ``fairseq-flexdepth`` sub-command: status 2, one line, nothing written."""

from pathlib import Path

import pytest

from tests.integration.refusals import DECODING, contents, ours

NO_CHOICE = "invalid choice: 'x' (choose from"
SIX, PARAMS = "--layers 6", "--vocab-size 100 --arch tied_multi_transformer_tiny"

# sub-command, options, the message
WITHOUT_FILES = [
    ("depths", "", "the following arguments are required: --layers"),
    ("depths", "--layers 1.5", "argument --layers: invalid int value: '1.5'"),
    ("depths", "--layers 0", "--layers 0: expected 1 or more"),
    ("depths", f"{SIX} --strategy x", f"argument --strategy: {NO_CHOICE}"),
    ("depths", f"{SIX} --depths 1-3", "--depths 1-3: expected all, divisors or depths separated by commas such as"),
    ("depths", f"{SIX} --depths=-1,2", "--depths -1,2: depths must lie between 1 and 6, the number of layers"),
    ("depths", f"{SIX} --depths=", "--depths : expected all, divisors or depths"),
    ("depths", f"{SIX} --json 3", "unrecognized arguments: 3"),
    ("sharing", f"{SIX} --unique 2", "the following arguments are required: --strategy"),
    ("sharing", f"{SIX} --unique 2 --strategy x", f"argument --strategy: {NO_CHOICE}"),
    ("sharing", f"{SIX} --unique x --strategy cycle", "argument --unique: invalid int value: 'x'"),
    ("sharing", f"{SIX} --unique 4 --strategy cycle", "--unique 4: must divide 6, the number of layers: expected one"),
    ("sharing", f"{SIX} --unique 0 --strategy sequence", "--unique 0: must divide 6, the number of layers: expected"),
    ("sharing", f"{SIX} --unique -2 --strategy cycle_rev", "--unique -2: must divide 6, the number of layers: expec"),
    ("sharing", "--layers -6 --unique 2 --strategy cycle", "--layers -6: expected 1 or more"),
    ("params", "--arch transformer", "--vocab-size: required unless --source-vocab-size and --target-vocab-size"),
    ("params", "--arch transformer --vocab-size x", "argument --vocab-size: invalid int value: 'x'"),
    ("params", "--arch transformer --vocab-size 4", "--vocab-size 4: expected 5 or more, special symbols included"),
    ("params", "--vocab-size 9 --source-vocab-size 0", "--source-vocab-size 0: expected 5 or more"),
    ("params", "--vocab-size 9 --target-vocab-size -1", "--target-vocab-size -1: expected 5 or more"),
    ("params", f"{PARAMS} --user-dir", "--user-dir: expected a directory"),
    ("params", f"{PARAMS} --criterion x", "--criterion x: unknown name; see fairseq-train --help"),
    ("params", f"{PARAMS} --encoder-layers 0", "--encoder-layers 0: expected 1 or more"),
    ("params", f"{PARAMS} --decoder-embed-dim -4", "--decoder-embed-dim -4: expected 1 or more"),
    ("params", f"{PARAMS} --encoder-attention-heads 3", "--encoder-attention-heads 3: expected a divisor of --encoder"),
    ("params", "--vocab-size 9 --arch transformer_tiny --encoder-embed-dim 0", "--arch transformer_tiny: fairseq ref"),
    ("export", "--output x.pt", "the following arguments are required: --path"),
    ("export", "--path x.pt", "the following arguments are required: --output"),
    ("export", "--path x.pt --output x --enc-layers x", "argument --enc-layers: invalid int value: 'x'"),
    ("export", "--path x.pt --output x --dec-layers 1.5", "argument --dec-layers: invalid int value: '1.5'"),
    ("export", "--path x.pt --output x --format x", f"argument --format: {NO_CHOICE}"),
    ("export", "--path x.pt --output x --quantization x", f"argument --quantization: {NO_CHOICE}"),
    ("export", "--path x.pt --output x --nbest 3", "unrecognized arguments: --nbest 3"),
    ("export", "--path x.pt --output x --max-len-b x", "argument --max-len-b: invalid int value: 'x'"),
    ("prune", "--path x.pt --output x", "the following arguments are required: --fraction"),
    ("prune", "--path x.pt --output x --fraction x", "argument --fraction: invalid float value: 'x'"),
    ("prune", "--path x.pt --output x --fraction=-0.1", "--fraction -0.1: expected a number between 0 and 1, both"),
    ("prune", "--path x.pt --output x --fraction inf", "--fraction inf: expected a number between 0 and 1, both"),
    ("prune", "--path x.pt --output= --fraction 0.5", "--output: expected a path, given an empty string"),
    ("average", "--output x", "the following arguments are required: --inputs"),
    ("average", "--output x --inputs", "argument --inputs: expected at least one argument"),
    ("average", "--output= --inputs x.pt", "--output: expected a path, given an empty string"),
    ("average", "--output x --inputs . --num-epoch-checkpoints x", "argument --num-epoch-checkpoints: invalid int"),
    ("average", "--output x --inputs . --num-epoch-checkpoints 0", "--num-epoch-checkpoints 0: . has 0 such checkpo"),
    ("average", "--output x --inputs . --num-update-checkpoints -1", "--num-update-checkpoints -1: . has 0 such che"),
    ("average", "--output x --inputs . . --num-best-checkpoints 1", "--inputs . .: expected one directory with --num"),
    ("average", "--output x --inputs . --num-best-checkpoints 1 --num-epoch-checkpoints 1", "argument --num-epoch-che"),
    ("doctor", "--jsn", "unrecognized arguments: --jsn"),
    ("doctor", "torch", "unrecognized arguments: torch"),
    ("sweep", "--output x --repeat x", "argument --repeat: invalid int value: 'x'"),
    ("sweep", "--output x --budget x", "argument --budget: invalid float value: 'x'"),
    ("sweep", "--path x.pt", "the following arguments are required: --output"),
    ("oracle", "--output x --metric x", f"argument --metric: {NO_CHOICE}"),
    ("oracle", "--output", "argument --output: expected one argument"),
    ("distill", "--dest x --select x", f"argument --select: {NO_CHOICE}"),
    ("distill", "--dest x --max-length x", "argument --max-length: invalid int value: 'x'"),
    ("distill", "--dest x --max-ratio x", "argument --max-ratio: invalid float value: 'x'"),
    ("distill", "--path x.pt", "the following arguments are required: --dest"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "options", "message"), WITHOUT_FILES)
def test_options_alone(
    command: str, options: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ours(command, *options.split()).startswith(message)
    assert not list(tmp_path.iterdir())


WITH_A_MODEL = [
    ("sweep", "--depths 1-", "--depths 1-: expected encoder and decoder depths such as 1-1,3-2"),
    ("sweep", "--depths 0-1", "--depths 0-1: "),
    ("sweep", "--repeat -1", "--repeat -1: expected 1 or more"),
    ("sweep", "--budget 0", "--budget 0: expected a share above 0 and at most 1"),
    ("sweep", "--budget nan", "--budget nan: expected a share above 0 and at most 1"),
    ("sweep", "--comet x", "--comet x: needs the package unbabel-comet"),
    ("sweep", "--subnetworks x", f"argument --subnetworks: {NO_CHOICE}"),
    ("sweep", "--selector-threshold 0.5", "--selector-threshold 0.5: expected a --depth-selector, too"),
    ("sweep", "--beam 0", "--beam 0: expected 1 or more"),
    ("sweep", "--required-batch-size-multiple 0", "--required-batch-size-multiple 0: expected 1 or more"),
    ("sweep", "--max-len-b -1", "fairseq cannot search with these options and models: min_len cannot be larger"),
    ("sweep", "--diverse-beam-groups 3", "DiverseBeamSearch requires --beam to be divisible by the number of groups"),
    ("sweep", "--model-overrides {", "--model-overrides {: expected a dictionary such as"),
    ("sweep", "--model-overrides 3", "--model-overrides 3: expected a dictionary such as"),
    ("sweep", "--post-process x", "--post-process x: Unknown post_process option: x"),
    ("sweep", "--bpe sentencepiece", "--bpe sentencepiece: "),
    ("sweep", "--bpe subword_nmt --bpe-codes none", "--bpe subword_nmt: file none not found"),
    ("sweep", "--tokenizer moses", "--tokenizer moses: needs --source-lang and --target-lang"),
    ("sweep", "--scoring chrf", "--scoring chrf: expected sacrebleu, which computes BLEU and chrF, or wer"),
    ("sweep", "--scoring sacrebleu --sacrebleu-tokenizer x", "argument --sacrebleu-tokenizer: invalid choice"),
    ("sweep", "--constraints --bf16", "--bf16: fairseq-generate ignores it; expected --fp16 or full precision; --"),
    ("sweep", "--shard-id 1 --depth-selector x", "--shard-id 1: sweep decodes the whole split; --depth-selector x: sw"),
    ("sweep", "--required-seq-len-multiple 0", "--required-seq-len-multiple 0: expected 1 or more"),
    ("sweep", "--sampling --sampling-topk 99", "--sampling-topk 99: expected 16 or less, the target words"),
    ("sweep", "--engine x", f"argument --engine: {NO_CHOICE}"),
    ("sweep", "--quantization int8 --intra-threads 1", "--quantization int8, --intra-threads 1: for --engine ctr"),
    ("oracle", "--inter-threads 2", "--inter-threads 2: for --engine ctranslate2 only; leave it out"),
    ("distill", "--engine ctranslate2 --inter-threads 0", "--inter-threads 0: expected 1 or more"),
    ("distill", "--engine ctranslate2 --quantization int8,int16", "--quantization int8,int16: expected one type"),
    ("sweep", "--engine ctranslate2 --quantization int8,int8", "--quantization int8,int8: expected different types of"),
    ("oracle", "--engine ctranslate2 --quantization int4", "--quantization int4: expected one of int8, int8_float32, "),
    ("oracle", "--num-batch-buckets 4", "--num-batch-buckets 4: not supported: it only adds padding; translations are"),
    ("oracle", "--distributed-world-size 2", "--distributed-world-size 2: expected --num-shards and --shard-id; leave"),
    ("oracle", "--dec-layers 1", "--dec-layers 1: oracle decodes at every depth; leave it out"),
    ("oracle", "--merge --num-shards 2", "--merge: "),
    ("oracle", "--shard-id -1", "--shard-id -1: expected 0 to 0 with --num-shards 1"),
    ("distill", "--max-ratio nan", "--max-ratio nan: expected 1 or more"),
    ("distill", "--max-length -3", "--max-length -3: expected 1 or more"),
    ("distill", "--select all --nbest 5", "--nbest 5: expected 2, the value of --beam: all hypotheses are used"),
    ("distill", "--replace-unk", "--replace-unk @@ : not supported by distill; leave it out"),
    ("distill", "--scoring sacrebleu", "--scoring sacrebleu: has no effect without --select sentence-bleu"),
    ("distill", "--task language_modeling", "--task language_modeling: distill takes translation, "),
    ("distill", "--depth-selector length:", "--depth-selector length:: expected ascending lengths and depths"),
    ("distill", "--depth-selector oracle:none", "--depth-selector oracle:none: no such directory"),
    ("export", "--enc-layers 0", "--enc-layers 0: this model supports 1,2,3"),
    ("export", "--dec-layers 9", "--dec-layers 9: this model supports 1,2"),
    ("export", "--quantization int8", "--quantization int8: needs --format ctranslate2"),
    ("export", "--beam 3 --bpe-codes x", "--bpe-codes, --beam: needs --format huggingface"),
    ("export", "--format huggingface --beam 0", "--beam 0: expected 1 or more"),
    ("export", "--format huggingface --lenpen nan", "--lenpen nan: expected a number"),
    ("export", "--format huggingface --bpe-codes x", "--bpe-codes x: no such file"),
    ("export", "--format huggingface --sweep setup.py", "--sweep setup.py: expected a sweep.json of fairseq-flexdepth"),
    ("export", "--format huggingface --bpe-codes x --sentencepiece-model y", "--bpe-codes x: expected no --sentencepi"),
    ("export", "--format huggingface --sentencepiece-model a b c", "--sentencepiece-model a b c: expected one file"),
    ("export", "--data=", "--data : no such directory; give the one with the model's dictionaries"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "options", "message"), WITH_A_MODEL)
def test_options_that_a_model_is_needed_to_judge(
    command: str, options: str, message: str, data: Path, checkpoint: Path, tmp_path: Path
) -> None:
    place = ("--dest" if command == "distill" else "--output", tmp_path / "new")
    given = () if command == "export" else (data, *DECODING)
    assert ours(command, *given, "--path", checkpoint, *place, *options.split()).startswith(message)
    assert contents(tmp_path) == {}
    assert not list(tmp_path.iterdir())
