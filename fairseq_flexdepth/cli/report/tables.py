"""The tables of a sweep's page."""

from html import escape
from typing import Any, Callable, Dict, List, Sequence, Tuple

from fairseq_flexdepth.depth.trade_off import best_within, pareto_front

Row = Dict[str, Any]
Facts = Dict[str, Any]
Colour = Tuple[int, int, int]

BLUE: Colour = (24, 90, 157)
GREEN: Colour = (30, 110, 70)
SHARES = (1.0, 0.75, 0.5, 0.25)


def pair_text(row: Row) -> str:
    return f"({row['enc_layers']}, {row['dec_layers']})"


def front_rows(rows: Sequence[Row]) -> List[Row]:
    """The Pareto front of BLEU and time, fastest first."""
    return [rows[position] for position in pareto_front(_column(rows, "bleu"), _column(rows, "seconds"))]


def _column(rows: Sequence[Row], key: str) -> List[Any]:
    return [row[key] for row in rows]


def _signed(value: float) -> str:
    return "0.0" if abs(value) < 0.05 else f"{value:+.1f}".replace("-", "−")


def _table(header: Sequence[str], lines: Sequence[Tuple[str, Sequence[str]]], text_columns: Sequence[int] = ()) -> str:
    """An HTML table; a line is a class (or nothing) and its cells, all of them HTML already."""

    def cells(kind: str, values: Sequence[str]) -> str:
        classes = [' class="text"' if number in text_columns else "" for number in range(len(values))]
        return "".join(f"<{kind}{found}>{value}</{kind}>" for found, value in zip(classes, values))

    body = [f'<tr class="{kind}">{cells("td", values)}</tr>' for kind, values in lines]
    return (
        f'<div class="scroll"><table><thead><tr>{cells("th", header)}</tr></thead>\n<tbody>'
        + "\n".join(body)
        + "</tbody></table></div>"
    )


def _names(facts: Facts) -> Dict[str, str]:
    """The models by path, where there are several."""
    models = facts["models"]
    return {model["path"]: escape(model["name"]) for model in models} if len(models) > 1 else {}


def _kind(row: Row) -> str:
    return "chosen" if row.get("best_within_budget") else "front" if row["pareto"] else ""


def _scores(row: Row) -> List[str]:
    return [f"{row['bleu']:.1f}", f"{row['chrf']:.1f}", *([f"{row['comet']:.3f}"] if "comet" in row else [])]


def _score_names(rows: Sequence[Row]) -> List[str]:
    return ["BLEU", "chrF", *(["COMET"] if "comet" in rows[0] else [])]


def baseline_row(rows: Sequence[Row], facts: Facts) -> Row:
    """The deepest depth of the first model, which times are compared with."""
    keys = ("path", "enc_layers", "dec_layers")
    return next(row for row in rows if all(row[key] == facts["baseline"][key] for key in keys))


def front_table(rows: Sequence[Row], facts: Facts) -> str:
    """The depths worth having."""
    names, deepest = _names(facts), baseline_row(rows, facts)
    header = ["(encoder, decoder)", "relative time", "speed-up", *_score_names(rows), "Δ BLEU", "sentences/s"]
    lines = []
    for row in front_rows(rows):
        share = row["relative_seconds"]
        cells = [pair_text(row), f"{share:.2f}", f"{1 / share:.1f}×", *_scores(row)]
        cells += [_signed(row["bleu"] - deepest["bleu"]), f"{row['sentences_per_second']:,.1f}"]
        lines.append(("chosen" if row.get("best_within_budget") else "", [*cells, *_model(row, names)]))
    note = "The Pareto front: nothing else is both as good and as fast."
    table = _table([*header, *(["model"] if names else [])], lines, [len(header)] if names else ())
    return f'{table}\n<p class="quiet">{note}</p>'


def _model(row: Row, names: Dict[str, str]) -> List[str]:
    return [names[row["path"]]] if names else []


def budget_table(rows: Sequence[Row], facts: Facts) -> str:
    """Each model's best depth within shares of the deepest's time."""
    limit = facts["baseline"]["seconds"]
    asked = [facts["budget"]["share"]] if facts["budget"] is not None else []
    lines = []
    for share in sorted({*SHARES, *asked}, reverse=True):
        cells = [f"{share:g}"]
        for model in facts["models"]:
            own = [row for row in rows if row["path"] == model["path"]]
            found = best_within(_column(own, "bleu"), _column(own, "seconds"), share * limit)
            cells.append("–" if found is None else f"{own[found]['bleu']:.1f} &nbsp;{pair_text(own[found])}")
        lines.append(("", cells))
    header = ["within relative time", *_names(facts).values()]
    return "<p>The highest BLEU of each model within a time, and its depth:</p>\n" + _table(header, lines)


