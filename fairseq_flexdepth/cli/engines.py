"""``--engine``: whether fairseq or CTranslate2 decodes in ``sweep``, ``oracle`` and ``distill``."""

import argparse
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

from fairseq_flexdepth.cli.export import QUANTIZATIONS
from fairseq_flexdepth.cli.generate_options import CTRANSLATE2, ENGINES, FAIRSEQ
from fairseq_flexdepth.cli.needed_package import need_package

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from fairseq_flexdepth.cli.report.facts import EngineFacts
    from fairseq_flexdepth.corpus.ctranslate2_engine import Exported
    from fairseq_flexdepth.corpus.engine import Engine, Teacher
    from fairseq_flexdepth.corpus.split import Split
    from fairseq_flexdepth.depth.supported_depths import DepthPair

FLOAT32 = "float32"


def add_engine_arguments(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Declare the options of engines.

    Args:
        parser: the parser of a sub-command.
        several: whether ``--quantization`` takes several types.
    """
    parser.add_argument(
        "--engine", choices=ENGINES, default=FAIRSEQ,
        help="the search that decodes: fairseq's, or CTranslate2's with each depth exported to CHECKPOINT.ctranslate2 "
        "(default: fairseq)",
    )  # fmt: skip
    types = ", ".join(QUANTIZATIONS)
    parser.add_argument(
        "--quantization", metavar="TYPE,..." if several else "TYPE",
        help=f"type of the weights with --engine ctranslate2{', or several to compare' if several else ''}: {types} "
        "(default: float32)",
    )  # fmt: skip
    parser.add_argument(
        "--inter-threads", type=int, metavar="N",
        help="with --engine ctranslate2: decode each batch in N parts at the same time (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--intra-threads", type=int, metavar="N",
        help="with --engine ctranslate2: threads of each part (default: as torch has, one per core unless "
        "OMP_NUM_THREADS says otherwise)",
    )  # fmt: skip


def check_engine(args: argparse.Namespace, several: bool = False) -> None:
    """Check the options of engines, before anything is loaded.

    Raises:
        ValueError: one is given without ``--engine ctranslate2``, or has a wrong value.
        ImportError: CTranslate2 is missing.
    """
    given = {
        f"--{name.replace('_', '-')}": getattr(args, name)
        for name in ("quantization", "inter_threads", "intra_threads")
        if getattr(args, name) is not None
    }
    if args.engine == FAIRSEQ:
        if given:
            named = ", ".join(f"{option} {value}" for option, value in given.items())
            raise ValueError(f"{named}: for --engine ctranslate2 only; leave {'it' if len(given) == 1 else 'them'} out")
        return
    need_package(f"--engine {args.engine}", "ctranslate2")
    for option in ("--inter-threads", "--intra-threads"):
        if given.get(option, 1) < 1:
            raise ValueError(f"{option} {given[option]}: expected 1 or more")
    args.quantization = FLOAT32 if args.quantization is None else args.quantization
    types = args.quantization.split(",")
    if not several and len(types) > 1:
        raise ValueError(f"--quantization {args.quantization}: expected one type")
    if len(set(types)) < len(types) or not set(types) <= set(QUANTIZATIONS):
        allowed = f"expected {'different types' if several else 'one'} of {', '.join(QUANTIZATIONS)}"
        raise ValueError(f"--quantization {args.quantization}: {allowed}")


class EngineChoice:
    """The engine that the options ask for, before the models are loaded.

    For CTranslate2, *config* is changed so that fairseq's models stay on the CPU, where they are exported.

    Args:
        args: the options of the sub-command, checked by :func:`check_engine`.
        config: fairseq's options.

    Raises:
        ValueError: CTranslate2 has not the type of weights on this device, or finds no GPU where torch does.
    """

    def __init__(self, args: argparse.Namespace, config: "DictConfig") -> None:
        import torch

        from fairseq_flexdepth.corpus.loaded_models import uses_cuda

        self.name: str = args.engine
        self.use_cuda = uses_cuda(config)
        self.threads: int = 1 if self.use_cuda else torch.get_num_threads()
        if self.name == FAIRSEQ:
            return
        import ctranslate2

        from fairseq_flexdepth.corpus.ctranslate2_search import CTranslate2Options

        config.common.cpu = True
        device, index = ("cuda", torch.cuda.current_device()) if self.use_cuda else ("cpu", 0)
        if self.use_cuda and ctranslate2.get_cuda_device_count() == 0:
            raise ValueError("--engine ctranslate2: finds no GPU, though torch does; decode with --cpu")
        types = tuple(args.quantization.split(","))
        supported = ctranslate2.get_supported_compute_types(device, index)
        missing = [name for name in types if name not in supported]
        if missing:
            here = f"not on this {'GPU' if self.use_cuda else 'CPU'}; expected {', '.join(sorted(supported))}"
            raise ValueError(f"--quantization {','.join(missing)}: {here}")
        inter, intra = args.inter_threads or 1, args.intra_threads or torch.get_num_threads()
        self.threads = 1 if self.use_cuda else inter * intra
        self.options = CTranslate2Options(device, index, types, inter, intra)

    @property
    def settings(self) -> Dict[str, Any]:
        """The settings that determine the results; none for fairseq's engine."""
        if self.name == FAIRSEQ:
            return {}
        import ctranslate2

        version = f"{CTRANSLATE2} {ctranslate2.__version__}"
        return {"engine": version, "quantization": list(self.options.quantizations)}

    @property
    def timed_settings(self) -> Dict[str, Any]:
        """The settings that times depend on besides."""
        if self.name == FAIRSEQ:
            return {}
        return {"inter_threads": self.options.inter_threads, "intra_threads": self.options.intra_threads}

    @property
    def facts(self) -> "EngineFacts":
        """The engine as the report of a sweep describes it."""
        if self.name == FAIRSEQ:
            return {"engine": FAIRSEQ}
        return {**self.settings, **self.timed_settings}  # type: ignore[typeddict-item]

    def build(
        self,
        split: "Split",
        depths: "Optional[Sequence[DepthPair]]" = None,
        compare: bool = False,
        draft: Optional[Dict[str, Any]] = None,
    ) -> "Engine":
        """The engine that decodes *split*; the arguments are those of ``EveryDepth``.

        Raises:
            ValueError: the options or the models are refused.
        """
        if self.name == FAIRSEQ:
            from fairseq_flexdepth.corpus.every_depth import EveryDepth

            return EveryDepth(split, depths, compare, draft)
        from fairseq_flexdepth.corpus.ctranslate2_engine import CTranslate2Depths

        return CTranslate2Depths(split, self.options, _exported(split), depths, compare)

    def build_teacher(self, split: "Split", hypothesis_filter: str) -> "Teacher":
        """The teacher that translates *split* for a hypothesis filter.

        Raises:
            ValueError: the options or the models are refused.
        """
        if self.name == FAIRSEQ:
            from fairseq_flexdepth.corpus.distill import FairseqTeacher

            return FairseqTeacher(split, hypothesis_filter)
        from fairseq_flexdepth.corpus.ctranslate2_engine import CTranslate2Teacher

        return CTranslate2Teacher(split, self.options, _exported(split), hypothesis_filter)


def _exported(split: "Split") -> "Exported":
    """A function that exports the depths of the split's models."""
    from fairseq_flexdepth.export.depth_cache import DepthCache

    caches: List[DepthCache] = [
        DepthCache(path, models[0], split.task, split.cfg.common_eval.model_overrides)
        for path, models in zip(split.paths, split.ensembles)
    ]
    return lambda model, pair, quantization: caches[model].exported(pair, quantization)
