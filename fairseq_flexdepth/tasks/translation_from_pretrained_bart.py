"""fairseq's task to fine-tune mBART, ``translation_from_pretrained_bart``, at a chosen depth."""

from argparse import ArgumentParser, Namespace
from typing import Any, Sequence

from fairseq.data import Dictionary
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.tasks.translation_from_pretrained_bart import TranslationFromPretrainedBARTTask

from fairseq_flexdepth.compat import replace_task
from fairseq_flexdepth.tasks.bleu_at_depths import BleuAtDepthsMixin
from fairseq_flexdepth.tasks.depth_options import BleuOptions, DepthOptions
from fairseq_flexdepth.tasks.refused_options import TAGGED, add_refused
from fairseq_flexdepth.tasks.translation import CheckedTranslationTask


class FlexDepthTranslationFromPretrainedBARTTask(
    BleuAtDepthsMixin, CheckedTranslationTask, TranslationFromPretrainedBARTTask
):
    """fairseq's task ``translation_from_pretrained_bart`` at a chosen depth; it replaces fairseq's.

    fairseq's own stops at an ``AttributeError``: it reads ``self.args``, which its base class no longer sets.
    """

    @classmethod
    def setup_task(cls, cfg: Namespace, **kwargs: Any) -> Any:
        """Load the dictionaries.

        Raises:
            ValueError: as :class:`AnyDepthTask`, or ``--langs`` is missing or lacks a language of the direction.
        """
        if cfg.langs is None:
            raise ValueError("--langs: required, the languages of mBART's tags, in the order of its pre-training")
        task = super().setup_task(cfg, **kwargs)  # finds the languages in the names of the data
        missing = [language for language in (cfg.source_lang, cfg.target_lang) if language not in cfg.langs.split(",")]
        if missing:
            raise ValueError(f"--langs {cfg.langs}: expected {' and '.join(missing)}, too, of the direction")
        return task

    def __init__(self, args: Namespace, src_dict: Dictionary, tgt_dict: Dictionary) -> None:
        super().__init__(args, src_dict, tgt_dict)
        self.args = args

    @property
    def tag_words(self) -> Sequence[str]:  # type: ignore[override]
        """The words that mark languages."""
        return [f"[{language}]" for language in self.langs]

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Declare fairseq's options, those of depths, and the refused options."""
        TranslationFromPretrainedBARTTask.add_args(parser)
        for options in (DepthOptions(), BleuOptions()):
            gen_parser_from_dataclass(parser, options)
        add_refused(parser, TAGGED)


replace_task("translation_from_pretrained_bart", FlexDepthTranslationFromPretrainedBARTTask)
