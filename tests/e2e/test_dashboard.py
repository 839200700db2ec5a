"""The dashboard as a person meets it: a real browser, the real services, a real cluster."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import labkit
from api.app import PAGES
from api.tokens import TokenStore
from labkit.lab import Lab
from labkit.parallel.head import start_head, stop_head
from labkit.runner import ROOT
from labkit.store.database import open_database
from tests.api.served import Served
from tests.costs import give_costs
from tests.report.conftest import RECORDS, keep

CHROMIUM = shutil.which("chromium")
TIMEOUT_S = 90
NAMES = ("", "prediction", "training", "benchmark", "metrics", "runs")
SHOTS = os.environ.get("LABKIT_SHOTS")  # a folder, to look at what the browser shows
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: make system-deps"),
    pytest.mark.skipif(not (PAGES / "index.html").exists(), reason="needs the dashboard: make frontend"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with a head, two models and a table that was measured elsewhere."""
    lab = labkit.start(home=give_costs(tmp_path_factory.mktemp("pages") / "lab"), lang="en")
    start_head(lab.folder, port=0, n_cpus=4, with_parent=True)
    try:
        dataset = lab.prepare(days=12)
        for recipes in (["logistic-numeric"], ["hgb-small"]):
            lab.train(dataset, recipes=recipes, engine="sequential")
        keep(lab.folder.database_url, RECORDS[:1])
        yield lab
    finally:
        stop_head(lab.folder)


