"""fairseq's task for many language pairs with one model, ``translation_multi_simple_epoch``, at a chosen depth."""

from argparse import ArgumentParser

from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.tasks.translation_multi_simple_epoch import TranslationMultiSimpleEpochTask

from fairseq_flexdepth.compat import replace_task
from fairseq_flexdepth.tasks.any_depth_task import AnyDepthTask
from fairseq_flexdepth.tasks.depth_options import DepthOptions


class FlexDepthTranslationMultiSimpleEpochTask(AnyDepthTask, TranslationMultiSimpleEpochTask):
    """fairseq's task ``translation_multi_simple_epoch`` at a chosen depth; it replaces fairseq's."""

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Declare fairseq's options and the depth to decode at."""
        TranslationMultiSimpleEpochTask.add_args(parser)
        gen_parser_from_dataclass(parser, DepthOptions())


replace_task("translation_multi_simple_epoch", FlexDepthTranslationMultiSimpleEpochTask)
