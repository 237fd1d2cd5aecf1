"""The depths of a model, each exported once for CTranslate2, to a folder beside the checkpoint."""

import hashlib
import json
import os
import shutil
from typing import Any

import ctranslate2
import torch

from fairseq_flexdepth.depth.supported_depths import DepthPair
from fairseq_flexdepth.export.ctranslate2 import convert, unsupported
from fairseq_flexdepth.export.loaded_model import EXPORTABLE, LoadedModel
from fairseq_flexdepth.export.stock_checkpoint import stock_model
from fairseq_flexdepth.files.checkpoints import check_finite
from fairseq_flexdepth.files.checksums import dictionary_checksum, file_checksum
from fairseq_flexdepth.files.locks import locked_folder
from fairseq_flexdepth.files.outputs import staging


class DepthCache:
    """The exported depths of one checkpoint, in the folder ``CHECKPOINT.ctranslate2``; delete it at any time.

    A depth's folder is used again while the checkpoint, the strategy of its sub-networks, the dictionaries and
    CTranslate2 are the same. Otherwise the depth is exported anew, and the former folder is removed.

    Args:
        path: the checkpoint.
        model: the loaded model.
        task: its task.
        overrides: ``--model-overrides``, with which it was loaded.

    Raises:
        ValueError: the model cannot be exported to CTranslate2, or the checkpoint's folder is not writable.
    """

    def __init__(self, path: str, model: Any, task: Any, overrides: str) -> None:
        self.folder = f"{path}.ctranslate2"
        self._loaded = LoadedModel(model, task, torch.float32, 0)
        if type(model) not in EXPORTABLE:
            found = type(model).__name__
            raise ValueError(f"--path {path}: holds a {found}; --engine ctranslate2 decodes with a Transformer")
        stock = stock_model(self._loaded, None, None)
        reasons = stock.unsupported + unsupported(stock.options)
        if reasons:
            raise ValueError(f"--path {path}: --engine ctranslate2 cannot decode with it: {'; '.join(reasons)}")
        check_finite(stock.state, f"--path {path}")
        place = self.folder if os.path.isdir(self.folder) else os.path.dirname(os.path.abspath(path))
        if not os.access(place, os.W_OK):
            raise ValueError(
                f"--path {path}: {place} is not writable, and --engine ctranslate2 exports the depths to it; link to "
                "the checkpoint from a folder of yours"
            )
        made_from = [
            file_checksum(path), getattr(model, "strategy", None), overrides, ctranslate2.__version__,
            *(dictionary_checksum(words) for words in (task.source_dictionary, task.target_dictionary)),
        ]  # fmt: skip
        self._key = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]

    def exported(self, pair: DepthPair, quantization: str) -> str:
        """The folder with the model at this depth pair in this type of weights, exported if need be.

        One process exports at a time; others wait.
        """
        kind = f"e{pair[0]}d{pair[1]}-{quantization}-"
        folder = os.path.join(self.folder, kind + self._key)
        with locked_folder(self.folder):
            if not os.path.isdir(folder):
                with staging(os.path.join(self.folder, "unfinished")) as staged:
                    converted = os.path.join(staged, "converted")
                    convert(self._loaded, stock_model(self._loaded, *pair), converted, quantization, {})
                    os.replace(converted, folder)
                for name in os.listdir(self.folder):
                    if name.startswith(kind) and name != os.path.basename(folder):
                        shutil.rmtree(os.path.join(self.folder, name))
        return folder
