"""Long work as Ray jobs: they outlive the server that accepted them, and their state is the record of a run.

A run that is accepted waits, a job of the cluster carries it out, one at a time. What became of a job that died without
a word is found by `reconcile`: no run stays "running" for ever.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from api.problems import Problem
from labkit import host
from labkit.errors import ClusterError
from labkit.lab import Lab
from labkit.parallel.head import find_head, ray_environment, token
from labkit.runner import ROOT
from labkit.store.runs import Run

RETRY_AFTER_S = 30
HANDED_OVER = timedelta(minutes=1)  # the cluster knows of a job some seconds after its run is on record
_LOG = logging.getLogger("labkit.api")
_ENDED = {"FAILED", "STOPPED", "SUCCEEDED"}


class Jobs:
    """Trainings and benchmarks of a lab that were asked for through the API.

    Parameters
    ----------
    lab : Lab
    most : int
        How many may wait.
    """

    def __init__(self, lab: Lab, most: int) -> None:
        self._lab, self._most = lab, most

    def submit(self, kind: str, name: str, parameters: Mapping[str, Any]) -> Run:
        """Accept work: a run that waits, and the job that will carry it out.

        Raises
        ------
        Problem
            429, if too many wait already.
        ClusterError
            If no cluster runs.
        """
        waiting = self._lab.runs.list(status="waiting", limit=1000)
        if len(waiting) >= self._most:
            raise Problem(
                429, "queue-full", f"{len(waiting)} runs wait already: come again later, or cancel one (DELETE).",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )  # fmt: skip
        client = self._client()
        run = self._lab.runs.start(kind, name, parameters, 0, "", [host.fingerprint()], status="waiting")
        try:
            client.submit_job(
                entrypoint=f"exec {shlex.quote(sys.executable)} -m api.job {run.id}", submission_id=run.id,
                runtime_env={"env_vars": self._environment()},
            )  # fmt: skip
        except Exception as fault:
            self._lab.runs.update(run.id, status="failed", error=f"it could not be handed to the cluster: {fault}")
            raise ClusterError(f"The cluster did not take the job: {fault}") from fault
        return run

    def cancel(self, run: Run) -> Run:
        """End a run that waits or goes on; what it finished is kept, so that it can be resumed."""
        if run.status in ("waiting", "running"):
            with contextlib.suppress(Exception):  # the job may just have ended
                self._client().stop_job(run.id)
            if run.status == "waiting":
                self._lab.runs.update(run.id, status="interrupted", error="cancelled while it waited")
        return self._lab.runs.get(run.id)

    def reconcile(self) -> None:
        """Mark runs whose process or job is gone, each with its reason."""
        self._lab.runs.reconcile()
        for run in self._lab.runs.list(status="waiting", limit=1000):
            reason = self._reason(run)
            if reason is not None and self._lab.runs.get(run.id).status == "waiting":
                self._lab.runs.update(run.id, status="failed", error=reason)

    def log(self, run_id: str) -> str:
        """Return what a run's job has printed so far; nothing where the cluster does not know it."""
        try:
            return str(self._client().get_job_logs(run_id))
        except Exception:
            return ""

    def _reason(self, run: Run) -> str | None:
        """Return why a waiting run will never begin; None if it may."""
        try:
            info = self._client().get_job_info(run.id)
        except ClusterError:
            return "the cluster that should have carried it out has ended"
        except RuntimeError as fault:
            young = datetime.now(UTC) - datetime.fromisoformat(run.created) < HANDED_OVER
            return (
                None if young or "404" not in str(fault) else "the cluster does not know its job: it was started anew"
            )
        except Exception:  # a cluster that is just slow: it is asked again
            return None
        return f"its job ended before it began: {info.message}" if info.status in _ENDED else None

    def _environment(self) -> dict[str, str]:
        settings = self._lab.settings
        return {
            "LABKIT_HOME": str(settings.home), "LABKIT_LANG": settings.lang, "RAY_ADDRESS": settings.ray_address or "",
            "LABKIT_DATABASE_URL": settings.database or "", "LABKIT_ARTEFACTS_URL": settings.artefacts or "",
            "PYTHONPATH": str(ROOT),
        }  # fmt: skip

    def _client(self) -> Any:
        """Return a client of the jobs of the lab's own head."""
        head = find_head(self._lab.folder)
        if head is None:
            raise ClusterError("No Ray cluster of this lab runs. Start one: labkit cluster start")
        for name, value in ray_environment(self._lab.folder).items():
            os.environ.setdefault(name, value)
        from ray.job_submission import JobSubmissionClient

        key = token(self._lab.folder).read_text().strip()
        try:
            return JobSubmissionClient(
                f"http://127.0.0.1:{head.dashboard_port}", headers={"Authorization": f"Bearer {key}"}
            )
        except Exception as fault:
            raise ClusterError(f"The cluster takes no jobs now: {fault}") from fault
