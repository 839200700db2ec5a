from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date, timedelta
from typing import Any

import pytest

from labkit.classroom import drawings
from labkit.classroom.text import LANGUAGES
from labkit.data.shards import plan_contiguous, plan_round_robin
from labkit.parallel.observe import WorkerTask
from labkit.parallel.tasks import TaskEvent
from labkit.scaling import laws
from labkit.scaling.intervals import Spread
from labkit.scaling.table import SpeedupRow

EVENTS = [
    TaskEvent("<forest>", 0, "local", 1, 100.0, 100.5, 104.5, 104.6, 10, 2_000),
    TaskEvent("hgb", 1, "?", 1, 100.0, 103.0, 103.0, 103.0, 0, 0, "worker 1 died"),
    TaskEvent("hgb", 1, "local", 2, 103.0, 103.5, 108.5, 108.5, 10, 2_000),
]
ROWS = [
    SpeedupRow(1, 20.0, 20.5, 0.98, 0.98, 12_800.0, Spread(0.97, 0.99, "range")),
    SpeedupRow(2, 20.0, 11.0, 1.82, 0.91, 23_818.0, Spread(1.7, 1.9, "range"), marks=("load",)),
]
YEAR = {date(2013, 1, 1) + timedelta(number): 100 + number for number in range(12)}
STATUS = {
    "nodes": [{"node": "ab12", "cpus": 2.0, "cpus_used": 1.5, "store_bytes": 10**9, "store_used_bytes": 25 * 10**7}],
    "running": {"fit": 2, "read": 1},
}


def found(svg: str, name: str) -> list[ET.Element]:
    return ET.fromstring(svg).findall(f".//{{http://www.w3.org/2000/svg}}{name}")


def words(svg: str) -> list[str]:
    return [element.text or "" for element in found(svg, "text")]


def titles(svg: str) -> list[str]:
    return [element.text or "" for element in found(svg, "title")]


def all_drawings(lang: str) -> list[str]:
    return [
        drawings.gantt_svg(drawings.bars_of(EVENTS, lang), lang),
        drawings.shards_svg(plan_contiguous(YEAR, 3), lang),
        drawings.speedup_svg(ROWS, lang, 0.1, 0.1, 0.01),
        drawings.cluster_svg(STATUS, lang),
    ]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_drawing_is_whole_named_and_within_its_frame(lang: str) -> None:
    for svg in all_drawings(lang):
        root = ET.fromstring(svg)
        assert root.get("role") == "img" and root.get("aria-label")
        width, height = (float(size) for size in root.get("viewBox", "").split()[2:])
        for element in [*found(svg, "text"), *found(svg, "rect")[1:]]:
            assert 0 <= float(element.get("x", "-1")) <= width and 0 <= float(element.get("y", "-1")) <= height


def test_no_drawing_says_the_same_in_both_languages() -> None:
    for english, spanish in zip(*map(all_drawings, LANGUAGES), strict=True):
        assert len(words(english)) == len(words(spanish)) and english != spanish
        assert ET.fromstring(english).get("aria-label") != ET.fromstring(spanish).get("aria-label")


def test_an_attempt_that_died_is_drawn_from_its_beginning_to_when_it_was_noticed() -> None:
    bars = drawings.bars_of(EVENTS, "en")
    assert [(bar.begun_s, bar.ended_s, bar.failed) for bar in bars] == [
        (0.0, 3.0, True), (0.5, 4.5, False), (3.5, 8.5, False),
    ]  # fmt: skip
    assert "died with its worker" in bars[0].told
    assert "attempt 2" in bars[2].told and "waited 0.50 s" in bars[2].told and "took 5.00 s" in bars[2].told


def test_bars_come_from_a_runs_record_and_from_an_observation_too() -> None:
    import dataclasses

    recorded = drawings.bars_of([dataclasses.asdict(event) for event in EVENTS], "en")
    assert recorded == drawings.bars_of(EVENTS, "en")
    [bar] = drawings.bars_of([WorkerTask("id", "spread", 4242, "local", 5.0, 7.0, False)], "es")
    assert (bar.row, bar.task, bar.ended_s) == ("4242", "spread", 2.0) and "duró 2,00 s" in bar.told


