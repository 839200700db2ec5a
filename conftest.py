"""The rule on skipped tests: each says what it lacks, and where LABKIT_NO_SKIPS is 1 none may be skipped."""

from __future__ import annotations

import os

import pytest


def _n_skipped(config: pytest.Config) -> int:
    # A worker process of pytest-xdist has no such reporter; the process that started it sees every test.
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", ())) if reporter else 0


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("LABKIT_NO_SKIPS") == "1" and _n_skipped(session.config) and session.exitstatus in (0, 5):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if n_skipped := _n_skipped(config):
        if os.environ.get("LABKIT_NO_SKIPS") == "1":
            terminalreporter.write_line(f"{n_skipped} skipped, and LABKIT_NO_SKIPS=1 allows none.", red=True)
        else:
            terminalreporter.write_line(
                f"{n_skipped} skipped: `make system-deps` installs what they need.", yellow=True
            )
