"""Charts of what was measured, as SVG whose letters are outlines: the same on every machine and in every format."""

from __future__ import annotations

import functools
import hashlib
import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labkit.classroom.plots import plot_speedup
from labkit.classroom.text import number, percent, t
from labkit.scaling.benchmark import diagnoses_of, laws_of, rows_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette, as in the course; hatches tell the parts apart without colours.
_PARTS = {
    "cpu": ("#0072B2", ""), "memory": ("#CC79A7", "///"), "io": ("#E69F00", "..."), "transfer": ("#009E73", "xx"),
    "waiting": ("#BBBBBB", "\\\\"),
}  # fmt: skip
_BLUE, _GREY = "#0072B2", "#767676"


def kept(draw: Callable[..., str]) -> Callable[..., str]:
    """Let a chart be drawn once for the same record: three formats of a report show the same pictures."""

    @functools.wraps(draw)
    def drawn(record: dict[str, Any], *rest: Any) -> str:
        key = (draw.__name__, hashlib.sha256(json.dumps(record, sort_keys=True).encode()).digest(), *rest)
        if key not in _DRAWN:
            while len(_DRAWN) >= _MOST_DRAWN:
                _DRAWN.pop(next(iter(_DRAWN)), None)
            _DRAWN[key] = draw(record, *rest)
        return _DRAWN[key]

    return drawn


_DRAWN: dict[tuple[Any, ...], str] = {}
_MOST_DRAWN = 32


@kept
def speedup(record: dict[str, Any], engine: str, lang: str) -> str:
    """Draw speedup and efficiency with their spreads, the hardware's limit and the fitted laws."""
    machine = record["fingerprints"][0]
    label = f"{machine['cpu_model']} · {record['id']}".replace("$", r"\$")
    return _svg(plot_speedup(rows_of(record["results"], engine), laws_of(record["results"], engine), lang, label))


@kept
def worker_time(record: dict[str, Any], engine: str, lang: str) -> str:
    """Draw where the workers' time went, a bar for each number of workers."""
    found = diagnoses_of(record["results"], engine)
    figure, axes = _axes(1.5 + 0.42 * len(found))
    left = [0.0] * len(found)
    names = [number(each.figures["n_workers"] or 0, lang, 0) for each in found]
    for part, (colour, hatch) in _PARTS.items():
        widths = [each.shares[part] or 0.0 for each in found]
        axes.barh(
            names, widths, left=left, color=colour, hatch=hatch, edgecolor="white", height=0.66,
            label=t(f"bottleneck.{part}", lang),
        )  # fmt: skip
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda x, _: percent(x, lang))
    axes.set_ylabel(t("plot.workers", lang))
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return _svg(figure)


@kept
def training(record: dict[str, Any], lang: str, labels: tuple[str, str]) -> str:
    """Draw how many fits were done when."""
    begun = min(event["submitted_s"] for event in record["events"])
    done = sorted(event["received_s"] - begun for event in record["events"] if event["error"] is None)
    figure, axes = _axes(2.6)
    axes.step([0.0, *done], range(len(done) + 1), where="post", color=_BLUE, lw=1.8)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.set_ylim(0, len(done) * 1.05)
    axes.set_xlim(0, max(done) * 1.02)
    axes.xaxis.set_major_formatter(lambda x, _: number(x, lang, 1))
    axes.locator_params(axis="y", integer=True)
    axes.grid(axis="y", color="#DDDDDD", lw=0.6)
    return _svg(figure)


@kept
def gantt(record: dict[str, Any], lang: str, label: str) -> str:
    """Draw who did what when: a row for each worker, a bar for each task."""
    events = [event for event in record["events"] if event["error"] is None]
    begun = min(event["submitted_s"] for event in events)
    workers = sorted({event["worker"] for event in events})
    figure, axes = _axes(1.1 + 0.36 * len(workers))
    for event in events:
        start, end = event["started_s"] - begun, event["finished_s"] - begun
        axes.barh(workers.index(event["worker"]), end - start, left=start, height=0.7, color=_BLUE, edgecolor="white")
    axes.set_yticks(range(len(workers)), [number(worker + 1, lang, 0) for worker in workers])
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.set_ylabel(t("plot.workers", lang))
    axes.xaxis.set_major_formatter(lambda x, _: number(x, lang, 1))
    return _svg(figure)


def _axes(height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), dpi=100, layout="constrained")
    axes: Axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Figure) -> str:
    import matplotlib

    content = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "labkit", "svg.fonttype": "path"}):
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    return content.getvalue()
