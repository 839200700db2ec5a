"""Write what a class came to: a page in each language that needs nothing else and runs nothing, and a table as CSV."""

from __future__ import annotations

import csv
import io
import re
import statistics
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from classes import drawing
from classes.collect import LATE, NEAR, Collected, Table, Work, by_work, exercises_of, predictions_of
from classes.text import LANGUAGES, course, tr
from labkit.classroom.text import number, percent
from labkit.files.whole import write_whole

HEADER = (
    "hand_in", "kind", "item", "run", "host", "engine", "work", "n_workers", "value", "low", "high", "expected", "gap",
    "state", "tries", "hints", "marks",
)  # fmt: skip
_FOLDER = Path(__file__).parent / "templates"


def write_pages(found: Collected, folder: Path, lang: str) -> list[Path]:
    """Write the page in each language and the CSV; return their paths, the page in the asked language first."""
    contents = {f"class.{each}.html": to_html(found, each) for each in sorted(LANGUAGES, key=lambda each: each != lang)}
    contents["class.csv"] = to_csv(found)
    for name, text in contents.items():
        write_whole(folder / name, text)
    return [folder / name for name in contents]


def to_html(found: Collected, lang: str) -> str:
    """Return the page; every text of a hand-in is escaped, and the page forbids scripts to its reader's browser."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    labels = machine_labels(found.tables)
    works = [_work(work, hosts, labels, lang) for work, hosts in by_work(found.tables).items()]
    near = percent(NEAR, lang)
    return environment.get_template("class.html.jinja").render(
        lang=lang, other=next(each for each in LANGUAGES if each != lang),
        tr=lambda key, **values: tr(key, lang, **values), near=near,
        style=Markup((_FOLDER / "class.css").read_text("utf-8")),
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"), version=version("labkit"),
        n_counted=len(found.counted), n_refused=len(found.refused), n_runs=found.n_runs, n_hosts=len(labels),
        n_progress=len(found.with_progress),
        works=works, gaps=[_gap(each, lang) for each in predictions_of(found)],
        exercises=[_exercise(each, lang) for each in exercises_of(found)],
        notes=[tr(f"notes.{key}", lang, **values) for key, values in found.notes],
        refused=[(name, tr(f"refused.{fault.reason}", lang, **fault.values)) for name, fault in found.refused],
    )  # fmt: skip


def machine_labels(tables: Sequence[Table]) -> dict[str, str]:
    """Return what each kind of machine is called: its processor, its CPUs and its digest, which tells likes apart."""
    return {
        table.host: f"{table.host_label} · {table.usable_cpus} CPU · {table.host[:25]}"
        for table in sorted(tables, key=lambda table: table.host)
    }


def to_csv(found: Collected) -> str:
    """Return one line for each measured number of workers, prediction, exercise and refusal.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    text = io.StringIO()
    lines = csv.DictWriter(text, HEADER, lineterminator="\n")
    lines.writeheader()
    for line in _lines(found):
        lines.writerow({name: _cell(value) for name, value in line.items()})
    return text.getvalue()


def _lines(found: Collected) -> Iterator[dict[str, Any]]:
    for table in found.tables:
        for row in table.rows:
            yield {
                "hand_in": table.hand_in, "kind": "speedup", "item": table.work.kind, "run": table.run,
                "host": table.host, "engine": table.work.engine, "work": f"{table.work.n_rows} {table.work.data[:12]}",
                "n_workers": row.n_workers, "value": row.speedup, "low": row.spread.low, "high": row.spread.high,
                "marks": " ".join(row.marks),
            }  # fmt: skip
    for gap in found.gaps:
        yield {
            "hand_in": gap.hand_in, "kind": "prediction", "item": gap.key, "value": gap.measured,
            "expected": gap.predicted, "gap": gap.gap,
        }  # fmt: skip
    for each in found.tries:
        yield {
            "hand_in": each.hand_in, "kind": "exercise", "item": each.key,
            "state": "right" if each.right else "not_yet", "tries": each.tries, "hints": each.n_hints,
        }  # fmt: skip
    for name, fault in found.refused:
        yield {"hand_in": name, "kind": "refused", "state": fault.reason, "item": str(fault.values.get("file", ""))}


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        value = re.sub(r"[\x00-\x1f\x7f]", " ", value)
        return f"'{value}" if value[:1] in "=+-@" and value else value
    return value


