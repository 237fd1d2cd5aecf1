"""fairseq's task for many language pairs with one model, ``translation_multi_simple_epoch``, at a chosen depth."""

import itertools
from argparse import ArgumentParser
from typing import Any, Sequence

from fairseq.data.multilingual.multilingual_utils import get_lang_tok
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models import BaseFairseqModel
from fairseq.tasks.translation_multi_simple_epoch import TranslationMultiSimpleEpochTask

from fairseq_flexdepth.compat import replace_task
from fairseq_flexdepth.tasks.depth_options import DepthOptions
from fairseq_flexdepth.tasks.many_directions import ManyDirectionsTask
from fairseq_flexdepth.tasks.refused_options import MANY_DIRECTIONS, add_refused


class FlexDepthTranslationMultiSimpleEpochTask(ManyDirectionsTask, TranslationMultiSimpleEpochTask):
    """fairseq's task ``translation_multi_simple_epoch`` at a chosen depth; it replaces fairseq's."""

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Declare fairseq's options, those of a depth to decode at, and the refused options."""
        TranslationMultiSimpleEpochTask.add_args(parser)
        gen_parser_from_dataclass(parser, DepthOptions())
        add_refused(parser, MANY_DIRECTIONS)

    def build_generator(self, models: Sequence[BaseFairseqModel], *args: Any, **kwargs: Any) -> Any:
        """Build the beam search; an argument of fairseq's hub interface, which fairseq's task lacks, must be ``None``.

        Raises:
            ValueError: the argument is given, or no direction is.
        """
        if kwargs.pop("prefix_allowed_tokens_fn", None) is not None:
            raise ValueError("prefix_allowed_tokens_fn: not supported by --task translation_multi_simple_epoch")
        return super().build_generator(models, *args, **kwargs)

    @property
    def tag_words(self) -> Sequence[str]:  # type: ignore[override]
        """The words that mark languages."""
        styles = itertools.product(self.langs, self.args.langtoks_specs)
        return [get_lang_tok(language, self.args.lang_tok_style, spec) for language, spec in styles]


replace_task("translation_multi_simple_epoch", FlexDepthTranslationMultiSimpleEpochTask)
