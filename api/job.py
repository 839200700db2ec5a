"""What a Ray job of the API does: carry one run out. `python -m api.job RUN`."""

from __future__ import annotations

import signal
import sys

from labkit.lab import Lab, start
from labkit.notebooks import run_notebook
from labkit.scaling.benchmark import measuring_lease
from labkit.store.runs import Run

_PATIENCE_S = 24 * 3600.0


def carry_out(lab: Lab, run: Run) -> None:
    """Wait for the turn of a run, then do what it asks for; its record tells the rest."""

    def waits(who: str) -> None:
        lab.runs.update(run.id, results={"waits_for": who})

    turn = lab.folder.lease("jobs", f"carry out run {run.id}").acquired(wait_s=_PATIENCE_S, on_wait=waits)
    with lab.runs.ended_by_errors(run.id), turn:
        if lab.runs.get(run.id).status != "waiting":  # cancelled meanwhile
            return
        given = run.parameters
        if run.kind != "training":
            run_notebook(lab, run.name, given["given"], timeout_s=given["timeout_s"], run_id=run.id)
            return
        dataset = lab.prepare(days=given["days"], scale=given["scale"])
        choices = {name: given[name] for name in ("recipes", "engine", "n_workers", "by")}
        with measuring_lease(f"train run {run.id}").acquired(wait_s=_PATIENCE_S, on_wait=waits):
            lab.train(dataset, run_id=run.id, **choices)


def main() -> int:
    """Carry out the run that the command line names; a job that is stopped gets SIGTERM, and its run is interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lab = start()
    try:
        carry_out(lab, lab.runs.get(sys.argv[1]))
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
