"""Take the pictures of the READMEs' tour of a lab that runs, in one language.

`python docs/tour.py LANG SERVICES JUPYTER REPORT` takes the two addresses that `labkit lab` prints, with their tokens,
and the report that `labkit report build --format html` wrote. The lab must speak that language (LABKIT_LANG), and hold
a training and a speedup table.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import sync_playwright

TOUR = Path(__file__).resolve().parent / "tour"
LANGUAGES = {"en": "en-GB", "es": "es-ES"}
SCREEN = {"width": 1280, "height": 800}
COLOURS = 96


def keep(name: str, lang: str, taken: bytes) -> None:
    """Keep a picture, small: screens have few colours."""
    picture = Image.open(io.BytesIO(taken)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(TOUR / f"{name}.{lang}.png", optimize=True)


def take(context: Any, lang: str, services: str, jupyter: str, report: Path) -> None:
    """Take all pictures."""
    page = context.new_page()
    page.goto(services)
    page.get_by_role("radiogroup").first.get_by_text(lang, exact=True).click()
    pages = services.partition("?")[0].rsplit("/login", 1)[0].rstrip("/") + "/"
    for name, route, panel in (("dashboard", "", None), ("gantt", "training", 1), ("table", "benchmark", 1)):
        page.goto(f"{pages}#/{route}")
        page.wait_for_timeout(3000)
        found = page if panel is None else page.locator("main section").nth(panel)
        keep(name, lang, found.screenshot())
    page.goto(report.as_uri())
    page.locator("h2[data-number='6.2']").evaluate("heading => heading.scrollIntoView()")
    page.wait_for_timeout(500)
    keep("report", lang, page.screenshot())
    place = urlsplit(jupyter)
    page.goto(jupyter)
    page.goto(f"{place.scheme}://{place.netloc}/lab/workspaces/lesson/tree/work/{lang}/00_start_here.ipynb")
    page.locator(".jp-NotebookPanel").wait_for()
    page.frame_locator(".jp-ServerProxy:visible iframe").locator("svg[role=img]").first.wait_for()
    page.wait_for_timeout(4000)
    keep("lab", lang, page.screenshot())


def main(lang: str, services: str, jupyter: str, report: str) -> None:
    """Take the pictures in a new browser."""
    TOUR.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        context = browser.new_context(viewport=SCREEN, locale=LANGUAGES[lang], reduced_motion="reduce")
        context.set_default_timeout(60_000)
        take(context, lang, services, jupyter, Path(report).resolve(strict=True))
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
