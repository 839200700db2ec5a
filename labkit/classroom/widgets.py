"""Widgets of the notebooks: a picture that follows a slider, a button or the clock.

Their controls are the browser's own, so all of them work by keyboard. Each also carries its picture without controls,
which is what shows where no kernel answers: in an exported notebook, on a page of a repository.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets

from labkit.classroom import drawings
from labkit.classroom.exercises import RIGHT, Verdict, hint
from labkit.classroom.text import t
from labkit.data.shards import PLANS, Day
from labkit.errors import LabError
from labkit.lab import current
from labkit.parallel.cluster import status
from labkit.parallel.faults import Bystander, KillActor, KillWorker
from labkit.parallel.tasks import TaskEvent
from labkit.scaling.table import SpeedupRow

if TYPE_CHECKING:
    from labkit.parallel.observe import WorkerTask

PERIOD_S = 1.0
_WIDE = {"layout": ipywidgets.Layout(width="560px"), "style": {"description_width": "150px"}}
_followed: dict[str, Followed] = {}


class Picture(ipywidgets.VBox):
    """A drawing below its controls, drawn anew whenever one of them changes.

    Parameters
    ----------
    draw : callable
        Returns the drawing as SVG text.
    controls : sequence of ipywidgets.Widget
        Above the drawing, in the order in which the keyboard reaches them.
    """

    def __init__(self, draw: Callable[[], str], controls: Sequence[ipywidgets.Widget] = ()) -> None:
        self._draw, self._place, self.svg = draw, ipywidgets.HTML(), ""
        for control in controls:
            control.observe(lambda _: self.redraw(), "value")
        self.redraw()
        super().__init__([*controls, self._place])

    def redraw(self) -> None:
        """Draw it as things stand now."""
        self._place.value = self.svg = self._draw()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return {**super()._repr_mimebundle_(**kwargs), "text/html": self.svg, "image/svg+xml": self.svg}


class Followed(Picture):
    """A drawing that follows the clock in the background until it is closed, or another of its kind is opened."""

    def __init__(
        self,
        kind: str,
        draw: Callable[[], str],
        controls: Sequence[ipywidgets.Widget] = (),
        on_close: Callable[[], object] = bool,
    ) -> None:
        self._ended, self._on_close = threading.Event(), on_close
        button = ipywidgets.Button(description=t("widget.close", current().settings.lang), icon="stop")
        button.on_click(lambda _: self.close())
        super().__init__(draw, [*controls, button])
        if kind in _followed:  # a cell that is run again would leave one more behind
            _followed[kind].close()
        _followed[kind] = self
        threading.Thread(target=self._follow, name=f"labkit-{kind}", daemon=True).start()

    def _follow(self) -> None:
        while not self._ended.wait(PERIOD_S):
            with contextlib.suppress(LabError):  # a database that is busy now answers next time
                self.redraw()

    def close(self) -> None:
        """Stop following, and take it from the page."""
        if not self._ended.is_set():
            self._ended.set()
            self._on_close()
            super().close()


def cluster_panel() -> Followed:
    """Show the lab's cluster: nodes, cores and object store in use, tasks that run."""
    lab = current()
    return Followed("cluster", lambda: drawings.cluster_svg(status(lab.folder), lab.settings.lang))


def run_progress(run: str | None = None) -> Followed:
    """Show how far a run is, by its record; without an id the newest run there is, one that begins later included."""
    lab = current()

    def draw() -> str:
        found = lab.runs.get(run) if run else next(iter(lab.runs.list(limit=1)), None)
        return drawings.run_svg(found, lab.settings.lang)

    return Followed("run", draw)


