from __future__ import annotations

import io

import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from labkit.classroom.plots import format_table, plot_speedup, table_markdown
from labkit.classroom.text import LANGUAGES, t
from labkit.scaling.fits import LawFit, Unfitted
from labkit.scaling.intervals import Spread
from labkit.scaling.table import SpeedupRow

INTERVAL = Spread(1.7, 1.9, "interval", 0.96875)
ROWS = [
    SpeedupRow(1, 20.0, 20.5, 0.98, 0.98, 12_800.0, Spread(0.97, 0.99, "interval", 0.96875), 1.0, 0.98),
    SpeedupRow(2, 20.0, 11.0, 1.82, 0.91, 23_818.0, INTERVAL, 1.95, 0.93),
    SpeedupRow(4, 20.0, 10.5, 1.9, 0.475, 24_952.0, Spread(1.8, 2.0, "interval", 0.96875), 2.0, 0.95, None, ("SMT",)),
]
FITS = [
    LawFit("amdahl", {"serial_fraction": 0.1}, {"serial_fraction": 0.01}, 0.02),
    Unfitted("usl", n_cores_needed=4, n_eligible=2),
]


def words(figure: Figure) -> set[str]:
    texts = figure.legends[0].get_texts()
    return {text.get_text() for text in [*texts, figure.legends[0].get_title()]}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("rows", [ROWS[:1], ROWS[:2], ROWS])
def test_nothing_in_the_figure_overlaps_or_is_cut(lang: str, rows: list[SpeedupRow]) -> None:
    figure = plot_speedup(rows, FITS, lang, "Some CPU of 2 cores")
    figure.savefig(io.BytesIO(), format="png")
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    boxes.append(figure.legends[0].get_window_extent())
    for i, box in enumerate(boxes):
        assert box.x0 >= 0 and box.x1 <= 800 and box.y0 >= 0 and box.y1 <= figure.bbox.height
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_figure_tells_measured_predicted_and_unfitted_apart(lang: str) -> None:
    figure = plot_speedup(ROWS, FITS, lang, "Some CPU")
    for key in ("ideal", "limit", "measured", "marked"):
        assert t(f"plot.{key}", lang) in words(figure)
    assert t("plot.fit", lang, law="Amdahl") in words(figure)
    assert any(t("plot.unfitted", lang, law="USL", n_cores=4) in text for text in words(figure))
    [dashed] = [line for line in figure.axes[0].lines if line.get_label() == t("plot.fit", lang, law="Amdahl")]
    assert dashed.is_dashed()


def test_marked_rows_are_hollow_and_bars_span_the_spread() -> None:
    speedup, efficiency = plot_speedup(ROWS, [], "en", "Some CPU").axes
    solid, hollow = [c for c in speedup.containers if isinstance(c, ErrorbarContainer)]
    assert (list(solid.lines[0].get_xdata()), list(hollow.lines[0].get_xdata())) == ([1, 2], [4])
    assert hollow.lines[0].get_markerfacecolor() == "white" != solid.lines[0].get_markerfacecolor()
    bars = next(c for c in efficiency.containers if isinstance(c, ErrorbarContainer)).lines[2][0].get_segments()
    assert [list(bar[:, 1]) for bar in bars] == [pytest.approx([0.97, 0.99]), pytest.approx([0.85, 0.95])]


def test_without_a_measured_limit_none_is_drawn() -> None:
    row = SpeedupRow(2, 20.0, 11.0, 1.82, 0.91, 23_818.0, INTERVAL)
    assert t("plot.limit", "en") not in words(plot_speedup([row], [], "en", "Some CPU"))
    assert format_table([row], "en")[1][7] == "–"


def test_the_table_reads_in_english_and_in_spanish() -> None:
    space = "\N{NO-BREAK SPACE}"
    assert format_table(ROWS, "en")[3] == (
        ["4", "20.00", "10.50", "1.90", "48%", "24,952", "1.80–2.00 (96.9%)", "95%", "SMT"]
    )
    assert format_table(ROWS, "es")[2] == (
        ["2", "20,00", "11,00", "1,82", f"91{space}%", f"23{space}818", f"1,70–1,90 (96,9{space}%)", f"93{space}%", ""]
    )


def test_a_range_is_called_a_range() -> None:
    row = SpeedupRow(2, 20.0, 11.0, 1.82, 0.91, 23_818.0, Spread(1.7, 1.9, "range"))
    assert format_table([row], "es")[1][6] == "1,70–1,90 (rango)"


def test_markdown_has_as_many_cells_in_every_line() -> None:
    lines = table_markdown(ROWS, "es").splitlines()
    assert len(lines) == 5
    assert {line.count("|") for line in lines} == {10}
    assert lines[1].startswith("| ---: |")
