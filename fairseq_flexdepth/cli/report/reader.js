// The interactive part of index.html: reads the translations of two depth pairs side by side.
// Without scripts the page shows its tables, and the element #reader stays hidden.
(function () {
  "use strict";
  // rows: labels and keys of the depth pairs; sentences: see cli/report/reader.py, which writes them
  const data = JSON.parse(document.getElementById("translations").textContent);
  const [LINE, SOURCE, REFERENCE, TEXTS, CHRF, TEXT_OF_ROW] = [0, 1, 2, 3, 4, 5];
  const PAGE_SIZE = 10;
  const element = (id) => document.getElementById(id);
  const [depth, other, words, kept, order] = ["depth", "other", "words", "kept", "order"].map(element);
  const cells = [...document.querySelectorAll("table.map td[data-row]")];
  let found = [];
  let shown = 0;

  const textOf = (sentence, row) => sentence[TEXTS][sentence[TEXT_OF_ROW][row]];
  const chrfOf = (sentence, row) => sentence[CHRF][sentence[TEXT_OF_ROW][row]];
  const change = (sentence) => Math.abs(chrfOf(sentence, depth.value) - chrfOf(sentence, other.value));

  function create(name, properties, ...children) {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  }

  // Words, punctuation marks and Chinese or Japanese characters, each with the spaces before it.
  function split(text) {
    const cjk = "\\u3040-\\u30ff\\u3400-\\u9fff\\uf900-\\ufaff";
    return text.match(new RegExp(`\\s*(?:[${cjk}]|(?:(?![${cjk}])[\\p{L}\\p{M}\\p{N}_])+|[^\\s])`, "gu")) || [];
  }

  // For each word whether the other text lacks it: whether it is outside their longest common subsequence.
  function differences(left, right) {
    const lengths = Array.from({ length: left.length + 1 }, () => new Uint16Array(right.length + 1));
    for (let i = left.length - 1; i >= 0; i--) {
      for (let j = right.length - 1; j >= 0; j--) {
        lengths[i][j] = left[i].trim() === right[j].trim()
          ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
      }
    }
    const marks = [left.map(() => true), right.map(() => true)];
    for (let i = 0, j = 0; i < left.length && j < right.length;) {
      if (left[i].trim() === right[j].trim()) {
        marks[0][i++] = marks[1][j++] = false;
      } else if (lengths[i + 1][j] >= lengths[i][j + 1]) {
        i++;
      } else {
        j++;
      }
    }
    return marks;
  }

  // The words as nodes; neighbours that differ share one mark.
  function marked(words, different, side) {
    const nodes = [];
    let mark = null;
    words.forEach((word, position) => {
      const text = word.trimStart();
      const space = word.slice(0, word.length - text.length);
      if (!different[position]) {
        mark = null;
        nodes.push(word);
      } else if (mark) {
        mark.append(word);
      } else {
        mark = create("mark", { className: side }, text);
        nodes.push(space, mark);
      }
    });
    return nodes;
  }

  function text(title, language, ...content) {
    return create("div", {}, create("dt", {}, title), create("dd", { lang: language, dir: "auto" }, ...content));
  }

  function card(sentence) {
    const [ours, theirs] = [depth.value, other.value];
    const left = split(textOf(sentence, ours));
    const right = split(textOf(sentence, theirs));
    const marks = differences(left, right);
    const title = (row) => `${data.rows[row].label}, chrF ${chrfOf(sentence, row).toFixed(1)}`;
    const [from, to] = data.languages;
    return create("li", {},
      create("p", { className: "quiet" }, `Sentence ${sentence[LINE]}`),
      create("dl", { className: "texts" },
        text("source", from, sentence[SOURCE]),
        text("reference", to, sentence[REFERENCE]),
        text(title(ours), to, ...marked(left, marks[0], "left")),
        text(title(theirs), to, ...marked(right, marks[1], "right"))));
  }

  function showMore() {
    const next = found.slice(shown, shown + PAGE_SIZE).map(card);
    element("sentences").append(...next);
    shown += next.length;
    element("more").hidden = shown >= found.length;
    element("found").textContent = `${found.length} of ${data.sentences.length} sentences` +
      (shown < found.length ? `, the first ${shown} shown` : "");
    return next;
  }

  function update() {
    const sought = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = data.sentences.filter((sentence) => {
      const [ours, theirs] = [textOf(sentence, depth.value), textOf(sentence, other.value)];
      const all = [sentence[SOURCE], sentence[REFERENCE], ours, theirs].join("\n").toLowerCase();
      return (kept.value === "all" || ours !== theirs) && sought.every((word) => all.includes(word));
    });
    if (order.value === "change") {
      found.sort((one, two) => change(two) - change(one) || one[LINE] - two[LINE]);
    } else {
      found.sort((one, two) => one[LINE] - two[LINE]);
    }
    element("sentences").replaceChildren();
    shown = 0;
    showMore();
    for (const cell of cells) {
      const button = cell.querySelector("button");
      button.setAttribute("aria-pressed", String(cell.dataset.row === depth.value));
      button.classList.toggle("other", cell.dataset.row === other.value && other.value !== depth.value);
    }
  }

  // The cell's content becomes a button. Of each map one button is a stop of the Tab key; arrows move between buttons.
  function makeButton(cell) {
    const values = [...cell.firstElementChild.childNodes];
    const text = values.map((node) => node.textContent).join(", ");
    const label = `Read the translations at ${data.rows[cell.dataset.row].label}: ${text}`;
    const button = create("button", { type: "button", tabIndex: -1 }, ...values);
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => {
      depth.value = cell.dataset.row;
      update();
      element("reader").scrollIntoView({ block: "start" });
    });
    button.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!step) return;
      event.preventDefault();
      const row = cell.closest("table").rows[cell.parentElement.rowIndex + step[0]];
      const target = row && row.cells[cell.cellIndex + step[1]];
      const next = target && target.querySelector("button");
      if (!next) return;
      button.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
    cell.replaceChildren(button);
  }

  data.rows.forEach((row, position) => {
    depth.add(new Option(row.label, position));
    other.add(new Option(row.label, position));
  });
  [depth.value, other.value] = [data.shallow, data.deep];
  cells.forEach(makeButton);
  for (const map of document.querySelectorAll("table.map")) map.querySelector("button").tabIndex = 0;
  for (const control of [depth, other, kept, order]) control.addEventListener("change", update);
  words.addEventListener("input", update);
  element("more").addEventListener("click", () => {
    const [first] = showMore();
    first.tabIndex = -1;
    first.focus();
  });
  element("reader").hidden = false;
  if (element("most-changed")) element("most-changed").hidden = true;
  for (const hint of document.querySelectorAll(".with-scripts")) hint.hidden = false;
  update();
})();
