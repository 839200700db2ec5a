"""The `labkit` command."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line; errors that labkit raises on purpose become one message and an exit status."""
    from labkit.cli.app import app
    from labkit.cli.show import console, errors
    from labkit.errors import LabError

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app(standalone_mode=False)
    except LabError as fault:
        errors.print(f"[bold red]labkit:[/] {console.escape(str(fault))}", highlight=False, soft_wrap=True)
        sys.exit(fault.exit_status)
    except KeyboardInterrupt:
        errors.print("labkit: ended.", highlight=False)
        sys.exit(130)
