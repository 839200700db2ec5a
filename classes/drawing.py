"""The charts of a class's page, as SVG drawn by arithmetic: one for wide screens, one for a phone."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from classes.collect import NEAR, Table
from classes.text import tr
from labkit.classroom.text import number, percent
from labkit.scaling.table import OVER_SUBSCRIBED, SMT

# Okabe & Ito's palette, told apart by every kind of colour vision; marks and dashes differ too.
COLOURS = ("#0072B2", "#D55E00", "#007A5A", "#B0568C", "#8A6500", "#3A8FC4", "#444444")
_SHAPES, _DASHES = ("circle", "square", "triangle", "diamond"), ("", "7 3", "2 3")
WIDE, NARROW = 840, 358
_TICK = "tick"


def style(index: int) -> tuple[str, str, str]:
    """Return colour, mark and dashes of a host by its place in the legend."""
    return (
        COLOURS[index % len(COLOURS)], _SHAPES[index % len(_SHAPES)],
        _DASHES[index // len(COLOURS) % len(_DASHES)],
    )  # fmt: skip


def scaling(hosts: Sequence[tuple[str, Sequence[Table]]], lang: str, width: int) -> str:
    """Draw speedup by number of workers: a thin line for each table, a thick one for the median of each host.

    Parameters
    ----------
    hosts : sequence of (str, sequence of Table)
        Each host's name and its tables, all of the same work.
    lang : {"en", "es"}
        The reader's language.
    width : int
        In pixels.
    """
    rows = [row for _, tables in hosts for table in tables for row in table.rows]
    counts = sorted({row.n_workers for row in rows})
    top = max(1.0, max(row.speedup for row in rows))
    ideal = min(max(counts), 1.25 * top)
    top = 1.08 * max(top, min(ideal, 1.3 * top))
    height, left, right, below, above = (390 if width > 500 else 330), 44, 16, 46, 14
    low, high = math.log2(counts[0]), math.log2(max(counts[-1], counts[0] * 2))

    def x(n: float) -> float:
        return left + 14 + (math.log2(n) - low) / (high - low) * (width - left - right - 28)

    def y(speedup: float) -> float:
        return height - below - speedup / top * (height - below - above)

    parts = [_axes(counts, top, x, y, (width, height), (left, right, below), lang)]
    ends = [counts[0] + (min(counts[-1], top) - counts[0]) * i / 40 for i in range(41)]
    line = " ".join(f"{x(n):.1f},{y(n):.1f}" for n in ends)
    parts.append(f'<polyline class="ideal" points="{line}"/>')
    for index, (name, tables) in enumerate(hosts):
        colour, shape, dashes = style(index)
        for table in tables if len(tables) > 1 else ():
            line = " ".join(f"{x(row.n_workers):.1f},{y(row.speedup):.1f}" for row in table.rows)
            parts.append(f'<polyline class="one" stroke="{colour}" points="{line}"/>')
        own = sorted({row.n_workers for table in tables for row in table.rows})
        middle = {
            n: statistics.median(row.speedup for table in tables for row in table.rows if row.n_workers == n)
            for n in own
        }
        beyond = {row.n_workers for table in tables for row in table.rows if {SMT, OVER_SUBSCRIBED} & set(row.marks)}
        line = " ".join(f"{x(n):.1f},{y(speedup):.1f}" for n, speedup in middle.items())
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        parts.append(f'<polyline class="median" stroke="{colour}"{dash} points="{line}"/>')
        for n, speedup in middle.items():
            n_own = sum(row.n_workers == n for table in tables for row in table.rows)
            told = tr("chart.point", lang, host=name, n=n, speedup=number(speedup, lang), of=n_own)
            parts.append(mark(shape, x(n), y(speedup), colour, told, hollow=n in beyond))
    label = escape(tr("chart.label", lang, n=len(hosts)), {'"': "&quot;"})
    return _svg(parts, width, height, label)


def mark(shape: str, x: float, y: float, colour: str, told: str, *, hollow: bool = False) -> str:
    """Draw one mark; beyond the host's cores it is hollow."""
    paint = f'stroke="{colour}" class="{"hollow" if hollow else "full"}"' + ("" if hollow else f' fill="{colour}"')
    title = f"<title>{escape(told)}</title>"
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" {paint}>{title}</circle>'
    corners = {
        "square": ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        "triangle": ((0, -5.5), (5, 4), (-5, 4)),
        "diamond": ((0, -6), (5.5, 0), (0, 6), (-5.5, 0)),
    }[shape]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" {paint}>{title}</polygon>'


