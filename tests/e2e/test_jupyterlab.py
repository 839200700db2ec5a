"""The course as a student meets it: a JupyterLab that labkit started, in a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import nbformat
import pytest

from labkit.classroom.text import LANGUAGES, t
from labkit.cli.lab import own_copy, start_jupyter, start_services
from labkit.lab import start
from labkit.parallel.head import start_head, stop_head
from labkit.parallel.service import end_service, free_port
from labkit.runner import notebook
from tests.costs import give_costs

CHROMIUM = shutil.which("chromium")
START, SPEEDUPS = "00_start_here", "04_speedup_tables"
SMALL = {
    START: {"days": 10},
    SPEEDUPS: {"workers": [1, 2], "rounds": 1, "days": 10, "recipes": ["hgb-small", "logistic-numeric"]},
}
TIMEOUT_S = 120
PROMPTED = """n => { const said = [...document.querySelectorAll(".jp-CodeCell .jp-InputArea-prompt")].map(
    prompt => prompt.textContent); return said.filter(text => /\\[\\d+\\]/.test(text)).length >= n; }"""
SHOTS = os.environ.get("LABKIT_SHOTS")  # a folder, to look at what the browser shows

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: make system-deps"),
    pytest.mark.timeout(400),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A JupyterLab beside a Ray head, whose copies of the notebooks have small parameters."""
    root = tmp_path_factory.mktemp("clon ñ")
    lab = start(home=give_costs(root / "lab"), lang="en")
    start_head(lab.folder, port=0, n_cpus=2, with_parent=True)
    strange = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("RAY_")]:  # of a cluster that this process attached to
        strange.delenv(name)
    try:
        port = free_port()
        services, _ = start_services(lab, free_port(), jupyter=f"http://127.0.0.1:{port}/")
        process, place = start_jupyter(lab, port, False, root)
        try:
            for name in SMALL:
                for lang in LANGUAGES:
                    make_small(own_copy(notebook(name, lang), root / "work" / lang), SMALL[name])
            yield place
        finally:
            end_service(process)
            end_service(services)
    finally:
        strange.undo()
        stop_head(lab.folder)


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1440, "height": 1000}, reduced_motion="reduce")
        context.set_default_timeout(1e3 * TIMEOUT_S)
        page = context.new_page()
        page.asked = []
        context.on("request", lambda request: page.asked.append(request.url))
        page.on("websocket", lambda socket: page.asked.append(socket.url))
        page.goto(address)
        yield page
        browser.close()


def make_small(path: Path, parameters: dict[str, Any]) -> None:
    book = nbformat.read(path, 4)
    [cell] = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", [])]
    cell.source += "".join(f"\n{name} = {value!r}" for name, value in parameters.items())
    nbformat.write(book, path)


def shot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


def curve(explorer: Any) -> str:
    return str(explorer.locator("polyline.usl").get_attribute("points"))


def test_the_lesson_opens_with_the_notebook_and_the_live_panel_side_by_side(page: Any) -> None:
    page.locator(".jp-NotebookPanel").wait_for()
    panel = page.frame_locator(".jp-ServerProxy:visible iframe").locator("svg[role=img]")
    panel.get_by_text(t("cluster.node", "en", node="")).first.wait_for()
    left, right = page.locator(".jp-NotebookPanel").bounding_box(), page.locator(".jp-ServerProxy").first.bounding_box()
    assert left["x"] + left["width"] <= right["x"] + 5 and right["width"] > 300
    assert page.locator(".Toastify__toast").count() == 0


def test_rays_dashboard_answers_behind_jupyters_login_alone(page: Any, address: str) -> None:
    base = "{0.scheme}://{0.netloc}".format(urlsplit(address))
    assert page.context.request.get(f"{base}/ray/api/v0/nodes").json()["result"] is True
    with urlopen(f"{base}/ray/api/v0/nodes", timeout=30) as answer:  # without the cookie
        assert urlsplit(answer.url).path == "/login"


