"""fairseq's speech-to-text task with ``--enc-layers`` and ``--dec-layers``."""

import os
from argparse import ArgumentParser
from typing import Any

from fairseq.criterions import FairseqCriterion
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.tasks.speech_to_text import SpeechToTextTask

from fairseq_flexdepth.compat import replace_task
from fairseq_flexdepth.files.speech_data import check_config, check_language_tags, check_manifest
from fairseq_flexdepth.protocols import Options
from fairseq_flexdepth.tasks.any_depth_task import AnyDepthTask
from fairseq_flexdepth.tasks.depth_options import DepthOptions
from fairseq_flexdepth.tasks.refused_options import BLEU, GREEDY, SELECTOR, add_refused

_LEAVE_OUT = "leave it out with --task speech_to_text"
_REFUSED = {
    **dict.fromkeys(SELECTOR, f"selectors read words, which speech has not; {_LEAVE_OUT}"),
    **dict.fromkeys(BLEU, f"validation of speech has no --eval-bleu; {_LEAVE_OUT}"),
    **dict.fromkeys(GREEDY, f"our greedy search decodes translations only; {_LEAVE_OUT}"),
}


class FlexDepthSpeechTask(AnyDepthTask, SpeechToTextTask):
    """fairseq's speech-to-text task at a chosen depth; it replaces ``--task speech_to_text``."""

    data_is = "with config.yaml, a dictionary, and a manifest for each split"

    @classmethod
    def add_args(cls, parser: ArgumentParser) -> None:
        """Add fairseq's options, those of a depth to decode at, and the refused options."""
        SpeechToTextTask.add_args(parser)
        gen_parser_from_dataclass(parser, DepthOptions())
        add_refused(parser, _REFUSED)

    @classmethod
    def setup_task(cls, cfg: Options, **kwargs: Any) -> "FlexDepthSpeechTask":
        """Set up the task, after a check of the data.

        Raises:
            ValueError: the folder, its configuration or its dictionary is missing or cannot be read.
        """
        if os.path.isdir(cfg.data):  # the mixin checks that
            check_config(cfg.data, cfg.config_yaml)
        return super().setup_task(cfg, **kwargs)

    def load_dataset(self, split: str, *args: Any, **kwargs: Any) -> None:
        """Load a split, or several, separated by commas.

        Raises:
            ValueError: a manifest is missing or wrong, does not fit the configuration of the data, or has a language
                without a tag in the dictionary.
        """
        for name in split.split(","):
            check_manifest(self.args.data, name, self.data_cfg)
            check_language_tags(self.args.data, name, self.data_cfg, self.tgt_dict)
        super().load_dataset(split, *args, **kwargs)

    def build_criterion(self, args: Any, **kwargs: Any) -> FairseqCriterion:
        """Build the criterion; fairseq's newer command lines also say whether it is from a checkpoint.

        Raises:
            ValueError: the targets begin with a language tag, which the criterion does not ignore.
        """
        if self.data_cfg.prepend_tgt_lang_tag and not hasattr(args, "ignore_prefix_size"):
            raise ValueError(
                f"--criterion {args._name}: does not ignore the language tag that prepend_tgt_lang_tag in "
                f"{self.args.config_yaml} puts before every target; use tied_multi_cross_entropy or "
                "label_smoothed_cross_entropy with --ignore-prefix-size 1"
            )
        return super().build_criterion(args)


replace_task("speech_to_text", FlexDepthSpeechTask)