def _work(work: Work, hosts: dict[str, list[Table]], labels: dict[str, str], lang: str) -> dict[str, Any]:
    named = [(labels[host], tables) for host, tables in hosts.items()]
    counts = sorted({row.n_workers for tables in hosts.values() for table in tables for row in table.rows})
    latency = number(float(work.asked), lang) if work.kind == LATE else ""
    rows = []
    for index, (name, tables) in enumerate(named):
        cells = []
        for n in counts:
            speedups = [row.speedup for table in tables for row in table.rows if row.n_workers == n]
            ends = f"{number(min(speedups), lang)}–{number(max(speedups), lang)}" if len(speedups) > 1 else ""
            cells.append((number(statistics.median(speedups), lang), ends) if speedups else ("–", ""))
        cores = f"{tables[0].usable_cpus} ({tables[0].physical_cores})"
        n_hand_ins = len({table.hand_in for table in tables})
        rows.append((Markup(drawing.sample(index)), name, cores, n_hand_ins, cells))
    return {
        "title": tr(
            f"scaling.{work.kind}", lang, rows=number(work.n_rows, lang, 0), engine=work.engine, data=work.data[:12],
            latency=latency,
        ),
        "wide": Markup(drawing.scaling(named, lang, drawing.WIDE)),
        "narrow": Markup(drawing.scaling(named, lang, drawing.NARROW)),
        "counts": counts,
        "rows": rows,
    }  # fmt: skip


def _gap(found: Any, lang: str) -> dict[str, Any]:
    texts = course()[found.key]
    unit = "" if not texts.get("unit") else f" {texts['unit']}"
    return {
        "key": found.key, "quantity": texts["quantity"][lang], "n": found.n,
        "predicted": number(found.predicted, lang) + unit, "measured": number(found.measured, lang) + unit,
        "gap": "–" if found.gap is None else _signed(found.gap, lang),
        "near": percent(found.near / len(found.gaps), lang) if found.gaps else "–",
        "strip": Markup(drawing.strip(found.gaps, lang)),
    }  # fmt: skip


def _exercise(found: Any, lang: str) -> dict[str, Any]:
    texts = course()[found.key]
    return {
        "key": found.key, "title": texts["title"][lang], "right": found.right, "not_yet": found.not_yet,
        "not_begun": found.not_begun, "n_hinted": found.n_hinted,
        "tries": "–" if found.tries is None else number(found.tries, lang, 0 if found.tries % 1 == 0 else 1),
        "bar": Markup(drawing.shares(found.right, found.not_yet, found.not_begun)),
        "mistakes": [(n, mistake(texts, reason, lang)) for reason, n in found.reasons],
    }  # fmt: skip


def mistake(texts: dict[str, Any], reason: str, lang: str) -> str:
    """Return what a check says of a mistake, without the figures of one student.

    Examples
    --------
    >>> mistake({"not_yet": {"few": {"en": "you sent {n} tasks; it takes {right}."}}}, "few", "en")
    'you sent … tasks; it takes …'
    """
    if reason in ("raised", "arguments"):
        return tr(f"exercises.{reason}", lang)
    written = texts.get("not_yet", {}).get(reason)
    if written is None:
        return reason
    told = re.sub(r"\s*[^.:]*:\s*\{(events|sequential|parallel)\}", "", written[lang])  # tables of events
    return re.sub(r"\{\w+\}", "…", told).replace("….", "…")


def _signed(fraction: float, lang: str) -> str:
    return ("−" if fraction < 0 else "+" if fraction > 0 else "") + percent(abs(fraction), lang)
