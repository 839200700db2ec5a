"""The lab's folder: all state on disk. Deleting it is a full reset."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from labkit.errors import OldLayout
from labkit.files.lease import Lease
from labkit.files.whole import told_clearly, write_whole

LAYOUT = 1


@dataclasses.dataclass(frozen=True)
class LabFolder:
    """Where a lab keeps its state.

    Parameters
    ----------
    root : Path
        The folder; `ensure` makes it.
    """

    root: Path

    @property
    def data(self) -> Path:
        """Prepared flights."""
        return self.root / "data"

    @property
    def models(self) -> Path:
        """Trained ensembles."""
        return self.root / "models"

    @property
    def runs(self) -> Path:
        """Artefacts of runs."""
        return self.root / "runs"

    @property
    def logs(self) -> Path:
        """Logs of what serves in the background."""
        return self.root / "logs"

    @property
    def token(self) -> Path:
        """The file with the Ray token."""
        return self.root / "token"

    @property
    def database_url(self) -> str:
        """The database that is used where no other is named."""
        return f"sqlite:///{self.root / 'lab.db'}"

    def lease(self, name: str, purpose: str) -> Lease:
        """Return the lease of a name in this lab."""
        return Lease(self.root / "leases" / name, purpose)

    def ensure(self) -> None:
        """Make the folder, and make sure that it can be written and is of this version.

        Raises
        ------
        StorageError
            If it cannot be made or written.
        OldLayout
            If another version of labkit made it.
        """
        mark = self.root / "layout"
        with told_clearly(mark):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = mark.read_text().strip() if mark.exists() else None
        if found is not None and found != str(LAYOUT):
            raise OldLayout(
                f"{self.root} has layout {found}, this labkit needs {LAYOUT}: another version made it. Set LABKIT_HOME"
                " to another folder, or remove this one and all its runs: labkit clean"
            )
        if found is None:
            write_whole(mark, f"{LAYOUT}\n")
        write_whole(self.root / ".writable", "")
