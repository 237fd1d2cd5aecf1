"""Read clean sentences from the formats of corpora. The format depends on the file's name:

- ``train.tags.*``: IWSLT's training text, between lines of tags about each talk;
- ``*.xml``: IWSLT's dev and test sets, ``<seg id="1"> text </seg>``, characters escaped as in XML;
- ``*.sgm``: WMT's test sets, the same tags; entities stay, as in sacrebleu, so that references are the same;
- ``*.gz``: gzipped plain text;
- anything else: plain text.
"""

import html
import os
import re
from typing import Iterator

from recipes.common.data import files

_SEGMENT = re.compile(r"<seg[^>]*>(.*?)</seg>")
_ABOUT_THE_TALK = re.compile(r"<(url|talkid|keywords|speaker|reviewer|translator|doc|/doc)\b")
_UNWRAPPED = re.compile(r"</?(?:title|description)>")
# Characters to remove: controls (except tabs and the like, which are spaces), byte order marks, zero-width spaces.
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200b\ufeff\ufffe\uffff]")


def clean(line: str) -> str:
    """Remove invisible characters and outer spaces from a sentence; replace all other Unicode spaces by single ones."""
    return " ".join(_INVISIBLE.sub("", line).split())


def read(path: str) -> Iterator[str]:
    """Yield the clean sentences of a file. Empty ones stay, since sentences are aligned by their number."""
    name = os.path.basename(path)
    if name.startswith("train.tags."):
        for line in files.read_lines(path):
            if not _ABOUT_THE_TALK.match(line.strip()):
                yield clean(_UNWRAPPED.sub("", line))
    elif name.endswith((".xml", ".sgm")):
        for line in files.read_lines(path):
            segment = _SEGMENT.search(line)
            if segment:
                yield clean(html.unescape(segment.group(1)) if name.endswith(".xml") else segment.group(1))
    else:
        for line in files.read_lines(path):
            yield clean(line)
