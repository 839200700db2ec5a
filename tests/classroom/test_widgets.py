from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import ipywidgets
import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

import labkit
from labkit.classroom import widgets
from labkit.classroom.exercises import RIGHT, VERDICT, Verdict
from labkit.lab import Lab
from labkit.parallel.dispatch import dispatch, watchers
from labkit.parallel.engines import engine
from labkit.parallel.tasks import Task, TaskEvent
from labkit.scaling.intervals import Spread
from labkit.scaling.table import SpeedupRow
from tests.parallel.toys import Toy

VIEW = "application/vnd.jupyter.widget-view+json"
EVENTS = [TaskEvent(f"t{i}", i % 2, "local", 1, 0.0, float(i), i + 1.0, i + 1.1, 1, 1) for i in range(6)]
ROWS = [SpeedupRow(2, 20.0, 11.0, 1.82, 0.91, 23_818.0, Spread(1.7, 1.9, "range"))]
YEAR = {date(2013, 1, 1) + timedelta(number): 100 + number for number in range(12)}


@pytest.fixture(params=["en", "es"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Lab:
    return labkit.start(home=tmp_path, lang=request.param)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    for panel in list(widgets._followed.values()):
        panel.close()


def controls(widget: Any, kind: type) -> list[Any]:
    inner = [each for child in getattr(widget, "children", ()) for each in controls(child, kind)]
    return [widget, *inner] if isinstance(widget, kind) else inner


def wait_until(true: Callable[[], object]) -> None:
    until = time.monotonic() + 60.0
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize(
    "make",
    [
        lambda: widgets.gantt(EVENTS),
        lambda: widgets.shard_map(YEAR),
        lambda: widgets.speedup_explorer(ROWS),
    ],
)
def test_every_control_draws_anew_and_says_what_it_is(lab: Lab, make: Callable[[], Any]) -> None:
    picture = make()
    moved = [*controls(picture, ipywidgets.FloatSlider), *controls(picture, ipywidgets.IntSlider)]
    for control in moved:
        before = picture.svg
        control.value = control.max
        assert picture.svg != before
    for control in controls(picture, ipywidgets.Dropdown):
        before = picture.svg
        control.index = len(control.options) - 1
        assert picture.svg != before
    for control in controls(picture, ipywidgets.FloatRangeSlider):
        before = picture.svg
        control.value = (1.0, 2.0)
        assert picture.svg != before
    assert all(control.description for control in [*moved, *controls(picture, ipywidgets.Dropdown)])
    assert controls(picture, ipywidgets.HTML)[0].value == picture.svg


def test_an_exported_notebook_shows_the_pictures_without_any_kernel(lab: Lab) -> None:
    from nbconvert import HTMLExporter

    shown = [widgets.gantt(EVENTS), widgets.speedup_explorer(ROWS), widgets.cluster_panel(), widgets.run_progress()]
    outputs = [nbformat.v4.new_output("display_data", each._repr_mimebundle_()) for each in shown]
    assert all(VIEW in output.data for output in outputs)
    cell = nbformat.v4.new_code_cell("", outputs=outputs)
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    drawn = page[page.rindex("<body") :]
    assert drawn.count('role="img"') == len(shown) and "<polyline" in drawn and "<button" not in drawn


def test_a_panel_follows_the_clock_until_it_is_closed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widgets, "PERIOD_S", 0.01)
    panel = widgets.run_progress()
    before = panel.svg
    run = lab.runs.start("training", "ensemble", {}, 1, "d", [])
    wait_until(lambda: run.id in panel.svg and panel.svg != before)
    controls(panel, ipywidgets.Button)[-1].click()
    wait_until(lambda: not any(thread.name == "labkit-run" for thread in threading.enumerate()))


def test_a_panel_that_is_opened_again_closes_the_one_before(lab: Lab) -> None:
    first, second = widgets.cluster_panel(), widgets.cluster_panel()
    assert first.comm is None and second.comm is not None
    other = widgets.run_progress()
    assert second.comm is not None and other.comm is not None


def test_a_button_kills_a_worker_of_the_running_crew_and_tells_what_became_of_it(lab: Lab, tmp_path: Path) -> None:
    panel, go = widgets.chaos_panel(), tmp_path / "go"
    kill_actor, kill_worker = controls(panel, ipywidgets.Button)[:2]
    kill_worker.click()
    panel.redraw()
    assert panel.svg.count("<text") == 1  # nothing ran, nothing was struck
    tasks = [Task("long", "wait_for", str(go), cost_s=1.0), Task("short", "times", 2.0)]

    def strike() -> None:
        wait_until(lambda: any(watcher.running for watcher in watchers))  # type: ignore[attr-defined]
        kill_actor.click()  # processes are no actors: that is said
        kill_worker.click()
        go.touch()

    with engine("processes")(Toy, (), {}, 1) as crew:
        thread = threading.Thread(target=strike)
        thread.start()
        assert dispatch(tasks, crew) == ["there", 2.0]
        thread.join()
    panel.redraw()
    assert "needs the engine ray" in panel.svg and "…" not in panel.svg
    assert panel.svg.count("<text") == 5
    panel.close()
    assert watchers == []


def test_a_click_arrives_while_a_cell_runs(tmp_path: Path) -> None:
    manager, kernel = start_new_kernel(kernel_name="python3")
    said: list[str] = []

    def run(code: str) -> None:
        kernel.execute_interactive(
            code, output_hook=lambda told: said.append(told["content"].get("text", "")), timeout=60
        )

    try:
        run(f"import labkit, threading\nlab = labkit.start(home={str(tmp_path)!r})")
        run("from labkit.classroom import widgets\nclicked = threading.Event()")
        run("widgets.Bystander.strike = lambda *_: clicked.set()\npanel = widgets.chaos_panel()")
        run("print(panel.children[0].children[0].comm.comm_id)")
        kernel.control_channel.send(kernel.session.msg("create_subshell_request"))  # as JupyterLab does for widgets
        subshell = kernel.get_control_msg(timeout=30)["content"]["subshell_id"]
        click = {"comm_id": "".join(said).strip(), "data": {"method": "custom", "content": {"event": "click"}}}
        message = kernel.session.msg("comm_msg", click)
        message["header"]["subshell_id"] = subshell
        sent = threading.Timer(1.0, lambda: kernel.shell_channel.send(message))
        sent.start()
        said.clear()
        run("print(clicked.wait(30))")
        sent.join()
        assert "".join(said) == "True\n"
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)