def test_every_bar_tells_its_times_under_the_mouse_and_the_chosen_one_below() -> None:
    bars = drawings.bars_of(EVENTS, "en")
    svg = drawings.gantt_svg(bars, "en")
    assert titles(svg) == [bar.told for bar in bars]
    chosen = drawings.gantt_svg(bars, "en", chosen=bars[1])
    assert "took 4.00 s" in words(chosen) and "took 4.00 s" not in words(svg)
    assert [bar.get("stroke") for bar in found(chosen, "rect")[1:]] == ["white", "black", "white"]


def test_zooming_leaves_out_what_lies_outside_and_widens_the_rest() -> None:
    bars = drawings.bars_of(EVENTS, "en")
    svg = drawings.gantt_svg(bars, "en", 4.6, 8.5)
    assert titles(svg) == [bars[2].told]
    whole = found(drawings.gantt_svg(bars, "en"), "rect")[3]
    assert float(found(svg, "rect")[1].get("width", 0)) > float(whole.get("width", 0))


def test_no_events_are_drawn_as_an_empty_timeline() -> None:
    assert titles(drawings.gantt_svg(drawings.bars_of([], "en"), "en")) == []


def test_days_that_follow_one_another_in_a_shard_are_one_strip() -> None:
    strips = [len(found(drawings.shards_svg(make(YEAR, 3), "en"), "rect")) - 1 - 3 for make in
              (plan_contiguous, plan_round_robin)]  # fmt: skip
    assert strips == [3, 12]
    assert "Shard 0: 4 days, 406 rows" in titles(drawings.shards_svg(plan_contiguous(YEAR, 3), "en"))


def heights(svg: str) -> dict[str, list[float]]:
    """Return how high above the axis each curve runs, in pixels."""
    lines = found(svg, "polyline")
    return {
        line.get("class", ""): [300 - float(point.split(",")[1]) for point in line.get("points", "").split()]
        for line in lines
    }


def test_curves_follow_their_laws() -> None:
    drawn = heights(drawings.speedup_svg(ROWS, "en", 0.1, 0.2, 0.03))
    one = drawn["amdahl"][0]
    assert drawn["amdahl"][-1] == pytest.approx(one * laws.amdahl(4, 0.1), abs=0.2)
    assert drawn["usl"][-1] == pytest.approx(one * laws.usl(4, 0.2, 0.03), abs=0.2)
    alike = heights(drawings.speedup_svg(ROWS, "en", 0.2, 0.2, 0.0))
    assert alike["amdahl"] == alike["usl"]


def test_the_miss_is_measured_at_the_students_points() -> None:
    serial = 0.3
    miss = (sum((row.speedup - laws.amdahl(row.n_workers, serial)) ** 2 for row in ROWS) / 2) ** 0.5
    assert any(f"{miss:.3f}" in text for text in words(drawings.speedup_svg(ROWS, "en", serial, 0.1, 0.0)))
    assert any("–" in text for text in words(drawings.speedup_svg([], "en", serial, 0.1, 0.0)))


def test_a_marked_point_is_hollow() -> None:
    points = found(drawings.speedup_svg(ROWS, "en", 0.1, 0.1, 0.0), "circle")
    assert [point.get("fill") == "white" for point in points] == [False, True, False]


@pytest.mark.parametrize(("lang", "said"), [("en", "1.5 of 2 cores"), ("es", "1,5 de 2 núcleos")])
def test_a_cluster_shows_its_cores_and_its_tasks(lang: str, said: str) -> None:
    svg = drawings.cluster_svg(STATUS, lang)
    assert any(said in text for text in words(svg)) and "2 × fit" in words(svg)
    assert "labkit cluster start" in words(drawings.cluster_svg(None, lang))[0]


def run(**changes: Any) -> Any:
    from labkit.store.runs import Run

    record = dict.fromkeys(["seed", "data_digest", "fingerprints", "owner", "parameters", "results", "name"])
    times = {"created": "2026-01-01T10:00:00.000+00:00", "finished": None, "error": None}
    return Run(**{**record, "id": "r1", "kind": "training", "status": "running", "progress": 0.25, **times, **changes})


def test_a_runs_bar_is_as_long_as_its_progress() -> None:
    def width(svg: str) -> float:
        return float(found(svg, "rect")[2].get("width", 0))

    begun = drawings.run_svg(run(), "es")
    ended = drawings.run_svg(run(progress=1.0, status="finished", finished="2026-01-01T10:00:30.000+00:00"), "en")
    assert width(begun) == pytest.approx(width(ended) / 4, abs=0.1)
    assert "r1 · training · finished · 100% · 30 s" in words(ended)
    assert words(drawings.run_svg(None, "en")) == ["No run yet."]