def comparison_table(rows: Sequence[Row], facts: Facts) -> str:
    """A line for each depth, columns for each model."""
    cells = {(row["path"], row["enc_layers"], row["dec_layers"]): row for row in rows}
    paths = [model["path"] for model in facts["models"]]
    lines = []
    for pair in sorted({(row["enc_layers"], row["dec_layers"]) for row in rows}):
        found = [cells.get((path, *pair)) for path in paths]
        bleu = ["–" if row is None else f"{row['bleu']:.1f}" for row in found]
        times = ["–" if row is None else f"{row['relative_seconds']:.2f}" for row in found]
        lines.append(("", [f"({pair[0]}, {pair[1]})", *bleu, *times]))
    names = list(_names(facts).values())
    header = ["depth", *(f"BLEU<br>{name}" for name in names), *(f"relative time<br>{name}" for name in names)]
    return _table(header, lines)


def every_depth_table(rows: Sequence[Row], facts: Facts) -> str:
    """All rows."""
    names, repeated = _names(facts), rows[0]["repeats"] > 1
    header = ["encoder", "decoder", *_score_names(rows), "seconds", *(["from – to"] if repeated else []),
              "relative", "sentences/s", "words/s"]  # fmt: skip
    lines = []
    for row in rows:
        spread = [f"{row['seconds_min']:,.1f} – {row['seconds_max']:,.1f}"] if repeated else []
        speed = [f"{row['relative_seconds']:.2f}", f"{row['sentences_per_second']:,.1f}",
                 f"{row['words_per_second']:,.0f}"]  # fmt: skip
        depth = [str(row["enc_layers"]), str(row["dec_layers"])]
        cells = [*depth, *_scores(row), f"{row['seconds']:,.1f}", *spread, *speed, *_model(row, names)]
        lines.append((_kind(row) if len(rows) > 1 else "", cells))
    legend = "Blue: the Pareto front." if len(rows) > 1 else ""
    if facts["budget"] is not None and facts["budget"]["best"] is not None:
        legend += f" Yellow: the best within --budget {facts['budget']['share']:g}."
    table = _table([*header, *(["model"] if names else [])], lines, [len(header)] if names else ())
    return table + (f'\n<p class="quiet">{legend}</p>' if legend else "")


def heatmaps(rows: Sequence[Row], facts: Facts, model: Dict[str, Any]) -> str:
    """Quality and speed of one model by its depths; nothing for a model of one depth."""
    own = [row for row in rows if row["path"] == model["path"]]
    if len(own) == 1:
        return ""
    title = f"<p><b>{escape(model['name'])}</b></p>" if _names(facts) else ""
    quality = _heatmap(
        "BLEU (chrF below)", own, rows, lambda row: row["bleu"],
        lambda row: f"{row['bleu']:.1f}<small>{row['chrf']:.1f}</small>", BLUE,
    )  # fmt: skip
    speed = _heatmap(
        "speed-up (sentences/s below)", own, rows, lambda row: 1 / row["relative_seconds"],
        lambda row: f"{1 / row['relative_seconds']:.2f}×<small>{row['sentences_per_second']:,.1f}</small>", GREEN,
    )  # fmt: skip
    note = '<p class="quiet">A row is an encoder depth, a column a decoder depth; darker is better.</p>'
    return f'{title}<div class="maps scroll">{quality}{speed}</div>\n{note}'


def _heatmap(
    caption: str,
    rows: Sequence[Row],
    scale: Sequence[Row],
    value: Callable[[Row], float],
    text: Callable[[Row], str],
    colour: Colour,
) -> str:
    """A table whose cells are coloured by *value*, from the lowest to the highest of the rows *scale*."""
    by_pair = {(row["enc_layers"], row["dec_layers"]): row for row in rows}
    encoder, decoder = (sorted({pair[side] for pair in by_pair}) for side in (0, 1))
    low, high = min(map(value, scale)), max(map(value, scale))
    lines = ["<tr><th></th>" + "".join(f"<th>{m}</th>" for m in decoder) + "</tr>"]
    for n in encoder:
        cells = []
        for m in decoder:
            row = by_pair.get((n, m))
            if row is None:
                cells.append("<td></td>")
                continue
            strength = (value(row) - low) / (high - low) if high > low else 0.0
            mixed = [round(255 - (255 - part) * (0.06 + 0.94 * strength)) for part in colour]
            ink = "#fff" if strength > 0.42 else "#1c2430"
            cells.append(f'<td style="background:rgb{tuple(mixed)};color:{ink}">{text(row)}</td>')
        lines.append(f"<tr><th>{n}</th>{''.join(cells)}</tr>")
    return f'<table class="map"><caption>{caption}</caption>' + "\n".join(lines) + "</table>"
