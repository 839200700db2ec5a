"""The `labkit` command."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line; errors that labkit raises on purpose become one message and an exit status."""
    import typer

    from labkit.cli.app import app
    from labkit.cli.show import console, errors
    from labkit.errors import LabError

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(app(standalone_mode=False))
    except LabError as fault:
        errors.print(f"[bold red]labkit:[/] {console.escape(str(fault))}", highlight=False, soft_wrap=True)
        sys.exit(fault.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        errors.print("labkit: ended.", highlight=False)
        sys.exit(130)
    except Exception as fault:
        if not isinstance(getattr(fault, "exit_code", None), int):
            raise
        fault.show()  # type: ignore[attr-defined]  # what Typer could not read, in its own words
        sys.exit(fault.exit_code)  # type: ignore[attr-defined]
