"""``README.md``, the model card: the depth, the data, BLEU, and the command that wrote the folder."""

from typing import List, NamedTuple, Optional

from fairseq_flexdepth import __version__
from fairseq_flexdepth.export.huggingface.configuration import Search
from fairseq_flexdepth.export.huggingface.subwords import Subwords
from fairseq_flexdepth.export.huggingface.tokenizer_files import TARGET, has_target_tokenizer
from fairseq_flexdepth.export.loaded_model import LoadedModel, longest_sentences
from fairseq_flexdepth.export.stock_checkpoint import StockModel


class MeasuredScore(NamedTuple):
    """BLEU of the depth, as ``sweep`` measured it."""

    bleu: float
    sentences: int
    beam: int
    signature: str


class CardFacts(NamedTuple):
    """Facts that the model itself does not tell."""

    command: str  # that writes the folder
    data: str  # the name of the data set
    parameters: int
    score: Optional[MeasuredScore]


def model_card(loaded: LoadedModel, stock: StockModel, subwords: Subwords, search: Search, facts: CardFacts) -> str:
    """The model card as Markdown with Hugging Face's header."""
    source, target = loaded.task.cfg.source_lang, loaded.task.cfg.target_lang
    encoder, decoder = (len(positions) for positions in stock.positions)
    rows = "\n".join(f"| {row} |" for row in _rows(loaded, stock, search, facts))
    return f"""---
library_name: transformers
pipeline_tag: translation
tags: [translation, fairseq]
---

# {source} to {target}, {encoder} encoder and {decoder} decoder layers

One depth of a fairseq model, exported by fairseq_flexdepth {__version__}.

| | |
|---|---|
{rows}

```python
{_usage(loaded, subwords)}
```

Greedy translations (`num_beams=1`) equal fairseq's. `save_pretrained` of `transformers` leaves out the positions of a
`MarianMTModel`: keep this folder's `model.safetensors` if you train such a model on.

## The command

```
{facts.command}
```
"""


def _rows(loaded: LoadedModel, stock: StockModel, search: Search, facts: CardFacts) -> List[str]:
    dictionaries = [len(loaded.task.source_dictionary), len(loaded.task.target_dictionary)]
    layers = [",".join(map(str, positions)) for positions in stock.positions]
    rows = [
        f"encoder layers of the model | {layers[0]}",
        f"decoder layers of the model | {layers[1]}",
        f"parameters | {facts.parameters:,}",
        f"data | {facts.data}; dictionaries of {dictionaries[0]:,} and {dictionaries[1]:,} tokens",
        f"updates | {loaded.updates:,}",
        f"longest source | {longest_sentences(loaded)[0]:,} tokens",
        f"search | beam {search.beam}, length penalty {search.lenpen:g}, at most {search.max_len_b:,} tokens",
    ]
    if facts.score is not None:
        bleu, sentences, beam, signature = facts.score
        rows.append(f"BLEU | {bleu:.2f} on {sentences:,} sentences, beam {beam} ({signature.replace('|', ', ')})")
    return rows


def _usage(loaded: LoadedModel, subwords: Subwords) -> str:
    own_target = has_target_tokenizer(loaded, subwords)
    text = "A sentence." if subwords.splits else "tokens of the dictionary"
    lines = [
        "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer",
        "",
        'folder = "."  # this folder',
        "model = AutoModelForSeq2SeqLM.from_pretrained(folder)",
        "tokenizer = AutoTokenizer.from_pretrained(folder)",
        f'target = AutoTokenizer.from_pretrained(folder, subfolder="{TARGET}")' if own_target else "target = tokenizer",
        f'inputs = tokenizer(["{text}"], return_tensors="pt", padding=True)',
        'outputs = model.generate(inputs["input_ids"], attention_mask=inputs["attention_mask"])',
        "print(target.batch_decode(outputs, skip_special_tokens=True))",
    ]
    return "\n".join(lines)
