"""A release: the code of the clone as `git archive` has it, named after its own SHA-256, in the lab's bucket."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import shutil
import subprocess
from pathlib import Path

from ec2.cloud import Absent, Cloud
from ec2.text import tr
from labkit.errors import InvalidArgument

ROOT = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Release:
    """An archive of the code: where it lies, its name, and how many files of the clone it does not hold."""

    path: Path
    name: str
    n_uncommitted: int

    @property
    def n_bytes(self) -> int:
        """Its size."""
        return self.path.stat().st_size


def pack(folder: Path, lang: str, root: Path = ROOT) -> Release:
    """Archive the commit that is checked out; the same commit gives the same bytes.

    Raises
    ------
    InvalidArgument
        If the code is no clone with a commit, or there is no git.
    """
    raw, made = folder / "release.tar", folder / "release.tar.gz"
    try:
        _git(root, "archive", "--format=tar", f"--output={raw}", "HEAD")
        changed = _git(root, "status", "--porcelain").splitlines()
    except (OSError, subprocess.CalledProcessError) as fault:
        said = (getattr(fault, "stderr", "") or str(fault)).strip()
        raise InvalidArgument(tr("no_clone", lang, root=root, said=said)) from fault
    with raw.open("rb") as source, gzip.GzipFile(made, "wb", compresslevel=6, mtime=0) as target:
        shutil.copyfileobj(source, target)
    raw.unlink()
    with made.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return Release(made.rename(folder / f"labkit-{digest}.tar.gz"), f"labkit-{digest}.tar.gz", len(changed))


def upload(cloud: Cloud, release: Release, bucket: str) -> bool:
    """Put a release into the bucket; tell whether it was not there yet."""
    key = f"releases/{release.name}"
    try:
        found = cloud.call("s3", "head_object", Bucket=bucket, Key=key)
        if found["ContentLength"] == release.n_bytes:
            return False
    except Absent:
        pass
    with release.path.open("rb") as content:
        cloud.call("s3", "put_object", Bucket=bucket, Key=key, Body=content, ServerSideEncryption="AES256")
    return True


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root), *arguments]  # root may pack another's clone
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
