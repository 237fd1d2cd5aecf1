"""Test whether a measured BLEU differs from that of its baseline, by sacrebleu's paired bootstrap ([koehn2004]).

Translations and references are the files that ``evaluate`` and ``generate`` (recipes/common/recipe.sh) write. Results
are kept beside them, in NAME.paired-bootstrap, by the checksums of the files that were compared.
"""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from recipes.common.cells import Measured, Measurements

# as in fairseq_flexdepth.corpus.paired_bootstrap, which is slow to import
SAMPLES, SEED, LEVEL = 1000, 12345, 0.05
MARK = "†"


class Comparison(NamedTuple):
    """A measured value of BLEU and its baseline."""

    baseline: str  # the baseline's system, with its file and depth pair where these are not the value's own
    pattern: str  # the baseline's system for every row, such as ``vanilla-{n}-{m}``
    p_values: Dict[str, Optional[float]]  # by seed; None: the translations are missing
    higher: Dict[str, bool]  # by seed: the value is above the baseline's

    @property
    def tested(self) -> bool:
        """Whether all seeds could be compared."""
        return all(p is not None for p in self.p_values.values())

    @property
    def significant(self) -> bool:
        """Whether p is below LEVEL for every seed, with the difference in the same direction."""
        small = all(p is not None and p < LEVEL for p in self.p_values.values())
        return small and len(set(self.higher.values())) == 1


def compare(measurements: Measurements, cell: str, row: Dict[str, str]) -> Optional[Comparison]:
    """Compare a cell with the baseline that it declares, for each seed that both have.

    It is ``None`` if the cell declares none or is the baseline itself, if its value is not BLEU, or if either is a mean
    over test sets or depth pairs.
    """
    sources = measurements.compared(cell, row)
    if sources is None or not sources[0].key == sources[1].key == "bleu":
        return None
    system, baseline = sources
    seeds = sorted(set(system.entries) & set(baseline.entries))
    pairs = {seed: [*system.entries[seed], *baseline.entries[seed]] for seed in seeds}
    single = all(len(system.entries[seed]) == len(baseline.entries[seed]) == 1 for seed in seeds)
    if not seeds or not single or any(ours == theirs for ours, theirs in pairs.values()):
        return None
    where = baseline.system if baseline.name == system.name else f"{baseline.system}/{baseline.name}"
    if baseline.depth != system.depth:
        where += baseline.depth
    return Comparison(
        where,
        re.split(" vs | - ", cell)[1].partition("/")[0],
        {seed: _known_p_value(*pair) for seed, pair in pairs.items()},
        {seed: ours.entry["bleu"] > theirs.entry["bleu"] for seed, (ours, theirs) in pairs.items()},
    )


def compare_bleu(system: List[str], baseline: List[str], references: List[str]) -> Tuple[float, List[float]]:
    """Return the p-value of the difference in BLEU, and the BLEU of *system* and of *baseline*."""
    from fairseq_flexdepth.corpus.paired_bootstrap import paired_bootstrap, sentence_counts  # slow to import
    from fairseq_flexdepth.corpus.scores import SACREBLEU

    metric = SACREBLEU.metric(references=[references])
    counts = [sentence_counts(metric, translations) for translations in (baseline, system)]
    theirs, ours = paired_bootstrap(metric, counts, baseline=0)
    assert ours.p_value is not None
    return ours.p_value, [ours.score, theirs.score]


def _known_p_value(ours: Measured, theirs: Measured) -> Optional[float]:
    """Return the p-value, read from the file of results or computed; ``None`` if a file is missing or was replaced."""
    files = [*text_files(ours), *text_files(theirs)]
    if len(files) < 4 or not all(file.is_file() for file in files):
        return None
    store = _without_ending(ours.file, ".paired-bootstrap")
    results: Dict[str, Any] = json.loads(store.read_text(encoding="utf-8")) if store.exists() else {}
    key = _key(files)
    if key not in results:
        (system, references), (baseline, expected) = read_texts(ours), read_texts(theirs)
        if references != expected or not len(system) == len(baseline) == len(references):
            return None
        p_value, bleu = compare_bleu(system, baseline, references)
        results[key] = {"p": p_value, "bleu": bleu}
        part = store.with_name(f"{store.name}.{os.getpid()}.part")
        part.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        part.replace(store)
    found = results[key]
    # other scores: the cell's have another tokenizer, or are of an earlier translation
    same = all(abs(bleu - one.entry["bleu"]) < 0.01 for bleu, one in zip(found["bleu"], (ours, theirs)))
    return found["p"] if same else None


def text_files(measured: Measured) -> List[Path]:
    """Return the files with the translations and with the references; none if the entry does not name them."""
    folder, entry = measured.file.parent, measured.entry
    if "translations" in entry:  # of fairseq-flexdepth sweep; a restored record names its references, too
        return [folder / entry["translations"], folder / entry.get("references", "reference.txt")]
    if "references" in entry:  # of recipes.common.generate_log
        return [_without_ending(measured.file, ".txt"), folder / entry["references"]]
    return []


def _without_ending(file: Path, ending: str) -> Path:
    return file.with_name(file.name[: -len(".json")] + ending)


def read_texts(measured: Measured) -> Tuple[List[str], List[str]]:
    """Return the translations and the references of an entry whose `text_files` exist."""
    from fairseq_flexdepth.files.text import read_lines  # slow to import
    from recipes.common.generate_log import read_generate_log

    translations, references = text_files(measured)
    if "translations" in measured.entry:
        found = read_lines(str(translations), "sweep")
    else:
        found = read_generate_log(translations).hypotheses
    return found, read_lines(str(references), "references")


def _key(files: List[Path]) -> str:
    """Return a checksum of everything that determines the result."""
    import sacrebleu

    checksums = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    determining = json.dumps([*checksums, SAMPLES, SEED, sacrebleu.__version__])
    return hashlib.sha256(determining.encode()).hexdigest()
