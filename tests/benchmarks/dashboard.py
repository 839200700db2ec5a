"""How soon the dashboard can be used, what an hour of samples costs it: `python -m tests.benchmarks.dashboard`.

A real Chromium and the real services of the lab that LABKIT_HOME names. The times of the first load are the browser's
own. The hour is simulated: samples of the real stream, repeated at 10 a second for what a second costs, and as fast as
they are drawn for what 36,000 of them leave behind.
"""

from __future__ import annotations

import gzip
import shutil
import statistics
import sys
import time
from typing import Any

import psutil
from playwright.sync_api import sync_playwright

from labkit.lab import start
from labkit.scaling.intervals import median_interval
from tests.api.served import Served

N_SAMPLES, RATE, WATCHED_S, FAST_MS = 36_000, 10, 60, 2
# The page's own stream of samples ends; its last sample is told again and again, each 100 ms older than the next.
STREAM = """
const Real = window.EventSource;
window.told = 0;
window.EventSource = class extends Real {
  addEventListener(name, handle) {
    super.addEventListener(name, name !== 'sample' ? handle : (event) => {
      if (window.last === undefined) { window.last = JSON.parse(event.data); window.handle = handle; handle(event); }
    });
  }
};
window.tell = (period, most) => {
  const first = Date.now();
  clearInterval(window.telling);
  window.telling = setInterval(() => {
    if (window.told >= most) { clearInterval(window.telling); return; }
    window.told += 1;
    const at = new Date(first + 100 * window.told).toISOString();
    const cores = window.last.cores.map((_, n) => Math.abs(Math.sin(window.told / 20 + n)));
    window.handle({ data: JSON.stringify({ ...window.last, at, cores }) });
  }, period);
};
"""
LOADED = """() => performance.getEntriesByType('resource').map((each) => each.name)
    .filter((name) => /[.](js|css)$/.test(name))"""


def main(rounds: int) -> None:
    served = Served(start().folder.root, "--lab")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            _first_load(browser, served.url, rounds)
            _hour(browser, served.url)
            browser.close()
    finally:
        served.end()


def _first_load(browser: Any, url: str, rounds: int) -> None:
    times, sizes = [], {}
    for _ in range(rounds):
        context = browser.new_context(viewport={"width": 1440, "height": 1000})  # nothing is cached
        page = context.new_page()
        page.goto(url, wait_until="commit")
        # What a person waits for: the page's own heading, which stands when its parts can be used.
        page.locator("h1").wait_for()
        times.append(float(page.evaluate("performance.now()")))
        page.wait_for_timeout(500)
        for name in page.evaluate(LOADED):
            if name not in sizes:
                sizes[name] = len(gzip.compress(context.request.get(name).body(), 9))
        context.close()
    spread = median_interval(times)
    usable = f"{statistics.median(times):.0f} ms ({spread.low:.0f}–{spread.high:.0f}, {rounds} times)"
    print(f"first load: usable after {usable}")
    print(f"first load: {len(sizes)} files of JavaScript and CSS, {sum(sizes.values()) / 1e3:.0f} kB gzipped")


def _hour(browser: Any, url: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, bypass_csp=True)
    context.add_init_script(STREAM)
    page = context.new_page()
    page.goto(url)
    page.goto(url.partition("?")[0] + "#/metrics")
    page.locator("canvas").first.wait_for()
    page.wait_for_function("window.last !== undefined")
    page.evaluate("([period, most]) => window.tell(period, most)", [1000 / RATE, N_SAMPLES])
    page.wait_for_timeout(5_000)
    before, begun = _renderer_s(), time.perf_counter()
    page.wait_for_timeout(1e3 * WATCHED_S)
    passed = time.perf_counter() - begun
    print(f"{RATE} samples a second, metrics page open: {100 * (_renderer_s() - before) / passed:.1f} % of one core")
    devtools = context.new_cdp_session(page)
    heaps = {}
    page.evaluate("([period, most]) => window.tell(period, most)", [FAST_MS, N_SAMPLES])
    for share in (0.2, 0.4, 0.6, 0.8, 1.0):
        page.wait_for_function("n => window.told >= n", arg=int(share * N_SAMPLES), timeout=600_000, polling=500)
        devtools.send("HeapProfiler.collectGarbage")
        heaps[page.evaluate("window.told")] = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    print("heap after garbage collection:", ", ".join(f"{n:,} samples {heap:.1f} MB" for n, heap in heaps.items()))
    full = list(heaps.values())
    print(f"heap from the fifth of the hour to its end: {100 * (full[-1] / full[0] - 1):+.1f} %")
    context.close()


def _renderer_s() -> float:
    """Return the CPU seconds of all of Chromium's processes that draw."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            if any(word in " ".join(process.cmdline()) for word in ("--type=renderer", "--type=gpu-process")):
                total += sum(process.cpu_times()[:2])
        except psutil.Error:
            continue
    return total


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