@pytest.fixture(scope="module")
def served(lab: Lab) -> Iterator[Served]:
    server = Served(lab.folder.root, "--lab")
    server.wait_until("cluster", True)
    yield server
    server.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, served: Served) -> Iterator[Any]:
    """A page that was opened by the printed address; it asked nobody but the services."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 1000}, locale="en-GB", reduced_motion="reduce", accept_downloads=True
    )
    context.set_default_timeout(1e3 * TIMEOUT_S)
    page = context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.goto(served.url)
    page.get_by_role("heading", name="The lab now").wait_for()
    yield page
    assert faults == []
    assert {url for url in asked if not url.startswith((f"http://127.0.0.1:{served.port}/", "data:", "blob:"))} == set()
    context.close()


def go(page: Any, name: str) -> None:
    page.goto(page.url.partition("#")[0] + f"#/{name}")
    page.locator("h1").wait_for()


def shot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def violations(page: Any) -> list[str]:
    page.evaluate(AXE.read_text("utf-8"))  # not as a script of the page, which its policy forbids
    found = page.evaluate("rules => axe.run(document, { runOnly: rules })", RULES)["violations"]
    return [
        f"{each['id']}: {node['html'][:160]} {node['failureSummary'][:200]}" for each in found for node in each["nodes"]
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_accessible_in_both_schemes_and_scrolls_sideways_at_no_width(page: Any, name: str) -> None:
    go(page, name)
    page.locator("[aria-busy=true]").first.wait_for(
        state="detached"
    )  # no function in the page: its policy forbids that
    page.wait_for_timeout(1500)
    for scheme, lang in itertools.product(("light", "dark"), ("en", "es")):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.locator(f"html[data-mantine-color-scheme={scheme}]").wait_for()
        page.get_by_role("radiogroup").first.get_by_text(lang, exact=True).click()
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 1000})
            page.wait_for_timeout(200)
            shot(page, f"{name or 'dashboard'}-{lang}-{scheme}-{width}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, lang, width)
        assert violations(page) == []
        page.set_viewport_size({"width": 1440, "height": 1000})
    for width in (360, 2560):
        page.set_viewport_size({"width": width, "height": 1000})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)


def test_a_violation_that_is_planted_is_found(page: Any) -> None:
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"data:,\">')")
    assert any(found.startswith("image-alt") for found in violations(page))


def test_a_flight_is_predicted_and_what_if_moves_the_answer(page: Any) -> None:
    go(page, "prediction")
    probability = page.get_by_test_id("probability")
    probability.wait_for()
    before = probability.inner_text()
    assert re.fullmatch(r"\d+\.\d%", before)
    page.get_by_role("button", name="Fill in the weather").click()
    probability.filter(has_not_text=before).wait_for()
    page.get_by_role("button", name="A real flight").click()
    page.get_by_role("heading", name="What moves the answer").or_(
        page.get_by_text("What moves the answer")
    ).first.wait_for()


def test_a_csv_with_bad_rows_tells_each_and_predicts_the_rest(page: Any, tmp_path: Path) -> None:
    rows = ["2013-07-10,UA,EWR,IAH,1725"] * 30
    rows[3], rows[17] = "2013-07-10,UA,XXX,IAH,1725", "2013-07-10,UA,EWR,IAH,noon"
    file = tmp_path / "vuelos ñ.csv"
    file.write_text("\n".join(["day,carrier,origin,dest,sched_dep_time", *rows]), encoding="utf-8")
    go(page, "prediction")
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_text("30 rows of vuelos ñ.csv.").wait_for()
    page.get_by_role("button", name="Predict all").click()
    page.get_by_text("Predicted: 28. Refused: 2.").wait_for()
    with page.expect_download() as found:
        page.get_by_role("button", name="Download the answers").click()
    lines = Path(found.value.path()).read_text("utf-8").splitlines()
    assert len(lines) == 31 and lines[0].endswith("probability,label,error")
    assert "origin" in lines[4] and "sched_dep_time" in lines[18]


def test_a_training_is_started_watched_hurt_and_its_model_promoted(page: Any) -> None:
    go(page, "training")
    page.get_by_label("Days", exact=False).first.fill("12")
    page.get_by_role("textbox", name="Workers").fill("1")
    page.get_by_role("combobox", name="Recipes").or_(page.get_by_label("Recipes")).first.click()
    for name in ("forest-60", "hgb-slow"):
        page.get_by_role("option", name=name, exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Train", exact=True).click()
    kill = page.get_by_role("button", name="Kill an actor")
    kill.wait_for()
    killed = page.get_by_text(re.compile(r"Process \d+ was killed"))
    answered = page.get_by_role("status").filter(has_text=re.compile("No actor works|was killed"))
    for _ in range(200):  # until one is at work
        kill.click()
        answered.first.wait_for()
        if killed.count():
            break
    killed.wait_for()
    page.get_by_role("img", name=re.compile(r"tasks of \d+ workers")).wait_for()
    page.locator("h1").scroll_into_view_if_needed()
    page.get_by_text("finished").first.wait_for()
    page.get_by_role("button", name=re.compile("Kill an actor")).wait_for(state="detached")
    assert page.locator("svg title").filter(has_text="died").count() == 1  # the attempt that was lost
    shot(page, "training-after-a-kill")
    promote = page.get_by_role("button", name=re.compile("Promote model")).first
    name = str(promote.get_attribute("aria-label")).split()[-1]
    promote.click()
    page.get_by_role("row", name=name).get_by_text("in use").wait_for()
    page.get_by_role("button", name="Roll back").click()
    page.get_by_role("row", name=name).get_by_role("button", name=re.compile("Promote")).wait_for()


def test_a_benchmark_is_run_and_its_table_read_and_one_click_leads_to_its_run(page: Any) -> None:
    go(page, "benchmark")
    for label, value in (
        ("days", "12"),
        ("workers", "1"),
        ("rounds", "1"),
        ("recipes", "hgb-small,"),
        ("engine", "threads"),
    ):
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("button", name="Cancel").wait_for()
    page.get_by_role("button", name="Cancel").wait_for(state="detached")
    table = page.get_by_role("region", name=re.compile("Speedup, engine threads")).first
    table.get_by_role("row").nth(1).wait_for()
    shot(page, "benchmark-done")
    page.get_by_role("link", name=re.compile(r"\d{8}-\d{6}-")).first.click()
    page.get_by_role("heading", name="Where it comes from").wait_for()
    assert page.frame_locator("iframe").locator("body").inner_text() != ""
    shot(page, "run")


def test_a_wrong_parameter_is_told_with_its_reason(page: Any) -> None:
    go(page, "benchmark")
    page.get_by_label("days", exact=True).fill("many")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("alert").get_by_text("days").wait_for()


def test_a_lost_connection_is_said_and_found_again(browser: Any, lab: Lab) -> None:
    server = Served(lab.folder.root)
    context = browser.new_context(locale="es-ES", reduced_motion="reduce")
    context.set_default_timeout(1e3 * TIMEOUT_S)
    page = context.new_page()
    page.goto(server.url)
    page.get_by_role("banner").get_by_text("en directo").wait_for()
    os.kill(server.popen.pid, signal.SIGSTOP)
    page.get_by_role("banner").get_by_text("sin datos nuevos").wait_for()
    os.kill(server.popen.pid, signal.SIGCONT)
    page.get_by_role("banner").get_by_text("en directo").wait_for()
    server.end()
    page.get_by_role("banner").get_by_text("sin datos nuevos").wait_for()
    page.get_by_text("Los servicios no responden").first.wait_for()
    shot(page, "offline")
    context.close()


def test_without_a_token_one_is_asked_for_and_a_wrong_one_refused(browser: Any, served: Served) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{served.port}/")
    assert page.url.endswith("/login")
    shot(page, "login")
    page.locator("input[name=token]").fill("wrong")
    page.keyboard.press("Enter")
    page.get_by_text("This token is not known").wait_for()
    page.goto(f"http://127.0.0.1:{served.port}/?token=an.old-one")
    page.get_by_text("This token is not known").wait_for()
    page.goto(served.url)
    page.get_by_role("heading", level=1).wait_for()
    context.clear_cookies()
    page.reload()
    assert page.url.endswith("/login")
    context.close()


def test_a_token_that_may_only_read_shows_all_and_changes_nothing(browser: Any, lab: Lab, served: Served) -> None:
    token = TokenStore(open_database(lab.folder.database_url)).make("reader", ["read"])
    context = browser.new_context(locale="en-GB", reduced_motion="reduce")
    context.set_default_timeout(1e3 * TIMEOUT_S)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{served.port}/?token={token}")
    go(page, "training")
    page.get_by_text("Your token lacks the scope operate.").wait_for()
    assert page.get_by_role("button", name="Train", exact=True).is_disabled()
    go(page, "prediction")
    page.get_by_text("Your token lacks the scope predict.").first.wait_for()
    shot(page, "reader")
    context.close()


def test_the_keyboard_alone_leads_to_a_page_and_to_its_content(page: Any) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    link = page.get_by_role("navigation").get_by_role("link", name="Metrics")
    for _ in range(40):
        page.keyboard.press("Shift+Tab")
        if link.evaluate("each => each === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Metrics", level=1).wait_for()


def test_the_language_that_was_chosen_stays(page: Any) -> None:
    page.get_by_role("radiogroup").first.get_by_text("es", exact=True).click()
    page.get_by_role("heading", name="El laboratorio ahora").wait_for()
    page.reload()
    page.get_by_role("heading", name="El laboratorio ahora").wait_for()
    assert page.evaluate("document.documentElement.lang") == "es"
