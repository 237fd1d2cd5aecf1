"""The fingerprint that decides whether an interrupted decoding may resume."""

from argparse import Namespace
from pathlib import Path

from fairseq.data.encoders.sentencepiece_bpe import SentencepieceConfig
from omegaconf import OmegaConf

from fairseq_flexdepth.corpus import fingerprint


def test_a_subword_model_counts_by_its_contents_and_not_by_its_name(tmp_path: Path) -> None:
    first, same, other = (tmp_path / name for name in ("first.model", "same.model", "other.model"))
    for path, content in ((first, "a"), (same, "a"), (other, "b")):
        path.write_text(content)

    def section(path: Path) -> object:
        options = OmegaConf.structured(SentencepieceConfig(sentencepiece_model=str(path)))
        return fingerprint._section(options)

    assert section(first) == section(same) != section(other)
    assert fingerprint._section(Namespace(_name="moses", source_lang="de")) == {"_name": "moses", "source_lang": "de"}
    assert fingerprint._section(None) is None
