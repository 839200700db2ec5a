"""The `labkit` command."""

from __future__ import annotations

import atexit
import os
import signal
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line; errors that labkit raises on purpose become one message and an exit status."""
    from importlib.metadata import entry_points

    import typer

    from labkit.cli import bench, clean, data, doctor, lab, models, progress, runs, train  # noqa: F401 (they add themselves)
    from labkit.cli.app import app
    from labkit.cli.show import console, end_by, errors
    from labkit.errors import LabError

    for commands in entry_points(group="labkit.commands"):  # of rooms that stand above this one
        commands.load()
    signal.signal(signal.SIGTERM, end_by)
    signal.signal(signal.SIGINT, end_by)
    try:
        status = app(standalone_mode=False)
        if status == INTERRUPTED:  # what Typer makes of Ctrl-C
            raise KeyboardInterrupt
        sys.exit(status)
    except LabError as fault:
        errors.print(f"[bold red]labkit:[/] {console.escape(str(fault))}", highlight=False, soft_wrap=True)
        sys.exit(fault.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        errors.print("labkit: ended.", highlight=False)
        _leave(INTERRUPTED)
    except Exception as fault:
        if not isinstance(getattr(fault, "exit_code", None), int):
            raise
        fault.show()  # type: ignore[attr-defined]  # what Typer could not read, in its own words
        sys.exit(fault.exit_code)  # type: ignore[attr-defined]


def _leave(status: int) -> None:
    """End without taking the interpreter apart: threads of Ray may crash in that. What is due at the end is done."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