def gantt(events: Iterable[TaskEvent | WorkerTask | Mapping[str, Any]]) -> Picture:
    """Show who did what when; the upper slider zooms, the list chooses a task and tells its times.

    Parameters
    ----------
    events : iterable of TaskEvent, WorkerTask or mapping
        Of a dispatch, of `observe().tasks`, or `events` of the record of a run.
    """
    lang = current().settings.lang
    bars = drawings.bars_of(events, lang)
    end_s = max((bar.ended_s for bar in bars), default=1.0)
    zoom = ipywidgets.FloatRangeSlider(
        value=(0.0, end_s), max=end_s, step=end_s / 500, description=t("timeline.zoom", lang), readout=False, **_WIDE
    )
    tasks = [(f"{bar.task} · {bar.row}", place) for place, bar in enumerate(bars)]
    chosen = ipywidgets.Dropdown(options=[("–", None), *tasks], description=t("timeline.choose", lang), **_WIDE)
    return Picture(
        lambda: drawings.gantt_svg(
            bars, lang, zoom.value[0], zoom.value[1], None if chosen.value is None else bars[chosen.value]
        ),
        [zoom, chosen],
    )


def shard_map(rows_by_day: Mapping[Day, int], n_shards: int = 8) -> Picture:
    """Show which days lie in which shard, and how even the shards are, for each plan and number of shards."""
    lang = current().settings.lang
    name = ipywidgets.Dropdown(options=list(PLANS), description=t("shards.plan", lang), **_WIDE)
    number = ipywidgets.IntSlider(
        value=n_shards, min=1, max=min(64, len(rows_by_day)), description=t("shards.number", lang), **_WIDE
    )
    return Picture(lambda: drawings.shards_svg(PLANS[name.value](rows_by_day, number.value), lang), [name, number])


def speedup_explorer(rows: Sequence[SpeedupRow]) -> Picture:
    """Show Amdahl's law and the Universal Scalability Law against measured speedups, a slider a parameter."""
    lang = current().settings.lang

    def slider(name: str, value: float, most: float) -> ipywidgets.FloatSlider:
        label = t(f"explorer.{name}", lang)
        return ipywidgets.FloatSlider(value=value, max=most, step=most / 200, description=label, readout=False, **_WIDE)

    sliders = [slider("serial", 0.1, 1.0), slider("sigma", 0.05, 1.0), slider("kappa", 0.005, 0.1)]
    return Picture(lambda: drawings.speedup_svg(rows, lang, *(each.value for each in sliders)), sliders)


def chaos_panel() -> Followed:
    """Show what this notebook's crew runs, with buttons that kill an actor or a worker's process of it."""
    lang, seen = current().settings.lang, Bystander()
    buttons = []
    for kind, name in ((KillActor, "actor"), (KillWorker, "worker")):
        button = ipywidgets.Button(
            description=t(f"chaos.{name}", lang), button_style="danger", layout=ipywidgets.Layout(width="auto")
        )
        button.on_click(lambda _, kind=kind: seen.strike(kind()))
        # A click goes to a subshell of the kernel, which is free while a cell runs; ipykernel 7.4 would send it on to
        # the thread that made the button, which runs the cell.
        button.comm._reply_subshell_for = lambda _, subshell: subshell
        buttons.append(button)
    return Followed("chaos", lambda: drawings.strikes_svg(seen, lang), [ipywidgets.HBox(buttons)], seen.leave)


class Checked(ipywidgets.VBox):
    """A verdict, with a button for the next hint as long as the exercise is not right."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict, self._lines = verdict, [verdict.markdown]
        self._said = ipywidgets.Output()
        self._button = ipywidgets.Button(description=t("widget.hint", current().settings.lang), icon="lightbulb-o")
        self._button.on_click(lambda _: self.tell())
        super().__init__([self._said] if verdict.state == RIGHT else [self._said, self._button])
        self._show()

    def tell(self) -> None:
        """Show the next hint below the verdict."""
        self._lines.append(f"> {hint(self.verdict.exercise)}")
        self._button.disabled = self._lines[-1].startswith("> 3/3")
        self._show()

    def _show(self) -> None:
        data = {"text/markdown": "\n\n".join(self._lines)}
        self._said.outputs = ({"output_type": "display_data", "data": data, "metadata": {}},)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return {**super()._repr_mimebundle_(**kwargs), "text/markdown": "\n\n".join(self._lines)}
