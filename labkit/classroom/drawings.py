"""Pictures as SVG text: what ran when, which days lie in which shard, a law against what was measured, a cluster.

They are drawn by arithmetic alone, so that a slider's new picture costs milliseconds. What a bar means stands in its
`<title>`, which a browser shows under the mouse and a screen reader reads.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from labkit.classroom.text import number, percent, t
from labkit.parallel.faults import Bystander, FaultReport
from labkit.parallel.tasks import TaskEvent
from labkit.scaling import laws

if TYPE_CHECKING:  # Polars and Ray are slow to import, and nothing here calls them
    from labkit.data.shards import ShardPlan
    from labkit.parallel.observe import WorkerTask
    from labkit.scaling.table import SpeedupRow
    from labkit.store.runs import Run

WIDTH = 720
_NARROW = 440  # stands beside a notebook
_BLUE, _RED, _GREEN, _GREY, _PALE = "#0072B2", "#D55E00", "#007A5A", "#666666", "#DDDDDD"
_LEFT, _RIGHT, _ROW, _CHAR = 84, 12, 26, 6.8  # pixels; the last is a letter's width
_N_CURVE = 80


@dataclasses.dataclass(frozen=True)
class Bar:
    """One attempt at a task, ready to be drawn.

    Parameters
    ----------
    row : str
        Whose it was: a worker's number, or a process.
    task : str
    begun_s, ended_s : float
        Seconds since the first bar began.
    failed : bool
    told : str
        Its times and sizes, in words.
    """

    row: str
    task: str
    begun_s: float
    ended_s: float
    failed: bool
    told: str


def bars_of(events: Iterable[TaskEvent | WorkerTask | Mapping[str, Any]], lang: str) -> list[Bar]:
    """Return a bar for each attempt, the earliest first.

    Parameters
    ----------
    events : iterable of TaskEvent, WorkerTask or mapping
        Of a dispatch, of `observe().tasks`, or as the record of a run holds them.
    lang : {"en", "es"}
        The reader's language.
    """
    known = [TaskEvent(**event) if isinstance(event, Mapping) else event for event in events]
    tasks = [event for event in known if isinstance(event, TaskEvent)]
    report = FaultReport(0.0, tasks)
    died = {id(event): report.begun_s(event) for event in report.lost}
    begun = [died.get(id(event), event.started_s) for event in known]
    first_s, bars = min(begun, default=0.0), []
    for event, begun_s in zip(known, begun, strict=True):
        values = {"took": number(event.finished_s - begun_s, lang), "at": number(begun_s - first_s, lang)}
        if not isinstance(event, TaskEvent):
            row, task, failed = str(event.pid), event.name, event.failed
            told = t("timeline.observed", lang, task=task, row=row, **values)
        else:
            row, task, failed = t("timeline.worker", lang, n=event.worker), event.task, event.error is not None
            told = t(
                "timeline.died" if id(event) in died else "timeline.task", lang, task=task, row=row,
                attempt=event.attempt, waited=number(event.started_s - event.submitted_s, lang),
                travelled=number(1e3 * (event.received_s - event.finished_s), lang, 1),
                kilobytes=number(event.bytes_out / 1e3, lang, 0), **values,
            )  # fmt: skip
        bars.append(Bar(row, task, begun_s - first_s, event.finished_s - first_s, failed, told))
    return sorted(bars, key=lambda bar: bar.begun_s)


def gantt_svg(
    bars: Sequence[Bar], lang: str, begin_s: float = 0.0, end_s: float | None = None, chosen: Bar | None = None
) -> str:
    """Draw who did what when.

    Parameters
    ----------
    bars : sequence of Bar
    lang : {"en", "es"}
        The reader's language.
    begin_s, end_s : float
        The part of the time that is shown, in seconds; all of it by default.
    chosen : Bar, optional
        Drawn with a frame.
    """
    rows = sorted({bar.row for bar in bars}, key=lambda row: (len(row), row))
    end_s = max((bar.ended_s for bar in bars), default=1.0) if end_s is None else end_s
    scale = (WIDTH - _LEFT - _RIGHT) / max(end_s - begin_s, 1e-6)
    bottom = _ROW * len(rows) + 8
    parts = [_text(_LEFT - 8, 23 + _ROW * place, row, "end") for place, row in enumerate(rows)]
    digits = max(0, 1 - math.floor(math.log10(max(end_s - begin_s, 1e-6))))
    for at_s in _ticks(begin_s, end_s):
        x = _LEFT + scale * (at_s - begin_s)
        parts.append(_line(x, 6, x, bottom, _PALE))
        parts.append(_text(x, bottom + 15, number(at_s, lang, digits), "middle", _GREY))
    for bar in bars:
        low, high = max(bar.begun_s, begin_s), min(bar.ended_s, end_s)
        if low > high:
            continue
        x, y, width = _LEFT + scale * (low - begin_s), 6 + _ROW * rows.index(bar.row), max(1.5, scale * (high - low))
        frame = 'stroke="black" stroke-width="2.5"' if bar is chosen else 'stroke="white"'
        parts.append(_rect(x, y, width, _ROW - 4, _RED if bar.failed else _BLUE, bar.told, frame))
        label = f"✕ {bar.task}" if bar.failed else bar.task
        if _CHAR * len(label) < width:
            parts.append(_text(x + 4, y + 15, label, fill="white", extra='pointer-events="none" font-size="11"'))
    parts.append(_text(WIDTH - _RIGHT, bottom + 31, t("timeline.axis", lang), "end", _GREY))
    parts += [
        _text(16, bottom + 50 + 16 * place, line)
        for place, line in enumerate(chosen.told.split(", ") if chosen else ())
    ]
    return _svg(
        bottom + 100 if chosen else bottom + 40, t("timeline.title", lang, tasks=len(bars), rows=len(rows)), parts
    )


def shards_svg(plan: ShardPlan[Any], lang: str) -> str:
    """Draw which days lie in which shard, and how many rows that makes."""
    places = {day: place for place, day in enumerate(sorted(day for group in plan.groups for day in group))}
    middle, mean = 460, sum(plan.rows) / len(plan.rows)
    step, scale = (middle - 24 - _LEFT) / len(places), (WIDTH - _RIGHT - 60 - middle) / max(plan.rows)
    height = min(_ROW, 400 / len(plan.rows))
    parts = [
        _text(_LEFT, 16, t("shards.days", lang, n=len(places)), fill=_GREY),
        _text(middle, 16, t("shards.mean", lang, mean=number(mean, lang, 0)), fill=_GREY),
    ]
    for shard, (group, rows) in enumerate(zip(plan.groups, plan.rows, strict=True)):
        y, shown = 24 + height * shard, number(rows, lang, 0)
        told = t("shards.told", lang, shard=shard, days=len(group), rows=shown)
        for _, run in itertools.groupby(enumerate(sorted(places[day] for day in group)), lambda at: at[1] - at[0]):
            held = [place for _, place in run]
            parts.append(_rect(_LEFT + step * held[0], y, max(0.8, step * len(held)), 0.8 * height, _BLUE, told))
        parts.append(_rect(middle, y, scale * rows, 0.8 * height, _GREEN, told))
        if height >= 12:
            parts.append(_text(_LEFT - 8, y + 0.4 * height + 4, t("shards.shard", lang, n=shard), "end"))
            parts.append(_text(WIDTH - _RIGHT, y + 0.4 * height + 4, shown, "end"))
    bottom = 24 + height * len(plan.rows)
    parts.append(_line(middle + scale * mean, 20, middle + scale * mean, bottom, _RED, 'stroke-dasharray="4 3"'))
    balance = {"over": number(plan.max_over_mean, lang), "gini": number(plan.gini, lang)}
    parts.append(_text(_LEFT, bottom + 18, t("shards.balance", lang, **balance)))
    return _svg(bottom + 28, t("shards.title", lang, plan=plan.name, n=len(plan.rows)), parts)


def speedup_svg(rows: Sequence[SpeedupRow], lang: str, serial: float, sigma: float, kappa: float) -> str:
    """Draw Amdahl's law and the Universal Scalability Law, with chosen parameters, against what was measured.

    Parameters
    ----------
    rows : sequence of SpeedupRow
        What was measured; may be empty.
    lang : {"en", "es"}
        The reader's language.
    serial : float
        Amdahl's serial fraction, 0–1.
    sigma, kappa : float
        Contention, 0–1, and coherency, at least 0.
    """
    most, bottom, right = max(4, 2 * max((row.n_workers for row in rows), default=4)), 300, WIDTH - 250
    every = max(1, most // 8)

    def x(n: float) -> float:
        return _LEFT - 40 + (right - _LEFT + 40) * (n - 1) / (most - 1)

    def y(speedup: float) -> float:
        return bottom - (bottom - 14) * speedup / most

    parts = []
    for n in range(0, most + 1, every):
        parts += [_line(x(1), y(n), right, y(n), _PALE), _text(x(1) - 8, y(n) + 4, str(n), "end", _GREY)]
    for n in {1, *range(every, most + 1, every)}:
        parts.append(_text(x(n), bottom + 16, str(n), "middle", _GREY))
    parts.append(_text((x(1) + right) / 2, bottom + 34, t("plot.workers", lang), "middle", _GREY))
    parts.append(_line(x(1), y(1), x(most), y(most), _GREY, 'stroke-dasharray="2 4"'))
    counts = [1 + (most - 1) * place / _N_CURVE for place in range(_N_CURVE + 1)]
    legend = [("2 4", _GREY, t("plot.ideal", lang))]
    chosen: dict[str, tuple[Callable[[float], float], dict[str, float], str, str]] = {
        "amdahl": (lambda n: laws.amdahl(n, serial), {"serial": serial}, _GREEN, "7 3"),
        "usl": (lambda n: laws.usl(n, sigma, kappa), {"sigma": sigma, "kappa": kappa}, _RED, "7 3 2 3"),
    }
    for law, (predict, parameters, colour, dashes) in chosen.items():
        points = " ".join(f"{x(n):.1f},{y(predict(n)):.1f}" for n in counts)
        style = f'fill="none" stroke="{colour}" stroke-width="2.2" stroke-dasharray="{dashes}"'
        parts.append(f'<polyline class="{law}" points="{points}" {style}/>')
        values = {name: number(value, lang, 4 if name == "kappa" else 3) for name, value in parameters.items()}
        legend.append((dashes, colour, t(f"explorer.{law}", lang, **values)))
        misses = [row.speedup - predict(row.n_workers) for row in rows]
        miss = number(math.hypot(*misses) / math.sqrt(len(misses)), lang, 3) if misses else "–"
        legend.append(("", "", t("explorer.miss", lang, miss=miss)))
    for row in rows:
        told = t("explorer.point", lang, n=row.n_workers, speedup=number(row.speedup, lang))
        at, fill = x(row.n_workers), "white" if row.marks else _BLUE
        parts.append(_line(at, y(row.spread.low), at, y(row.spread.high), _BLUE, 'stroke-width="2"'))
        style = f'fill="{fill}" stroke="{_BLUE}" stroke-width="2"'
        circle = f'<circle cx="{at:.1f}" cy="{y(row.speedup):.1f}" r="6" {style}>'
        parts.append(f"{circle}<title>{escape(told)}</title></circle>")
    parts.append(f'<circle cx="{right + 31}" cy="20" r="6" fill="{_BLUE}"/>')
    parts.append(_text(right + 54, 24, t("explorer.measured", lang)))
    for place, (dashes, colour, label) in enumerate(legend):
        at = 46 + 22 * place
        if dashes:
            style = f'stroke-width="2.2" stroke-dasharray="{dashes}"'
            parts.append(_line(right + 16, at - 4, right + 46, at - 4, colour, style))
        parts.append(_text(right + 54, at, label))
    peak = laws.usl_peak(sigma, kappa)
    if peak < math.inf:
        highest = {"n": number(peak, lang, 1), "speedup": number(laws.usl(peak, sigma, kappa), lang)}
        parts.append(_text(right + 16, 160, t("explorer.peak", lang, **highest)))
    return _svg(bottom + 44, t("explorer.title", lang), parts)


def cluster_svg(status: Mapping[str, Any] | None, lang: str) -> str:
    """Draw a cluster's nodes, the cores and the object store that are in use, and what runs; None is no cluster."""
    if status is None:
        return _svg(44, t("cluster.title", lang), [_text(16, 27, t("cluster.none", lang))], _NARROW)
    parts, y = [], 8.0
    for node in status["nodes"]:
        parts.append(_text(16, y + 16, t("cluster.node", lang, node=node["node"]), extra='font-weight="bold"'))
        cores = t("cluster.cores", lang, used=number(node["cpus_used"], lang, 1), total=number(node["cpus"], lang, 0))
        store = {
            "used": number(node["store_used_bytes"] / 1e6, lang, 0),
            "total": number(node["store_bytes"] / 1e6, lang, 0),
        }
        for share, label in (
            (node["cpus_used"] / max(node["cpus"], 1e-9), cores),
            (node["store_used_bytes"] / max(node["store_bytes"], 1), t("cluster.store", lang, **store)),
        ):
            y += _ROW
            parts.append(_rect(16, y, 160, 16, _PALE, label))
            parts.append(_rect(16, y, 160 * min(1.0, share), 16, _BLUE, percent(share, lang)))
            parts.append(_text(186, y + 13, label))
        y += _ROW
    parts.append(_text(16, y + 18, t("cluster.running", lang, n=sum(status["running"].values()))))
    for name, count in sorted(status["running"].items(), key=lambda found: (-found[1], found[0]))[:8]:
        y += 20
        parts.append(_text(28, y + 18, f"{count} × {name}"))
    return _svg(y + 32, t("cluster.title", lang), parts, _NARROW)


