"""All commands, one small module for each family."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    name="labkit",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A teaching lab for parallel and distributed machine learning, on real flights.\n\n"
    "[bold]labkit lab[/] sets everything up and opens JupyterLab; [bold]labkit bench[/] measures a speedup table.",
    epilog="Settings: LABKIT_HOME (the lab's folder), LABKIT_LANG (en, es), RAY_ADDRESS (another cluster), "
    "LABKIT_DATABASE_URL, LABKIT_ARTEFACTS_URL. Exit status: 0 done · 1 other fault · 2 wrong use · 3 wrong data · "
    "4 not enough memory, disk or CPUs · 5 cluster or port · 6 folder or database · 7 busy · 8 a task failed · "
    "9 results or timings that cannot be right · 130 ended by Ctrl-C.",
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"labkit {version('labkit')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


from labkit.cli import bench, clean, cluster, data, doctor, lab, models, progress, runs, train  # noqa: E402 (they add themselves to `app`)

__all__ = ["app", "bench", "clean", "cluster", "data", "doctor", "lab", "models", "progress", "runs", "train"]
