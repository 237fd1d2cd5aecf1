"""Embeddings that a depth selector starts from: those of the translation model (tied_multi §4.2)."""

from typing import Any

from torch import Tensor

from fairseq_flexdepth.files.checkpoints import read_checkpoint

_KEY = "encoder.embed_tokens.weight"


def translation_embeddings(path: str, dictionary: Any) -> Tensor:
    """The source embeddings of the translation checkpoint *path*: words × width, in fp32.

    Raises:
        ValueError: there is no such file, it is no checkpoint, or has no embeddings of *dictionary*'s words.
    """
    option = f"--init-embeddings-from {path}"
    weights = read_checkpoint("--init-embeddings-from", path)["model"]
    if _KEY not in weights:
        raise ValueError(f"{option}: has no {_KEY}; expected a checkpoint of --task translation")
    if len(weights[_KEY]) != len(dictionary):
        raise ValueError(
            f"{option}: has embeddings of {len(weights[_KEY])} words, DATA's dictionary {len(dictionary)}; expected "
            "the model that the labels were made with"
        )
    return weights[_KEY].float()
