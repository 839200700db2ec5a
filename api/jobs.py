"""Long work as Ray jobs: they outlive the server that accepted them, and their state is the record of a run.

A run that is accepted waits, a job of the cluster carries it out, one at a time. What became of a job that died without
a word is found by `reconcile`: no run stays "running" for ever.
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from api.problems import Problem
from labkit import host
from labkit.errors import ClusterError
from labkit.lab import Lab, Settings
from labkit.parallel.cluster import set_environment, within
from labkit.parallel.head import find_head
from labkit.parallel.service import LOOPBACK
from labkit.runner import ROOT
from labkit.store.runs import Run

RETRY_AFTER_S = 30
_PATIENCE_S, _HANDING_OVER_S = 3.0, 30.0
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
    settings : labkit.lab.Settings
        What the jobs are told.
    """

    def __init__(self, lab: Lab, most: int, settings: Settings) -> None:
        self._lab, self._most, self._settings = lab, most, settings

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
            within(
                _HANDING_OVER_S, client.submit_job, submission_id=run.id,
                entrypoint=f"exec {shlex.quote(sys.executable)} -m api.job {run.id}",
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
                self._ask("stop_job", run.id)
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
            return str(self._ask("get_job_logs", run_id))
        except ClusterError:
            return ""

    def _reason(self, run: Run) -> str | None:
        """Return why a waiting run will never begin; None if it may."""
        if self._lab.settings.ray_address is None and find_head(self._lab.folder) is None:
            return "the cluster that should have carried it out has ended"
        try:
            info = self._ask("get_job_info", run.id)
        except ClusterError as fault:  # a cluster that is just slow is asked again
            young = datetime.now(UTC) - datetime.fromisoformat(run.created) < HANDED_OVER
            lost = "404" in str(fault) and not young
            return "the cluster does not know its job: it was started anew" if lost else None
        return f"its job ended before it began: {info.message}" if info.status in _ENDED else None

    def _environment(self) -> dict[str, str]:
        settings = self._settings
        return {
            "LABKIT_HOME": str(settings.home), "LABKIT_LANG": settings.lang, "RAY_ADDRESS": settings.ray_address or "",
            "LABKIT_DATABASE_URL": settings.database or "", "LABKIT_ARTEFACTS_URL": settings.artefacts or "",
            "PYTHONPATH": str(ROOT),
        }  # fmt: skip

    def _ask(self, what: str, *args: Any, **kwargs: Any) -> Any:
        """Have the cluster's jobs do something, and give up when it does not answer."""
        return within(_PATIENCE_S, getattr(self._client(), what), *args, **kwargs)

    def _client(self) -> Any:
        """Return a client of the jobs of the cluster that RAY_ADDRESS names, else of the lab's own head."""
        named, head = self._lab.settings.ray_address, find_head(self._lab.folder)
        if named is None and head is None:
            raise ClusterError("No Ray cluster of this lab runs. Start one: labkit cluster start")
        set_environment(self._lab.folder)
        from ray.job_submission import JobSubmissionClient

        address = named or f"http://{LOOPBACK}:{head.dashboard_port if head else 0}"
        return within(_PATIENCE_S, JobSubmissionClient, address)
