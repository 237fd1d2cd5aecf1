"""The data of a recipe, from its commands: the size of the dictionaries in each folder, and the size on disk."""

from pathlib import Path
from typing import Dict, List, Tuple

from fairseq.data.data_utils import infer_language_pair

from fairseq_flexdepth.cli.training_model import SPECIAL_SYMBOLS
from recipes.common.dry_run import option

# The words in the dictionaries of corpora that are not split into a number of sub-words that the commands name:
# WikiText-103's whole vocabulary (Merity et al., 2016), and the default of librispeech.sh.
WORDS = {"wikitext103": 267735, "librispeech": 10000}
# Sentence pairs that the papers or the data scripts state.
PAIRS = {
    "iwslt14_de_en": 160_239, "iwslt15_th_en": 90_000, "multi30k": 29_000, "ted": 180_000, "wmt14_en_fr": 36_000_000,
    "wmt16_en_de": 4_500_000, "wmt18_en_de": 5_580_000,
}  # fmt: skip
# Assumed: both sides of a pair have 300 bytes, and there are five copies (download, original, text, tokens, sub-words
# or binarised). A distilled or sampled data set is one more copy.
BYTES_OF_PAIR = 300
COPIES = 5
# Corpora that are not of pairs: LibriSpeech's 60 GB of archives and 110 GB of features; five copies of WikiText-103.
BYTES = {"librispeech": 170e9, "wikitext103": 2.7e9}
DIGITS_BYTES = 0.7e9  # of 4,700 utterances: archives, features and a copy
# layer_sharing's PAIRS, which are not downloaded, as its README states: genuine, and together with the synthetic ones.
GENUINE_PAIRS = 44_200_000
ALL_PAIRS = 328_500_000


class BinarisedData:
    """The folders of binarised data that a recipe makes, and the links that it sets.

    Args:
        commands: the commands of the recipe's dry run.
    """

    def __init__(self, commands: List[List[str]]) -> None:
        self._links: Dict[str, str] = {}
        self._words: Dict[str, Tuple[int, int]] = {}  # by folder
        self._pieces: Dict[str, int] = {}  # by folder of sub-words as text
        for command in commands:
            self._read(command)

    def original(self, folder: str) -> str:
        """Return *folder*, or if a part of its path is a link, the folder that it leads to."""
        for link, target in self._links.items():
            if folder == link or folder.startswith(f"{link}/"):
                return target + folder[len(link) :]
        return folder

    def words(self, folder: str) -> Tuple[int, int]:
        """Return the sizes of the source and of the target dictionary of a folder.

        Dictionaries that exist are counted. Others have the size that the commands ask for; 0 if they do not say.
        """
        languages = infer_language_pair(folder) if Path(folder).is_dir() else (None, None)
        files = [Path(folder, "dict.txt" if language is None else f"dict.{language}.txt") for language in languages]
        if all(file.is_file() for file in files):
            source, target = (_count(file) + SPECIAL_SYMBOLS for file in files)
            return source, target
        return self._words.get(self.original(folder), (0, 0))

    def _read(self, command: List[str]) -> None:
        """Note the data that a command makes."""
        made_from = ""
        if command[:2] == ["ln", "-sfn"]:
            self._links[command[3]] = str(Path(command[3]).parent / command[2])
        elif command[:2] == ["ln", "-sfnr"]:
            self._links[command[3]] = command[2]
        elif "recipes.common.data.subwords" in command:
            self._pieces[command[4]] = int(option(command, "--vocabulary"))
        elif "recipes.common.data.bpe" in command:
            self._pieces[command[4]] = int(option(command, "--merges"))
        elif command[0] == "fairseq-preprocess":
            self._words[option(command, "--destdir")] = self._preprocessed(command)
        elif command[:2] == ["fairseq-flexdepth", "distill"]:
            made_from, made = command[2], option(command, "--dest")
        elif command[:2] == ["fairseq-flexdepth", "oracle"]:
            made_from, made = command[2], option(command, "--output")
        elif command[1:4] == ["-m", "recipes.common.sample", "binarised"]:
            made_from, made = command[4:6]
        elif "bash" in command and corpus_of(command) == "librispeech":
            self._words[command[-1]] = (0, WORDS["librispeech"])
        if made_from:
            self._words[made] = self.words(made_from)

    def _preprocessed(self, command: List[str]) -> Tuple[int, int]:
        """The sizes of the dictionaries that fairseq-preprocess makes."""
        if "--srcdict" in command:
            return self.words(str(Path(option(command, "--srcdict")).parent))
        if "--nwordssrc" in command:
            return int(option(command, "--nwordssrc")), int(option(command, "--nwordstgt"))
        text = str(Path(option(command, "--trainpref")).parent)
        size = self._pieces.get(text, WORDS["wikitext103"] if "--only-source" in command else 0)
        return size, size


def _count(file: Path) -> int:
    """The number of lines."""
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def _script(command: List[str]) -> str:
    """The script of recipes/common/data that a command runs; empty if there is none."""
    return next((word for word in command if "recipes/common/data/" in word and word.endswith(".sh")), "")


def corpus_of(command: List[str]) -> str:
    """Return the name of the corpus that a command makes by a script of recipes/common/data; empty for others."""
    return Path(_script(command)).stem


def data_bytes(commands: List[List[str]]) -> float:
    """Return the estimated bytes of a recipe's data on disk, by the assumptions above; 0 for miniatures."""
    if any("recipes.common.data.miniature" in command for command in commands):
        return 0
    if any("recipes.common.data.spoken_digits" in command for command in commands):
        return DIGITS_BYTES
    total, texts = 0.0, {}  # by folder of text: its pairs
    for command in commands:
        corpus = corpus_of(command)
        pairs = PAIRS.get(corpus, 0)
        if corpus:
            texts[command[command.index(_script(command)) + 1]] = pairs
        elif "recipes.layer_sharing.training_text" in command:
            pairs = texts.get(command[3], ALL_PAIRS if "--with" in command else GENUINE_PAIRS)
        total += BYTES.get(corpus, 0) + pairs * BYTES_OF_PAIR * COPIES
        if command[:2] == ["fairseq-flexdepth", "distill"]:
            total += max(texts.values(), default=0) * BYTES_OF_PAIR
    return total
