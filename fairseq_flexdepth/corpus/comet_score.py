"""COMET, where its package is installed: the one module that knows it."""

import os
from typing import Any, Dict, List


class CometScorer:
    """Scores translations with a COMET model.

    Args:
        name: a checkpoint's file, or the name of a model for the package to download.
        use_cuda: compute on a GPU.

    Raises:
        ValueError: the package is not installed.
    """

    def __init__(self, name: str, use_cuda: bool) -> None:
        try:
            import comet
        except ImportError:
            raise ValueError(f"--comet {name}: needs the package unbabel-comet; pip install unbabel-comet") from None
        self._model: Any = comet.load_from_checkpoint(name if os.path.isfile(name) else comet.download_model(name))
        self._gpus = int(use_cuda)

    def __call__(self, sources: List[str], hypotheses: List[str], references: List[str]) -> Dict[str, float]:
        """The mean over the sentences, as COMET reports it."""
        data = [{"src": src, "mt": mt, "ref": ref} for src, mt, ref in zip(sources, hypotheses, references)]
        result = self._model.predict(data, batch_size=16, gpus=self._gpus, progress_bar=False)
        return {"comet": round(float(result.system_score), 4)}
