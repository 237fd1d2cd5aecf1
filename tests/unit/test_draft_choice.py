"""``--draft-dec-layers auto``, and what the log says of drafts."""

from typing import Callable, List

import pytest

from fairseq_flexdepth.decoding.draft_choice import NO_DRAFTS, DraftChoice, Setting
from fairseq_flexdepth.decoding.drafting_report import DraftingReport
from fairseq_flexdepth.decoding.greedy_loop import TurnCounts


def choose(choice: DraftChoice, seconds_per_word: Callable[[Setting], float]) -> List[Setting]:
    """The settings of all batches of 30 words until one is chosen."""
    used: List[Setting] = []
    while not choice.settled and len(used) < 100:
        setting = choice.next()
        if not choice.settled:
            used.append(setting)
            choice.record(setting, 30, 30 * seconds_per_word(setting))
    return used


def test_the_fastest_setting_is_chosen() -> None:
    choice = DraftChoice([1, 2], None)
    used = choose(choice, lambda setting: {0: 3.0, 1: 2.0, 2: 1.0}[setting.depth] - 0.1 * (setting.words == 8))
    assert choice.next() == choice.chosen == Setting(2, 8)
    assert list(dict.fromkeys(used)) == [NO_DRAFTS, Setting(1, 4), Setting(2, 4), Setting(2, 2), Setting(2, 8)]
    assert used.count(NO_DRAFTS) == used.count(Setting(1, 4)) + 1  # the first batch does not count
    choice.record(Setting(2, 8), 30, 1e9)
    assert choice.next() == Setting(2, 8)


def test_drafts_that_do_not_pay() -> None:
    choice = DraftChoice([1], None)
    used = choose(choice, lambda setting: 1.0 + setting.words)
    assert choice.next() == NO_DRAFTS
    assert set(used) == {NO_DRAFTS, Setting(1, 4)}


@pytest.mark.parametrize("words, expected", [(None, 4), (7, 7)])
def test_a_given_number_of_words(words, expected) -> None:
    choice = DraftChoice([1], words)
    used = choose(choice, lambda setting: 2.0 - setting.depth)
    assert choice.chosen == Setting(1, expected)
    assert {setting.words for setting in used} == ({0, 7} if words else {0, 2, 4, 8})


def test_the_report() -> None:
    report = DraftingReport()
    assert report.line("no drafts") == "greedy search of 0 sentences, no drafts"
    counts = TurnCounts(checks=10, drafted=40, accepted=30, given=35, words=99)  # 64 of them without drafts
    report.counts, report.sentences, report.again = counts, 1003, 3
    report.compare(16, 1.0, 4.0)
    assert report.line("4 words by 1 layers") == (
        "greedy search of 1,003 sentences, 4 words by 1 layers; 75.0% of the drafted words accepted, 3.50 words per "
        "verification; 3 sentences decoded by fairseq's search, because of near ties; 0.25 of the time of fairseq's "
        "greedy search on 16 of the sentences"
    )
