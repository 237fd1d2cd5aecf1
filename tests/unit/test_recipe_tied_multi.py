"""Labels that the classifiers of tied_multi's Table 2 do not train on."""

from pathlib import Path

import numpy
import pytest

from fairseq_flexdepth.files.depth_labels import DepthLabels, labels_file, load_labels
from recipes.tied_multi.held_out import hold_out


def test_every_labelled_sentence_is_either_held_out_or_trained_on(tmp_path: Path) -> None:
    scores = numpy.random.RandomState(5).rand(30, 2)
    scores[7] = numpy.nan  # without labels
    record = {"metric": "chrf", "sentences": 30}
    DepthLabels([(1, 1), (2, 2)], scores, numpy.array([1.0, 2.0]), record).save(labels_file(str(tmp_path), "train"))
    for name in ("train.de.bin", "train.de.idx", "valid.de.bin"):
        (tmp_path / name).write_bytes(b"data")
    for _ in range(2):  # it may be repeated
        hold_out(tmp_path, 10)
        held, rest = (load_labels(str(tmp_path), split, "LABELS") for split in ("held-out", "train-part"))
        assert (held.labelled.sum(), rest.labelled.sum()) == (10, 19)
        assert not (held.labelled & rest.labelled).any()
        assert held.record == rest.record == record
        for part in (held, rest):
            assert (part.scores[part.labelled] == scores[part.labelled]).all()
        links = sorted(path.name for path in tmp_path.iterdir() if path.is_symlink())
        assert links == ["held-out.de.bin", "held-out.de.idx", "train-part.de.bin", "train-part.de.idx"]
        assert all((tmp_path / link).read_bytes() == b"data" for link in links)
    for number in (0, 29):
        with pytest.raises(ValueError, match=f"--sentences {number}: expected 1 to 28"):
            hold_out(tmp_path, number)
