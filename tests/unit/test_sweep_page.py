"""The page of a sweep: one file for readers with and without scripts."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, List

import pytest

from fairseq_flexdepth.cli.report import reader
from fairseq_flexdepth.cli.report.texts import marked_differences, most_changed
from tests.made_up_sweep import Sizes, page_of, table_and_facts, texts_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.parametrize("sizes", [[(1, 1)], [(3, 3)], [(6, 6)], [(3, 2), (1, 1), (2, 2)]], ids=str)
def test_the_page_needs_nothing_else_and_has_every_depth_pair(sizes: Sizes) -> None:
    table, facts = table_and_facts(sizes)
    text = page_of(sizes)
    assert text.count("<script>") == (len(table.rows) > 1)
    without_scripts = re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    assert not re.search(r"<link|https?:|src=\"(?!data:)|url\(|@import|<[0-9]>|\$", without_scripts)
    assert not re.search(r"https?:|fetch|XMLHttp|import|WebSocket|sendBeacon|eval|innerHTML", text)
    assert "default-src 'none'; img-src data:;" in text  # what a browser would still load is refused
    assert len(re.findall(r"<tr class=\"[a-z]*\"><td>\d+</td><td>\d+</td>", text)) == len(table.rows)
    assert text.count("<pre>fairseq-generate bin --beam 4 --path") == len(table.rows)
    assert text.count("--enc-layers") == sum(n * m for n, m in sizes if (n, m) != (1, 1))
    budget = facts["budget"]
    assert budget is not None
    if sizes == [(3, 3)]:
        best = budget["best"]
        assert (best["enc_layers"], best["dec_layers"], best["bleu"]) == (3, 1, 25.0)
        assert "In half the time: use <b>(3, 1)</b>, which costs 4.0 BLEU" in text
    assert (budget["best"] is None) == (sizes == [(1, 1)])


def test_the_most_changed_sentences_stand_side_by_side() -> None:
    text = page_of([(3, 3)])
    static = text[text.index('<div id="most-changed">') : text.index('<section id="reader" hidden>')]
    assert "(1, 1) and (3, 3) translate 6 of 12 sentences differently. These are the 6" in static
    assert re.findall(r"Sentence (\d+)", static) == ["12", "10", "8", "6", "4", "2"]
    assert '<dt>source</dt><dd lang="de" dir="auto">Quelle11 &amp; mehr</dd>' in static
    assert '<dt>(1, 1), chrF 22.0</dt><dd lang="en" dir="auto">a&lt;/script&gt; <mark class="left">depth1' in static
    assert static.count('<mark class="right">') == 1 + 2 * 6


def test_differences_of_texts() -> None:
    left, right = marked_differences("Two dogs run, & bark.", "Two cats  run & bark.")
    assert left == 'Two <mark class="left">dogs</mark> run<mark class="left">,</mark> &amp; bark.'
    assert right == 'Two <mark class="right">cats</mark>  run &amp; bark.'
    assert marked_differences("", "\u732b\u304c") == ("", '<mark class="right">\u732b\u304c</mark>')
    left, right = marked_differences("\u732b\u304c\u3044\u308b", "\u72ac\u304c\u3044\u308b")
    assert (left[-3:], right[-3:]) == ("\u304c\u3044\u308b",) * 2  # marks single characters
    assert marked_differences("same <b>", "same <b>") == ("same &lt;b&gt;",) * 2


def data_of(text: str) -> Dict[str, Any]:
    """The data in the page for its script."""
    found = re.search(r'<script type="application/json" id="translations">(.*?)</script>', text, re.S)
    assert found is not None
    return json.loads(found[1])


def test_the_data_has_every_translation(monkeypatch: pytest.MonkeyPatch) -> None:
    table, facts = table_and_facts([(2, 2), (1, 1)])
    texts = texts_of(table)
    data = data_of(page_of([(2, 2), (1, 1)]))
    assert [row["label"] for row in data["rows"]][3:] == ["(2, 2) of <0>", "(1, 1) of <1>"]
    assert (data["shallow"], data["deep"], data["languages"]) == (0, 3, ["de", "en"])
    for number, (line, source, reference, different, chrf, of_rows) in enumerate(data["sentences"]):
        assert (line, source, reference) == (number + 1, texts.source[number], texts.reference[number])
        assert len(set(different)) == len(different) == len(chrf) == (4 if number % 2 else 1)
        for row, position in zip(table.rows, of_rows):
            assert different[position] == texts.translations[row.translations][number]
            assert chrf[position] == row.sentence_chrf[number]
    monkeypatch.setattr(reader, "MOST_CHARACTERS", 500)
    text = reader.reader(table, texts, facts["languages"])
    kept = [sentence[0] - 1 for sentence in data_of(text)["sentences"]]
    assert 0 < len(kept) < 6
    assert kept == sorted(most_changed(texts, table.rows[0], table.baseline)[: len(kept)])
    assert f"{12 - len(kept)} others are in the text files alone" in text


# Clicks through the page; what it showed after each step is written into the page for the test.
CLICKS = """<script>
const seen = [];
const $ = (selector) => document.querySelector(selector);
const look = () => seen.push({
  hidden: [$("#reader").hidden, $("#most-changed").hidden, $("#more").hidden],
  found: $("#found").textContent,
  sentences: [...document.querySelectorAll("#sentences li > p")].map((node) => node.textContent),
  first: [...document.querySelectorAll("#sentences li:first-child dt")].map((node) => node.textContent),
  marks: [...document.querySelectorAll("#sentences li:first-child mark")].map((node) => node.textContent),
  pressed: [...document.querySelectorAll("[aria-pressed=true]")].map((node) => node.getAttribute("aria-label")),
  focus: document.activeElement.getAttribute("aria-label"),
  resources: performance.getEntriesByType("resource").length,
});
const choose = (selector, value, event) => {
  $(selector).value = value;
  $(selector).dispatchEvent(new Event(event));
};
const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
look();
$("td[data-row='3'] button").click();
look();
choose("#other", "0", "change");
choose("#kept", "all", "change");
choose("#order", "data", "change");
look();
$("#more").click();
look();
choose("#words", "QUELLE1 text", "input");
look();
$("td[data-row='0'] button").focus();
press("ArrowLeft");
press("ArrowRight");
press("ArrowDown");
look();
document.body.append(Object.assign(document.createElement("pre"), { id: "seen", textContent: JSON.stringify(seen) }));
</script>"""


def clicked(text: str, folder: Path) -> List[Dict[str, Any]]:
    """What the page shows in Chromium after each step of CLICKS."""
    (folder / "index.html").write_text(text.replace("</body>", f"{CLICKS}</body>"), encoding="utf-8")
    own = ("--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={folder / 'profile'}")  # as containers need
    command = [str(CHROMIUM), "--headless", "--disable-gpu", *own, "--dump-dom", (folder / "index.html").as_uri()]
    output = subprocess.run(command, stdout=-1, stderr=-1, check=True, timeout=120, encoding="utf-8").stdout
    found = re.search(r'<pre id="seen">(.*?)</pre>', output, re.S)
    assert found is not None, output[-2000:]
    return json.loads(html.unescape(found[1]))


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_clicks_show_translations(tmp_path: Path) -> None:
    start, cell, everything, more, filtered, keys = clicked(page_of([(2, 2)]), tmp_path)
    assert start["hidden"] == [False, True, True]
    assert (start["found"], start["sentences"][:2]) == ("6 of 12 sentences", ["Sentence 12", "Sentence 10"])
    assert start["first"] == ["source", "reference", "(1, 1), chrF 22.0", "(2, 2), chrF 44.0"]
    assert start["marks"] == ["depth1", "1", "depth2", "2"]
    in_maps = "23.0, 51.0", "2.00×, 7.0"
    assert start["pressed"] == [f"Read the translations at (1, 1): {values}" for values in in_maps]
    assert (cell["found"], cell["sentences"]) == ("0 of 12 sentences", [])  # (2, 2) compared with itself
    assert everything["found"] == "12 of 12 sentences, the first 10 shown"
    assert everything["sentences"] == [f"Sentence {number}" for number in range(1, 11)]
    assert everything["first"][2:] == ["(2, 2), chrF 9.0", "(1, 1), chrF 9.0"]
    assert (everything["hidden"][2], more["hidden"][2], len(more["sentences"])) == (False, True, 12)
    assert (filtered["found"], filtered["sentences"]) == ("2 of 12 sentences", ["Sentence 2", "Sentence 12"])
    assert keys["focus"].startswith("Read the translations at (2, 2): ")
    assert {step["resources"] for step in (start, keys)} == {0}