def test_the_dashboard_lives_in_the_lesson_behind_jupyters_login_alone(page: Any, address: str) -> None:
    page.locator(".lm-TabBar-tab", has_text="labkit").click()
    dashboard = page.locator(".jp-ServerProxy:visible iframe").content_frame
    dashboard.get_by_text("live", exact=True).wait_for()  # events come through as they are sent
    assert dashboard.locator("h1").inner_text() == "The lab now"
    dashboard.locator("html").evaluate("() => { location.hash = '#/metrics' }")
    dashboard.get_by_role("img", name="CPU by core").locator("canvas").wait_for()
    shot(page, "dashboard-in-jupyterlab")
    base = "{0.scheme}://{0.netloc}".format(urlsplit(address))
    refused = page.context.request.post(f"{base}/services/train", data={"days": 0})
    assert refused.status == 422 and refused.json()["field"] == "body.days"
    with urlopen(f"{base}/services/session", timeout=30) as answer:  # without the cookie
        assert urlsplit(answer.url).path == "/login"


def run_all(page: Any, address: str, name: str, lang: str) -> Any:
    """Open a notebook, run all its cells to the end; return it."""
    place = urlsplit(address)
    with page.expect_websocket(lambda socket: "/channels" in socket.url):  # that of the notebook's kernel
        page.goto(f"{place.scheme}://{place.netloc}/lab/workspaces/{lang}/tree/work/{lang}/{name}.ipynb?reset")
    book = page.locator(".jp-NotebookPanel:visible")
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    last = nbformat.read(notebook(name, lang), 4).cells
    n_cells = sum(bool(cell.source) for cell in last if cell.cell_type == "code")
    page.wait_for_function(PROMPTED, arg=n_cells, timeout=300_000)  # it may wait while another test measures
    assert book.locator("[data-mime-type='application/vnd.jupyter.stderr'], .jp-RenderedError").count() == 0
    return book


def drawn(book: Any, key: str, lang: str, **values: str) -> Any:
    return book.locator(f".jp-OutputArea svg[aria-label^={t(key, lang, **values)[:8]!r}]")


def test_the_first_notebook_runs_to_its_end_shows_its_panels_and_gives_a_hint(page: Any, address: str) -> None:
    book = run_all(page, address, START, "es")
    assert drawn(book, "timeline.title", "es", tasks="", rows="").count() == 2
    book.get_by_role("button", name=t("widget.close", "es")).first.scroll_into_view_if_needed()
    drawn(book, "cluster.title", "es").wait_for()  # a drawing is a new one each second: its button stays
    shot(page, "es-panels")
    drawn(book, "run.title", "es").locator("text", has_text=t("run.finished", "es")).wait_for()
    hints = book.get_by_role("button", name=t("widget.hint", "es"))
    assert hints.count() == 3
    hints.first.click()
    book.get_by_text("1/3 ").wait_for()
    shot(page, "es-hint")


def test_the_speedup_notebook_runs_to_its_end_and_its_widgets_answer(page: Any, address: str) -> None:
    lang = "en"
    book = run_all(page, address, SPEEDUPS, lang)
    table = book.locator(".jp-OutputArea table").first  # those of other machines stand below
    assert table.locator("tbody tr").count() == 2
    table.scroll_into_view_if_needed()
    shot(page, f"{lang}-table")
    timeline = drawn(book, "timeline.title", lang, tasks="", rows="")
    timeline.scroll_into_view_if_needed()
    assert timeline.locator("rect title").count() >= 2
    shot(page, f"{lang}-timeline")
    explorer = drawn(book, "explorer.title", lang)
    slider = book.locator(".widget-slider", has_text=t("explorer.sigma", lang)).locator(".noUi-handle")
    before = curve(explorer)
    slider.focus()
    for _ in range(20):
        slider.press("ArrowRight")
    page.wait_for_function(
        "before => document.querySelector('polyline.usl').getAttribute('points') != before", arg=before
    )
    slider.scroll_into_view_if_needed()  # the drawing itself is a new one after each move
    shot(page, f"{lang}-explorer")


def test_nothing_was_asked_of_another_host(page: Any) -> None:
    assert len(page.asked) > 20
    assert {urlsplit(url).hostname for url in page.asked if urlsplit(url).scheme not in ("data", "blob")} == {
        "127.0.0.1"
    }