def sample(index: int) -> str:
    """Draw a host's line and mark for the legend."""
    colour, shape, dashes = style(index)
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    line = f'<polyline class="median" stroke="{colour}"{dash} points="1,9 33,9"/>'
    return f'<svg class="sample" width="34" height="18" aria-hidden="true">{line}{mark(shape, 17, 9, colour, "")}</svg>'


def strip(gaps: Sequence[float], lang: str) -> str:
    """Draw gaps as points between −100 % and +100 %; what lies beyond stands at the edge. The band is near enough."""
    width, height, left = 220, 34, 8

    def x(gap: float) -> float:
        return left + (max(-1.0, min(1.0, gap)) + 1) / 2 * (width - 2 * left)

    parts = [
        f'<rect class="band" x="{x(-NEAR):.1f}" y="2" width="{x(NEAR) - x(-NEAR):.1f}" height="18"/>',
        f'<line class="axis" x1="{x(-1)}" x2="{x(1)}" y1="20" y2="20"/>',
        f'<line class="axis" x1="{x(0)}" x2="{x(0)}" y1="2" y2="20"/>',
    ]
    places: dict[int, int] = {}
    for gap in sorted(gaps):
        column = round(x(gap) / 3)
        places[column] = places.get(column, -1) + 1
        cy = 11 + (places[column] + 1) // 2 * 3 * (1 if places[column] % 2 else -1)
        told = f"<title>{percent(gap, lang)}</title>"
        parts.append(f'<circle class="dot" cx="{x(gap):.1f}" cy="{max(4, min(18, cy))}" r="2.6">{told}</circle>')
    for gap, anchor in ((-1.0, "start"), (0.0, "middle"), (1.0, "end")):
        at = x(gap) + (-left + 2 if gap < 0 else left - 2 if gap > 0 else 0)
        sign = "−" if gap < 0 else "+" if gap > 0 else ""
        text = f"{sign}{percent(abs(gap), lang)}"
        parts.append(f'<text class="{_TICK}" x="{at:.1f}" y="32" text-anchor="{anchor}">{text}</text>')
    return _svg(parts, width, height, tr("gaps.strip", lang, n=len(gaps)), "strip")


def shares(right: int, not_yet: int, not_begun: int) -> str:
    """Draw how many got an exercise right, not yet, and have not begun, as one bar."""
    total, at, parts = max(1, right + not_yet + not_begun), 0.0, []
    for name, n in (("right", right), ("notyet", not_yet), ("notbegun", not_begun)):
        parts.append(f'<rect class="{name}" x="{at:.2f}" y="0" width="{100 * n / total:.2f}" height="10"/>')
        at += 100 * n / total
    return (
        '<svg class="shares" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        + "".join(parts)
        + "</svg>"
    )


def _axes(
    counts: Sequence[int], top: float, x: Callable[[float], float], y: Callable[[float], float],
    size: tuple[int, int], margins: tuple[int, int, int], lang: str,
) -> str:  # fmt: skip
    (width, height), (left, right, below) = size, margins
    parts = []
    step = next(size for size in (0.5, 1, 2, 4, 5, 10, 20, 50, 100, 500, 1000, 10_000) if top / size <= 8)
    for i in range(int(top / step) + 1):
        level, digits = i * step, 0 if step >= 1 else 1
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y(level):.1f}" y2="{y(level):.1f}"/>')
        text = number(level, lang, digits)
        parts.append(f'<text class="{_TICK}" x="{left - 7}" y="{y(level) + 4:.1f}" text-anchor="end">{text}</text>')
    last = -math.inf
    for n in counts:
        if x(n) - last >= 26:
            last = x(n)
            parts.append(
                f'<text class="{_TICK}" x="{x(n):.1f}" y="{height - below + 18}" text-anchor="middle">{n}</text>'
            )
    middle = (left + width - right) / 2
    parts.append(
        f'<text class="name" x="{middle}" y="{height - 6}" text-anchor="middle">{tr("chart.workers", lang)}</text>'
    )
    up = (height - below) / 2
    parts.append(
        f'<text class="name" x="12" y="{up}" text-anchor="middle" transform="rotate(-90 12 {up})">'
        f"{tr('chart.speedup', lang)}</text>"
    )
    return "".join(parts)


def _svg(parts: Sequence[str], width: int, height: int, label: str, kind: str = "chart") -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        f' aria-label="{label}">' + "".join(parts) + "</svg>"
    )
