"""What was measured, as a person sees it: the speedup table as a figure and as cells of text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from labkit.classroom.text import number, percent, t
from labkit.scaling.fits import LawFit, Unfitted
from labkit.scaling.intervals import Spread
from labkit.scaling.table import OVER_SUBSCRIBED, SMT, SpeedupRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette, told apart by every kind of colour vision; shapes and dashes differ too.
_MEASURED, _LIMIT, _IDEAL = "#0072B2", "#D55E00", "#767676"
_FITS = {"amdahl": "#009E73", "gustafson": "#CC79A7", "usl": "#A87900"}
_DASHES = {"amdahl": (0, (6, 2)), "gustafson": (0, (3, 2)), "usl": (0, (6, 2, 1, 2))}


def plot_speedup(rows: Sequence[SpeedupRow], fits: Sequence[LawFit | Unfitted], lang: str, host_label: str) -> Figure:
    """Draw speedup and efficiency by number of workers.

    Parameters
    ----------
    rows : sequence of SpeedupRow
        At least one. Those beyond the cores are drawn hollow.
    fits : sequence of LawFit or Unfitted
        Fits are dashed; what could not be fitted is named below.
    lang : {"en", "es"}
        The reader's language.
    host_label : str
        Whose measurement this is, such as the CPU model.

    Returns
    -------
    matplotlib.figure.Figure
        800 pixels wide.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.4), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw(left, rows, fits, lang, per_worker=False)
    _draw(right, rows, fits, lang, per_worker=True)
    figure.suptitle(host_label, fontsize=10)
    # What the error bars are: all rows were measured in as many rounds.
    notes = [t(f"plot.{rows[0].spread.kind}", lang, coverage=_coverage(rows[0].spread, lang))]
    for fit in fits:
        if isinstance(fit, Unfitted):
            notes.append(t("plot.unfitted", lang, law=t(f"law.{fit.law}", lang), n_cores=fit.n_cores_needed))
    legend = figure.legend(
        *left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9, frameon=False
    )
    legend.set_title(" · ".join(notes))
    legend.get_title().set_fontsize(8)
    # A notebook asks any object for its picture so; a figure answers by itself only where pyplot is set up.
    figure.__dict__["_repr_png_"] = lambda: _png(figure)
    return figure


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()


def format_table(rows: Sequence[SpeedupRow], lang: str) -> list[list[str]]:
    """Write the table as cells of text, the header first.

    Parameters
    ----------
    rows : sequence of SpeedupRow
        Of one engine.
    lang : {"en", "es"}
        The reader's language: words, decimal signs and percentages.

    Returns
    -------
    list of list of str
    """
    names = ["workers", "sequential", "parallel", "speedup", "efficiency", "throughput", "spread", "limit", "marks"]
    return [
        [t(f"table.{name}", lang) for name in names],
        *(
            [
                str(row.n_workers),
                number(row.sequential_s, lang),
                number(row.parallel_s, lang),
                number(row.speedup, lang),
                percent(row.efficiency, lang),
                number(row.throughput_rows_s, lang, digits=0),
                _spread(row.spread, lang),
                "–" if row.limit_fraction is None else percent(row.limit_fraction, lang),
                ", ".join(t(f"mark.{mark}", lang) for mark in row.marks),
            ]
            for row in rows
        ),
    ]


def table_markdown(rows: Sequence[SpeedupRow], lang: str) -> str:
    """Write the table in Markdown, numbers to the right."""
    return markdown(format_table(rows, lang), "rrrrrrrrl")


def markdown(table: Sequence[Sequence[object]], align: str) -> str:
    """Write cells of text as a table in Markdown.

    Parameters
    ----------
    table : sequence of sequence
        The header first.
    align : str
        One letter a column: "l" for left, "r" for right.

    Examples
    --------
    >>> print(markdown([["plan", "rows"], ["skewed", 812]], "lr"))
    | plan | rows |
    | :--- | ---: |
    | skewed | 812 |
    """
    header, *body = table
    ruler = [{"l": ":---", "r": "---:"}[side] for side in align]
    return "\n".join("| " + " | ".join(map(str, cells)) + " |" for cells in (header, ruler, *body))


def _draw(
    axes: Axes, rows: Sequence[SpeedupRow], fits: Sequence[LawFit | Unfitted], lang: str, *, per_worker: bool
) -> None:
    """Draw one panel; `per_worker` divides every speedup by its number of workers."""

    def shown(speedup: float, n: float) -> float:
        return speedup / n if per_worker else speedup

    counts = [row.n_workers for row in rows]
    ends = [1.0, float(max(*counts, 2))]
    axes.plot(ends, [shown(n, n) for n in ends], color=_IDEAL, lw=1, ls=":", label=t("plot.ideal", lang))
    curve = [1 + (ends[1] - 1) * i / 100 for i in range(101)]
    for fit in fits:
        if isinstance(fit, LawFit):
            heights, name = [shown(fit.predict(n), n) for n in curve], t(f"law.{fit.law}", lang)
            colour, dashes = _FITS[fit.law], _DASHES[fit.law]
            axes.plot(curve, heights, color=colour, lw=1.5, ls=dashes, label=t("plot.fit", lang, law=name))
    limits = [(row.n_workers, shown(row.limit_speedup, row.n_workers)) for row in rows if row.limit_speedup is not None]
    if limits:
        axes.plot(*zip(*limits, strict=True), color=_LIMIT, lw=1.5, marker="^", ms=6, label=t("plot.limit", lang))
    beyond = [row for row in rows if {SMT, OVER_SUBSCRIBED} & set(row.marks)]
    axes.plot(counts, [shown(row.speedup, row.n_workers) for row in rows], color=_MEASURED, lw=1.5, zorder=3)
    for name, group, face in (
        ("measured", [row for row in rows if row not in beyond], _MEASURED),
        ("marked", beyond, "white"),
    ):
        if group:
            heights = [shown(row.speedup, row.n_workers) for row in group]
            below = [shown(row.speedup - row.spread.low, row.n_workers) for row in group]
            above = [shown(row.spread.high - row.speedup, row.n_workers) for row in group]
            axes.errorbar(
                [row.n_workers for row in group], heights, yerr=[below, above], label=t(f"plot.{name}", lang),
                fmt="o", ms=6, color=_MEASURED, mfc=face, capsize=4, zorder=4,
            )  # fmt: skip
    axes.set_xlabel(t("plot.workers", lang))
    axes.set_title(t("plot.efficiency" if per_worker else "plot.speedup", lang), fontsize=11)
    axes.set_xticks(counts)
    axes.set_ylim(bottom=0)
    if per_worker:
        axes.yaxis.set_major_formatter(lambda y, _: percent(y, lang))
    else:
        axes.locator_params(axis="y", integer=True)
    axes.grid(axis="y", color="#DDDDDD", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _spread(spread: Spread, lang: str) -> str:
    ends = {"low": number(spread.low, lang), "high": number(spread.high, lang)}
    return t(f"spread.{spread.kind}", lang, **ends, coverage=_coverage(spread, lang))


def _coverage(spread: Spread, lang: str) -> str:
    return "" if spread.coverage is None else percent(spread.coverage, lang, digits=1)
