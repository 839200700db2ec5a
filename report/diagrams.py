"""Diagrams drawn from the project's facts: boxes and arrows as SVG, no program needed but this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

_FONT = "DejaVu Sans, Verdana, sans-serif"
_INK, _LINE = "#1F2933", "#52606D"
_FILLS = {
    "front": "#E3F0FA", "service": "#FFFFFF", "ray": "#E6F4EA", "store": "#FFF4DD", "person": "#F2F2F2",
    "frame": "#FAFBFC",
}  # fmt: skip
_WIDTH = 760


def architecture(facts: Mapping[str, Any], texts: Mapping[str, str], n_workers: int | None) -> str:
    """Draw who talks to whom, with the ports: people, dashboard and notebooks, services, Ray, stores.

    Parameters
    ----------
    facts : mapping
        Of `report.facts`.
    texts : mapping of str to str
        Labels in the reader's language.
    n_workers : int or None
        Workers to draw, as measured; None draws "N".
    """
    ports, services = facts["ports"], facts["services"]

    def port(name: str) -> str:
        return f":{ports[name]}" if name in ports else ""

    parts = [
        _box(20, 16, 170, 46, "person", [texts["student"]]),
        _box(270, 16, 200, 46, "front", [texts["frontend"], f"React {port('frontend')}".strip()]),
        _box(540, 16, 200, 46, "front", ["JupyterLab", port("jupyter")]),
        _arrow(190, 39, 270, 39),
        _path([(105, 16), (105, 6), (640, 6), (640, 16)], end=True),
        _frame(20, 104, 720, 92, f"{texts['services']} · FastAPI {port('api')}"),
    ]
    width = (720 - 20) / max(1, len(services))
    for place, name in enumerate(services):
        parts.append(_box(30 + place * width, 136, width - 10, 46, "service", [texts.get(f"service.{name}", name)]))
    parts += [_arrow(370, 62, 370, 104), _arrow(640, 62, 640, 104)]
    parts += [
        _frame(20, 232, 470, 132, f"{texts['cluster']} · Ray {port('ray')}"),
        _box(34, 264, 150, 84, "ray", [texts["head"], texts["head_does"], texts["jobs"]]),
        _arrow(255, 196, 255, 232),
    ]
    shown = min(n_workers or 3, 4)
    each = 284 / shown
    for place in range(shown):
        last = place == shown - 1
        label = str(place + 1)
        if last and (n_workers is None or n_workers > shown):
            label = "N" if n_workers is None else str(n_workers)
        x = 198 + place * each
        parts.append(_box(x, 264, each - 8, 50, "ray", [f"{texts['worker']} {label}" if shown < 4 else label]))
    parts += [
        _box(198, 322, 276, 26, "store", [texts["objects"]]),
        _box(530, 236, 210, 56, "store", [texts["database"], "SQLite · PostgreSQL"]),
        _box(530, 306, 210, 56, "store", [texts["artefacts"], texts["artefact_places"]]),
        _path([(640, 196), (640, 236)], end=True),
        _arrow(490, 334, 530, 334),
    ]
    return _svg(376, parts, texts["architecture_title"])


def flow(texts: Mapping[str, str]) -> str:
    """Draw the computational core: from flights to votes, what is an actor and what is shared."""
    steps = [
        ("store", "flights"), ("service", "shards"), ("ray", "processor"), ("store", "blocks"), ("ray", "trainer"),
        ("service", "ensemble"), ("store", "model"),
    ]  # fmt: skip
    width, gap = 92.0, 12.0
    parts = []
    for place, (fill, name) in enumerate(steps):
        x = 16 + place * (width + gap)
        parts.append(_box(x, 24, width, 62, fill, texts[f"flow.{name}"].split("|"), size=10))
        if place:
            parts.append(_arrow(x - gap, 55, x, 55))
    parts.append(_path([(270, 86), (270, 112), (480, 112), (480, 86)], dashed=True))
    parts.append(_text(375, 128, texts["flow.dispatch"], size=11, anchor="middle"))
    return _svg(142, parts, texts["flow_title"])


def containers(compose: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    """Draw the containers of a Compose file in the order in which they wait for each other."""
    services = list(compose["services"])
    level: dict[str, int] = {}
    for _ in services:  # as many passes as could be needed; a circle ends too
        for service in services:
            level[service["name"]] = 1 + max((level.get(name, 0) for name in service["waits_for"]), default=-1)
    rows: dict[int, list[dict[str, Any]]] = {}
    for service in services:
        rows.setdefault(min(level[service["name"]], len(services)), []).append(service)
    at: dict[str, tuple[float, float, float]] = {}
    parts: list[str] = []
    for row, key in enumerate(sorted(rows)):
        width = (_WIDTH - 40) / len(rows[key])
        for place, service in enumerate(rows[key]):
            at[service["name"]] = (20 + place * width + 6, 16 + row * 92, width - 12)
    for service in services:
        x, y, width = at[service["name"]]
        for other in service["waits_for"]:
            if other in at:
                ox, oy, owidth = at[other]
                parts.append(_path([(ox + owidth / 2, oy + 56), (x + width / 2, y)], end=True))
    for service in services:
        x, y, width = at[service["name"]]
        lines = [service["name"] + (f" ×{service['copies']}" if service["copies"] not in ("1", "") else "")]
        lines += [" ".join(f":{port.split(':')[-2]}" for port in service["ports"] if ":" in port)]
        parts.append(_box(x, y, width, 56, "service" if service["ports"] else "store", lines, size=11))
    return _svg(16 + len(rows) * 92, parts, texts["containers_title"])


def _svg(height: float, parts: Sequence[str], title: str) -> str:
    head = '<marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    head += f'<path d="M0 0 8 4 0 8z" fill="{_LINE}"/></marker>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" width="{_WIDTH}"'
        f' height="{height:g}" role="img"><title>{escape(title)}</title><defs>{head}</defs>'
        f'<rect width="{_WIDTH}" height="{height:g}" fill="#FFFFFF"/>{"".join(parts)}</svg>'
    )


def _box(x: float, y: float, width: float, height: float, fill: str, lines: Sequence[str], size: int = 12) -> str:
    shown = [line for line in lines if line]
    top = y + height / 2 - (len(shown) - 1) * (size + 3) / 2 + size * 0.36
    texts = "".join(
        _text(x + width / 2, top + place * (size + 3), line, size=_fitting(line, width, size - bool(place)),
              anchor="middle", bold=not place)
        for place, line in enumerate(shown)
    )  # fmt: skip
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" fill="{_FILLS[fill]}"'
        f' stroke="{_LINE}"/>{texts}'
    )


def _fitting(line: str, width: float, size: float) -> float:
    """Return a size of letters at which a line stays in its box; a letter is about 0.64 of its size wide."""
    return min(size, max(6.0, (width - 8) / max(1.0, 0.66 * len(line))))


def _frame(x: float, y: float, width: float, height: float, title: str) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8" fill="{_FILLS["frame"]}"'
        f' stroke="{_LINE}" stroke-dasharray="5 3"/>{_text(x + 12, y + 20, title, bold=True)}'
    )


def _text(x: float, y: float, text: str, size: float = 12, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-family="{_FONT}" font-size="{size:g}" fill="{_INK}"{weight}'
        f' text-anchor="{anchor}">{escape(text)}</text>'
    )


def _arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    return _path([(x, y), (to_x, to_y)], end=True)


def _path(points: Sequence[tuple[float, float]], end: bool = False, dashed: bool = False) -> str:
    steps = " ".join(f"{x:g},{y:g}" for x, y in points)
    more = (' marker-end="url(#a)"' if end else "") + (' stroke-dasharray="4 3"' if dashed else "")
    return f'<polyline points="{steps}" fill="none" stroke="{_LINE}" stroke-width="1.4"{more}/>'