def run_svg(run: Run | None, lang: str) -> str:
    """Draw how far a run is; None is no run."""
    if run is None:
        return _svg(44, t("run.title", lang), [_text(16, 27, t("run.none", lang))])
    since = datetime.fromisoformat(run.created)
    seconds = ((datetime.fromisoformat(run.finished) if run.finished else datetime.now(UTC)) - since).total_seconds()
    said = {
        "kind": t(f"run.{run.kind}", lang),
        "status": t(f"run.{run.status}", lang),
        "seconds": number(seconds, lang, 0),
    }
    told = t("run.told", lang, id=run.id, done=percent(run.progress, lang), **said)
    bars = [
        _rect(16, 10, width, 16, colour, told)
        for width, colour in (
            (WIDTH - 32, _PALE),
            ((WIDTH - 32) * run.progress, _RED if run.error else _GREEN if run.finished else _BLUE),
        )
    ]
    return _svg(56, t("run.title", lang), [*bars, _text(16, 44, told)])


def strikes_svg(seen: Bystander, lang: str) -> str:
    """Write what runs, and what became of each strike."""
    tasks = ", ".join(task.key for _, task in list(seen.running.values()))
    lines = [t("chaos.running", lang, tasks=tasks) if tasks else t("chaos.idle", lang)]
    for strike in seen.strikes:
        lines.append(t("chaos.struck", lang, worker=strike.worker, task=strike.task))
        report = strike.report
        figures = {"noticed": report.noticed_s, "recovered": report.recovered_s, "lost": report.lost_s}
        told = {name: "…" if value in (None, math.inf) else number(value, lang) for name, value in figures.items()}
        failed = strike.error is not None
        lines.append("    " + (t("chaos.failed", lang, why=strike.error) if failed else t("chaos.after", lang, **told)))
    rows = [
        _text(40 if line.startswith(" ") else 16, 24 + 20 * place, line.strip()) for place, line in enumerate(lines)
    ]
    return _svg(16 + 20 * len(lines), t("chaos.title", lang), rows)


def _svg(height: float, label: str, parts: Sequence[str], width: float = WIDTH) -> str:
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={quoteattr(label)}'
        ' font-family="sans-serif" font-size="12" style="max-width:100%;height:auto">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", fill: str = "#222222", extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" {extra}>{escape(text)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, extra: str = "") -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}" {extra}/>'


def _rect(x: float, y: float, width: float, height: float, fill: str, told: str, extra: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} fill="{fill}" {extra}><title>{escape(told)}</title></rect>'


def _ticks(begin: float, end: float) -> list[float]:
    """Return about six round numbers between two."""
    rough = max(end - begin, 1e-6) / 6
    unit = 10.0 ** math.floor(math.log10(rough))
    step = unit * next(many for many in (1, 2, 5, 10) if many * unit >= rough)
    return [step * place for place in range(math.ceil(begin / step), math.floor(end / step) + 1)]