def test_hints_come_one_by_one_below_the_verdict_and_the_last_ends_the_button(lab: Lab) -> None:
    checked = widgets.Checked(labkit.check("1.1", ...))
    button = controls(checked, ipywidgets.Button)[0]
    for number in (1, 2, 3):
        assert not button.disabled
        button.click()
        assert f"> {number}/3 " in checked._repr_mimebundle_()["text/markdown"]
    text = checked._repr_mimebundle_()["text/markdown"]
    assert button.disabled and text.count("> ") == 3 and text.startswith(checked.verdict.markdown)
    assert controls(checked, ipywidgets.Output)[0].outputs[0]["data"]["text/markdown"] == text


def test_what_is_right_needs_no_hint(lab: Lab) -> None:
    assert controls(widgets.Checked(Verdict("1.1", RIGHT, "right", "")), ipywidgets.Button) == []


def test_in_a_notebook_a_verdict_that_is_not_right_has_a_button_for_the_next_hint(lab: Lab, monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert VIEW not in labkit.check("1.1", ...)._repr_mimebundle_()
    importlib.import_module("ipykernel")  # a kernel has it
    shown = labkit.check("1.1", ...)._repr_mimebundle_()
    assert VIEW in shown and VERDICT in shown and shown["text/markdown"].startswith("○ **1.1**")
    assert VIEW not in Verdict("1.1", RIGHT, "right", "")._repr_mimebundle_()
    assert VIEW not in labkit.predict("1.a", ...).compare(2.0)._repr_mimebundle_()
