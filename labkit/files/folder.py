"""The lab's folder: all that a lab keeps on disk; removing it is a full reset."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

from labkit.errors import OldLayout, StorageError
from labkit.files.lease import Lease
from labkit.files.whole import MARK, clear_errors, write_whole

LAYOUT = 1


@dataclasses.dataclass(frozen=True)
class LabFolder:
    """Where everything of a lab lies.

    Parameters
    ----------
    root : Path
        The folder itself.
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
        """What services print."""
        return self.root / "logs"

    @property
    def token(self) -> Path:
        """The file with the lab's token."""
        return self.root / "token"

    @property
    def database_url(self) -> str:
        """URL of the lab's own SQLite database."""
        return f"sqlite:///{self.root.absolute() / 'lab.db'}"

    def lease(self, name: str, purpose: str) -> Lease:
        """Return one of the lab's leases; `purpose` completes "Cannot … now"."""
        return Lease(self.root / f"{name}.lock", purpose)

    def ensure(self) -> None:
        """Make the folder, for its owner alone, or check the one that is there.

        Raises
        ------
        StorageError
            If it cannot be written, or is somebody's folder that is no lab.
        OldLayout
            If another version of labkit made it.
        """
        with clear_errors(self.root):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_layout()
            with tempfile.TemporaryFile(dir=self.root, buffering=0) as probe:
                probe.write(bytes(4096))
            for folder in (self.data, self.models, self.runs, self.logs):
                folder.mkdir(exist_ok=True)

    def _check_layout(self) -> None:
        layout = self.root / "layout"
        # Listed before the layout is looked for: what another process makes meanwhile, it makes after its layout.
        strangers = sorted(path.name for path in self.root.iterdir() if not _is_ours(path))
        if layout.exists():
            if (found := layout.read_text(errors="replace").strip()) != str(LAYOUT):
                raise OldLayout(
                    f"The lab folder {self.root} is of layout {found[:20] or 'unknown'}, this labkit needs layout "
                    f"{LAYOUT}. Begin anew with `labkit clean`, which removes all runs and models in it, or choose "
                    "another folder by LABKIT_HOME."
                )
        elif strangers:
            raise StorageError(
                f"{self.root} is no lab folder, and not empty (it holds {strangers[0]}): "
                "choose an empty or a new folder by LABKIT_HOME."
            )
        else:
            write_whole(layout, f"{LAYOUT}\n")


def _is_ours(path: Path) -> bool:
    # A lease may be there first, or the cluster's token; another process may be writing the layout, and a fresh disk
    # has its lost+found.
    return path.suffix == ".lock" or path.name.startswith(MARK) or path.name in ("lost+found", "token")
