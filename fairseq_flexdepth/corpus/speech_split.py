"""A split of speech, set up as ``fairseq-generate --task speech_to_text`` does."""

from typing import List, Sequence

from omegaconf import DictConfig

from fairseq_flexdepth.corpus.split import Split
from fairseq_flexdepth.decoding.model_depth import SPEECH_TASK


class SpeechSplit(Split):
    """A :class:`Split` whose sources are utterances: as text, the name of each, and ``src_text`` of the manifest."""

    source_is_text = False

    def require_references(self, needed_by: str) -> None:
        """Do nothing: every manifest has references."""

    @property
    def languages(self) -> List[str]:
        """The codes of the source and the target language, if the manifest has them; "" for an unknown one."""
        return [(codes or [""])[0] for codes in (self.dataset.src_langs, self.dataset.tgt_langs)]

    def source_text(self, index: int) -> str:
        """The name of utterance number *index*, and its transcript."""
        return f"{self.dataset.ids[index]} {self.dataset.src_texts[index]}".strip()

    def reference_text(self, index: int) -> str:
        """Reference number *index* as text; as in fairseq, unknown words are escaped (``<<unk>>``)."""
        dictionary = self.task.target_dictionary
        line = self.dataset.get_tokenized_tgt_text(index)
        tokens = dictionary.encode_line(line, add_if_not_exist=False, append_eos=True)
        return self._text(dictionary, tokens.tolist(), escape_unk=True)


def open_split(cfg: DictConfig, paths: Sequence[str]) -> Split:
    """Open the split that *cfg* names, of text or of speech; see :class:`Split`.

    Raises:
        ValueError: as :class:`Split`, or several splits of speech are given.
    """
    if cfg.task._name != SPEECH_TASK:
        return Split(cfg, paths=paths)
    if "," in cfg.dataset.gen_subset:
        raise ValueError(f"--gen-subset {cfg.dataset.gen_subset}: expected one split")
    return SpeechSplit(cfg, paths=paths)
