"""The whole folder: weights, configuration, tokenizer and model card."""

import os
import shutil
from typing import NamedTuple

from safetensors.torch import save_file

from fairseq_flexdepth.export.huggingface.configuration import Search, generation_config, model_config
from fairseq_flexdepth.export.huggingface.families import choose_family
from fairseq_flexdepth.export.huggingface.model_card import CardFacts, model_card
from fairseq_flexdepth.export.huggingface.subwords import Subwords
from fairseq_flexdepth.export.huggingface.tokenizer_files import write_json, write_tokenizer
from fairseq_flexdepth.export.huggingface.weights import weights
from fairseq_flexdepth.export.loaded_model import LoadedModel
from fairseq_flexdepth.export.stock_checkpoint import StockModel

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class Contents(NamedTuple):
    """What the folder holds beside the model."""

    subwords: Subwords
    search: Search  # the defaults of the folder's beam search
    facts: CardFacts


def write_folder(loaded: LoadedModel, stock: StockModel, folder: str, contents: Contents) -> None:
    """Write a folder that ``AutoModelForSeq2SeqLM`` and ``AutoTokenizer`` load.

    Args:
        loaded: the loaded checkpoint; gives the dictionaries.
        stock: the weights and options of the depth to write; none of its options is unsupported.
        folder: a folder that does not exist.
        contents: what the folder holds beside the model.
    """
    os.mkdir(folder)
    family = choose_family(stock.options)
    symbols = loaded.task.target_dictionary
    write_json(model_config(stock, family, symbols), folder, CONFIG)
    # transformers reads the framework from the metadata
    save_file(weights(stock, family, loaded.model), os.path.join(folder, WEIGHTS), metadata={"format": "pt"})
    shutil.copymode(os.path.join(folder, CONFIG), os.path.join(folder, WEIGHTS))  # else others could not read it
    write_json(generation_config(contents.search, symbols), folder, "generation_config.json")
    write_tokenizer(loaded, contents.subwords, folder)
    with open(os.path.join(folder, "README.md"), "w", encoding="utf-8") as file:
        file.write(model_card(loaded, stock, *contents))
