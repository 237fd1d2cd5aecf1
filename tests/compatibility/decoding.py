"""What a committed checkpoint decodes: the same on every stack, for as long as checkpoints are to load."""

import gzip
import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import numpy
import torch
from fairseq import checkpoint_utils
from fairseq.dataclass.configs import GenerationConfig

from fairseq_flexdepth.decoding.selector_checkpoint import load_selector
from tests import tiny

HERE = Path(__file__).parent
DATA = HERE / "data"  # the dictionaries
SOURCES = ("w0", "w3 w1 w4 w1", "w5 w2 w6 w5 w3 w7", "w7 w7 w0")  # of the reversal corpus
TEXTS = ("w0 w1 w2", "w38 w39 w0", "w5 w9 w13 w17")  # of which the next words follow
GENERATION = GenerationConfig(beam=3, max_len_b=8)

# The text and the score of each sentence, by how it was decoded: a depth, such as 2-1.
Decoded = Dict[str, List[Tuple[str, float]]]


def unpacked(name: str, folder: Path) -> Path:
    """The checkpoint *name*, a/tied for one, as a file of its own in *folder*."""
    path = folder / f"{name.replace('/', '-')}.pt"
    path.write_bytes(gzip.decompress((HERE / "checkpoints" / f"{name}.pt.gz").read_bytes()))
    return path


def expected_file(stack: str) -> Path:
    """Where it is written what the checkpoints of a stack decoded when they were made."""
    return HERE / "checkpoints" / stack / "expected.json"


def expected(name: str) -> Decoded:
    """What the checkpoint *name* decoded when it was made."""
    stack, kind = name.split("/")
    return json.loads(expected_file(stack).read_text(encoding="utf-8"))[kind]


def decoded(path: Path) -> Decoded:
    """What the checkpoint says of the sentences for its kind."""
    state = checkpoint_utils.load_checkpoint_to_cpu(str(path))
    task = state["cfg"].task._name
    if task == "depth_selection":
        return of_selector(path)
    if task == "language_modeling":
        return of_language_model(path)
    return of_speech(path) if task == "speech_to_text" else of_translation(path)


def loaded(path: Path, data: str, **overrides: Any) -> Tuple[Any, Any]:
    """The model, ready to decode, and its task."""
    options = {"data": str(DATA / data), **overrides}
    (model,), _, task = checkpoint_utils.load_model_ensemble_and_task([str(path)], arg_overrides=options)
    return model.eval(), task


def best(model: Any, sample: Dict[str, Any]) -> List[Tuple[str, float]]:
    """The best hypothesis of each sentence."""
    words = model.decoder.dictionary
    return [
        (words.string(hypotheses[0]["tokens"]), float(hypotheses[0]["score"]))
        for hypotheses in tiny.generate([model], sample, beam=3)
    ]


def encoded(words: Any, lines: Tuple[str, ...]) -> List[torch.Tensor]:
    return [words.encode_line(line, add_if_not_exist=False).long() for line in lines]


def at_depths(model: Any) -> Iterator[str]:
    """Set each depth of the model in turn, and name it; a model of one depth runs whole."""
    pairs = model.depth_space.pairs if hasattr(model, "depth_space") else []
    if len(pairs) < 2:
        yield "whole"
        return
    for pair in pairs:
        model.set_depth(*pair)
        yield "{}-{}".format(*pair)


def of_translation(path: Path) -> Decoded:
    model, task = loaded(path, "translation", source_lang="src", target_lang="tgt")
    tokens = encoded(task.source_dictionary, SOURCES)
    dataset = task.build_dataset_for_inference(tokens, [len(row) for row in tokens])
    sample = dataset.collater([dataset[index] for index in range(len(tokens))])
    order = sample["id"].argsort().tolist()
    results: Decoded = {}
    for how in at_depths(model):
        found = searched(model, task, sample) if task.tag_words else best(model, sample)
        results[how] = [found[place] for place in order]
    return results


def searched(model: Any, task: Any, sample: Dict[str, Any], **options: Any) -> List[Tuple[str, float]]:
    """The best hypothesis of each sentence, found by the task's own search: the words of a language model go on."""
    generator = task.build_generator([model], GENERATION)
    words = task.target_dictionary
    return [
        (words.string(hypotheses[0]["tokens"]), float(hypotheses[0]["score"]))
        for hypotheses in task.inference_step(generator, [model], sample, **options)
    ]


def of_language_model(path: Path) -> Decoded:
    model, task = loaded(path, "language")
    results: Decoded = {}
    for how in at_depths(model):
        results[how] = []
        for text in encoded(task.source_dictionary, TEXTS):
            words = text[None, :-1]  # without the end: the model goes on
            sample = {"net_input": {"src_tokens": words, "src_lengths": torch.tensor([words.size(1)])}}
            results[how] += searched(model, task, sample, prefix_tokens=words)
    return results


def of_speech(path: Path) -> Decoded:
    """Every word is five frames in which one filter-bank bin sounds."""
    model, _ = loaded(path, "speech")
    results: Decoded = {}
    for how in at_depths(model):
        results[how] = []
        for said in ((0, 3, 1), (5, 2, 4, 0), (4, 1)):
            frames: Any = numpy.zeros((5 * len(said), 8), dtype=numpy.float32)
            for position, word in enumerate(said):
                frames[5 * position : 5 * position + 5, word] += 2
            net_input = {"src_tokens": torch.from_numpy(frames)[None], "src_lengths": torch.tensor([len(frames)])}
            results[how] += best(model, {"net_input": net_input})
    return results


def of_selector(path: Path) -> Decoded:
    words = tiny.Dictionary.load(str(DATA / "translation" / "dict.src.txt"))
    selector, threshold = load_selector(str(path), words)
    results = []
    for source in encoded(words, SOURCES):
        with torch.no_grad():
            probabilities = selector.probabilities(selector(source[None]))
        chosen = int(selector.choose(probabilities, threshold)[0])
        results.append(("{}-{}".format(*selector.pairs[chosen]), float(probabilities[0].sum())))
    return {"chosen": results}
