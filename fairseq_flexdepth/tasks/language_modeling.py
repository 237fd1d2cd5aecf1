"""fairseq's language modelling task with ``--dec-layers`` and ``--subnetworks``."""

from argparse import SUPPRESS
from dataclasses import dataclass, field, make_dataclass
from typing import Any, Optional, Tuple

from fairseq.data import Dictionary, FairseqDataset
from fairseq.dataclass import FairseqDataclass
from fairseq.tasks.language_modeling import LanguageModelingConfig, LanguageModelingTask

from fairseq_flexdepth.compat import register_task, replace_task
from fairseq_flexdepth.files import binarised_data
from fairseq_flexdepth.protocols import Options
from fairseq_flexdepth.tasks.any_depth_task import AnyDepthTask
from fairseq_flexdepth.tasks.depth_options import DecoderDepthOptions
from fairseq_flexdepth.tasks.refused_options import BLEU, GREEDY, SELECTOR

# The options of translation that a language model does not take, each with the reason.
_REFUSED = {
    "--enc-layers": "a language model has no encoder; give --dec-layers alone",
    **dict.fromkeys(SELECTOR, "reads source sentences, which a language model does not have"),
    **dict.fromkeys((*GREEDY, *BLEU), "is for translation"),
}
# A task with a dataclass declares them as fields, for hydra, too.
_FIELDS = {option: option[2:].replace("-", "_") for option in _REFUSED}
_HIDDEN = {"help": SUPPRESS, "argparse_const": ""}
RefusedOptions: Any = make_dataclass(
    "RefusedOptions",
    [(name, Optional[str], field(default=None, metadata=_HIDDEN)) for name in _FIELDS.values()],
    bases=(FairseqDataclass,),
)


@dataclass
class FlexDepthLanguageModelingConfig(DecoderDepthOptions, RefusedOptions, LanguageModelingConfig):
    """fairseq's options of language modelling, and the depth to run at."""


@register_task("language_modeling_flexdepth", dataclass=FlexDepthLanguageModelingConfig)
class FlexDepthLanguageModelingTask(AnyDepthTask, LanguageModelingTask):
    """fairseq's language modelling task at a chosen depth; it also replaces ``--task language_modeling``."""

    data_is = "made by fairseq-preprocess --only-source"

    @classmethod
    def setup_task(cls, cfg: Options, **kwargs: Any) -> "FlexDepthLanguageModelingTask":
        """Set up the task as fairseq does.

        Raises:
            ValueError: an option of translation is given, or the data directory is missing or has no dictionary.
        """
        given = {option: getattr(cfg, name, None) for option, name in _FIELDS.items()}
        mistakes = [
            f"{f'{option} {value}'.rstrip()}: {_REFUSED[option]}"
            for option, value in given.items()
            if value is not None
        ]
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return super().setup_task(cfg, **kwargs)

    @classmethod
    def setup_dictionary(cls, args: Options, **kwargs: Any) -> Tuple[Dictionary, Dictionary]:
        """Load the dictionary.

        Raises:
            ValueError: there is none.
        """
        try:
            return super().setup_dictionary(args, **kwargs)
        except FileNotFoundError as error:
            raise ValueError(f"DATA {args.data}: has no dict.txt; expected a directory {cls.data_is}") from error

    def load_dataset(self, split: str, epoch: int = 1, combine: bool = False, **kwargs: Any) -> None:
        """Load a split.

        Raises:
            ValueError: the split is missing, empty, damaged or made with another dictionary.
        """
        data, impl = self.option("data"), self.option("dataset_impl")
        self.check_once(split, lambda folder: binarised_data.check_text(folder, split, self.source_dictionary, impl))
        try:
            super().load_dataset(split, epoch, combine, **kwargs)
        except FileNotFoundError as error:
            raise binarised_data.no_such_split(data, split, (), impl) from error

    def eval_lm_dataloader(self, dataset: FairseqDataset, *args: Any, **kwargs: Any) -> Any:
        """Make the batches of ``fairseq-eval-lm``.

        Raises:
            ValueError: every sample is longer than the model's positions; fairseq would skip them all and report a
                perplexity of 1.
        """
        batches = super().eval_lm_dataloader(dataset, *args, **kwargs)
        if len(dataset) and not len(batches):
            raise ValueError(
                f"--tokens-per-sample {self.option('tokens_per_sample')}: every sample is longer than the model's "
                f"{kwargs.get('max_positions')} positions; expected at most as many"
            )
        return batches


replace_task("language_modeling", FlexDepthLanguageModelingTask, FlexDepthLanguageModelingConfig)
