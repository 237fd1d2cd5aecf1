"""fairseq's task to fine-tune mBART, ``translation_from_pretrained_bart``, at a chosen depth."""

from argparse import ArgumentParser, Namespace

from fairseq.data import Dictionary
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.tasks.translation_from_pretrained_bart import TranslationFromPretrainedBARTTask

from fairseq_flexdepth.compat import replace_task
from fairseq_flexdepth.tasks.depth_options import DepthOptions
from fairseq_flexdepth.tasks.translation import CheckedTranslationTask


class FlexDepthTranslationFromPretrainedBARTTask(CheckedTranslationTask, TranslationFromPretrainedBARTTask):
    """fairseq's task ``translation_from_pretrained_bart`` at a chosen depth; it replaces fairseq's.

    fairseq's own stops at an ``AttributeError``: it reads ``self.args``, which its base class no longer sets.
    """

    def __init__(self, args: Namespace, src_dict: Dictionary, tgt_dict: Dictionary) -> None:
        super().__init__(args, src_dict, tgt_dict)
        self.args = args

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Declare fairseq's options and the depth to decode at."""
        TranslationFromPretrainedBARTTask.add_args(parser)
        gen_parser_from_dataclass(parser, DepthOptions())


replace_task("translation_from_pretrained_bart", FlexDepthTranslationFromPretrainedBARTTask)
