from __future__ import annotations

import gc
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from backup import archive as archives
from backup.archive import Archive, Source
from backup.dumps import content_of
from backup.restoring import restore
from labkit.errors import Busy, InvalidArgument, InvalidData, NotEnoughDisk, StorageError, UnknownName
from labkit.store.artefacts import digest_of
from labkit.store.database import EventRow, open_database, writing
from tests.backup.conftest import SmallLab, lab_at


def files_of(home: Path) -> dict[str, str]:
    """Return the digest of each file of a lab but its database's own."""
    return {
        str(path.relative_to(home)): digest_of(path.read_bytes())
        for path in sorted(home.rglob("*"))
        if path.is_file() and not path.name.startswith("lab.db")
    }


def state_of(lab: SmallLab) -> tuple[dict[str, str], dict[str, str]]:
    return content_of(lab.source.database).rows, files_of(lab.source.home)


def test_a_backup_restored_elsewhere_has_the_same_rows_and_files(lab: SmallLab, tmp_path: Path) -> None:
    made = Archive(str(tmp_path / "kept")).make(lab.source)
    assert len(made.files) == 6 and made.lacking == [] and made.rows["runs"]
    elsewhere = lab_at(tmp_path / "elsewhere")
    restore(Archive(str(tmp_path / "kept")), made.id, elsewhere.source)
    assert state_of(elsewhere) == state_of(lab)
    found, whole = Archive(str(tmp_path / "kept")).verify("newest", tmp_path / "elsewhere")
    assert whole and found == made


def test_backups_of_one_second_are_listed_as_they_were_made(lab: SmallLab, tmp_path: Path) -> None:
    kept = Archive(str(tmp_path / "kept"))
    made = []
    for index in range(5):  # by their digests alone these would come in order in 1 of 120 cases
        made.append(kept.make(lab.source).id)
        lab.add_run(f"later {index}")
    assert kept.list() == made and kept.get("newest", tmp_path).id == made[-1]


def test_restoring_puts_a_lab_back_whatever_came_after(lab: SmallLab, tmp_path: Path) -> None:
    kept, before = Archive(str(tmp_path / "kept")), state_of(lab)
    made = kept.make(lab.source)
    later = lab.add_run("later")
    first = lab.runs.list()[-1].id
    lab.runs.save_artefact(first, "workers.log", b"written anew")
    (lab.source.home / "models" / f"m-{first}" / "ensemble.skops").unlink()
    held = sqlite3.connect(lab.source.home / "lab.db")  # a service that has it open sees the restored rows
    assert held.execute("SELECT count(*) FROM runs").fetchone() == (3,)
    restore(kept, made.id, lab.source)
    assert state_of(lab) == before and later not in str(files_of(lab.source.home))
    assert held.execute("SELECT count(*) FROM runs").fetchone() == (2,)
    held.close()


def test_a_backup_is_of_one_moment_while_others_write(lab: SmallLab, tmp_path: Path) -> None:
    ending = threading.Event()
    written: list[str] = []

    def write() -> None:
        while not ending.is_set():
            written.append(lab.add_run(f"run {len(written)}"))

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    kept = Archive(str(tmp_path / "kept"))
    try:
        while len(written) < 3:
            time.sleep(0.01)
        begun = len(written)
        made = [kept.make(lab.source) for _ in range(4)]
    finally:
        ending.set()
        for writer in writers:
            writer.join()
    assert len(written) > begun, "nothing was written meanwhile"
    for each in made:  # each row of a dump has its file, and the rows grow from one to the next
        assert each.lacking == []
        assert kept.verify(each.id, tmp_path / "scratch")[1]
    assert made[0].rows["runs"] != made[-1].rows["runs"]


def test_a_file_is_kept_once_however_many_backups_name_it(lab: SmallLab, tmp_path: Path) -> None:
    kept = Archive(str(tmp_path / "kept"))
    kept.make(lab.source)
    before = kept.place.sizes("files")
    lab.add_run("third")
    kept.make(lab.source)
    after = kept.place.sizes("files")
    assert len(after) - len(before) == 4 and before.keys() < after.keys()  # the database and three files


def test_pruning_keeps_the_newest_and_all_that_they_need(lab: SmallLab, tmp_path: Path) -> None:
    kept = Archive(str(tmp_path / "kept"))
    made = []
    for number in range(3):
        run = lab.add_run(f"more {number}")
        made.append(kept.make(lab.source).id)
        lab.runs.save_artefact(run, "workers.log", b"anew")
    made.sort()
    assert kept.prune(2) == made[:1] and kept.list() == made[1:]
    for each in made[1:]:
        assert kept.verify(each, tmp_path / "scratch")[1]
    n_before = len(kept.place.sizes("files"))
    assert kept.prune(1) == made[1:2] and len(kept.place.sizes("files")) < n_before
    assert kept.prune(1) == []
    with pytest.raises(InvalidArgument, match="At least 1"):
        kept.prune(0)


@pytest.mark.parametrize("fault", ["changed", "cut short", "removed", "manifest"])
def test_a_damaged_backup_is_told_and_changes_nothing(lab: SmallLab, tmp_path: Path, fault: str) -> None:
    kept = Archive(str(tmp_path / "kept"))
    made = kept.make(lab.source)
    digest = next(digest for name, (digest, _) in made.files.items() if name.endswith("skops"))
    path = tmp_path / "kept" / "files" / digest[:2] / digest
    content = path.read_bytes()
    if fault == "changed":
        path.write_bytes(b"x" + content[1:])
    elif fault == "cut short":
        path.write_bytes(content[:-1])
    elif fault == "removed":
        path.unlink()
    else:
        manifest = tmp_path / "kept" / "backups" / f"{made.id}.json"
        manifest.write_text(manifest.read_text().replace("sqlite", "sqlitf"))
    lab.add_run("after")
    before = state_of(lab)
    with pytest.raises(InvalidData, match=r"lacks models/|damaged models/|manifest"):
        kept.verify("newest", lab.source.home)
    with pytest.raises(InvalidData):
        restore(kept, "newest", lab.source)
    assert state_of(lab) == before
    if fault == "cut short":  # the next backup mends what has another size
        assert kept.verify(kept.make(lab.source).id, lab.source.home)[1]


def test_a_damaged_database_in_the_lab_is_told_and_can_be_restored_over(lab: SmallLab, tmp_path: Path) -> None:
    kept, before = Archive(str(tmp_path / "kept")), state_of(lab)
    made = kept.make(lab.source)
    gc.collect()  # what still has the database open
    for name in ("lab.db-wal", "lab.db-shm"):
        (lab.source.home / name).unlink(missing_ok=True)
    (lab.source.home / "lab.db").write_bytes(b"no database at all" * 500)
    with pytest.raises(StorageError, match="damaged"):
        kept.make(lab.source)
    restore(kept, made.id, lab.source)
    assert state_of(lab) == before and (lab.source.home / "lab.db.damaged").exists()


def test_what_the_lab_itself_has_lost_is_told_and_does_not_stop_a_backup(lab: SmallLab, tmp_path: Path) -> None:
    run = lab.add_run("lost")
    (lab.source.home / "models" / f"m-{run}" / "ensemble.skops").unlink()
    kept = Archive(str(tmp_path / "kept"))
    made = kept.make(lab.source)
    assert made.lacking == [f"models/m-{run}/ensemble.skops"]
    assert kept.verify(made.id, tmp_path)[1]


def test_wrong_places_are_refused(lab: SmallLab, tmp_path: Path) -> None:
    for place in (lab.source.home, lab.source.home / "runs" / "kept"):
        with pytest.raises(InvalidArgument, match="lies within the lab"):
            Archive(str(place)).make(lab.source)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(InvalidArgument, match=r"holds no backups, and is not empty \(it holds thesis.txt\)"):
        Archive(str(other)).make(lab.source)
    for place in (other, tmp_path / "nowhere"):
        with pytest.raises(UnknownName, match="holds no backups of labkit"):
            Archive(str(place)).list()
    with pytest.raises(InvalidArgument, match="no address"):
        Archive("nothing://host/a")
    kept = Archive(str(tmp_path / "kept"))
    kept.make(lab.source)
    for name in ("", "nobody"):
        with pytest.raises(UnknownName, match="no one backup"):
            kept.verify(name, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(match="is a file"):
        Archive(str(tmp_path / "file")).make(lab.source)


def test_a_lab_in_which_a_run_goes_on_is_not_restored(lab: SmallLab, tmp_path: Path) -> None:
    kept = Archive(str(tmp_path / "kept"))
    made = kept.make(lab.source)
    run = lab.runs.start("training", "ensemble", {}, 1, "d", [])
    with pytest.raises(Busy, match=rf"{run.id}.* is running"):
        restore(kept, made.id, lab.source)


def test_a_backup_of_a_lab_at_work_is_restored_with_its_run_interrupted(lab: SmallLab, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom labkit.store.runs import RunStore\n"
        f"print(RunStore({lab.source.database!r}, {lab.source.artefacts['runs']!r})"
        ".start('training', 'ensemble', {}, 1, 'd', []).id)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    made = Archive(str(tmp_path / "kept")).make(lab.source)
    elsewhere = lab_at(tmp_path / "elsewhere")
    restore(Archive(str(tmp_path / "kept")), made.id, elsewhere.source)
    elsewhere.runs.reconcile()
    assert elsewhere.runs.get(run).status == "interrupted"


INTERRUPTED = """
import os, signal, sys, pathlib
from backup import archive, dumps, place, restoring
from tests.backup.conftest import lab_at
lab, kept, at, n = lab_at(pathlib.Path(sys.argv[1])), archive.Archive(sys.argv[2]), sys.argv[3], int(sys.argv[4])

def kill_at(owner, name):
    real, count = getattr(owner, name), [0]
    def struck(*arguments, **more):
        count[0] += 1
        if count[0] == n:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **more)
    setattr(owner, name, struck)

if at == "make":
    kill_at(place.Place, "store")
    kept.make(lab.source)
else:
    kill_at(*{"fetch": (place.Place, "fetch"), "store": (place.Place, "store"), "undump": (restoring, "undump"),
              "remove": (place.Place, "remove")}[at])
    restoring.restore(kept, kept.list()[0], lab.source)
"""


def killed(lab: SmallLab, kept: Archive, at: str, n: int) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(lab.source.home), kept.place.url, at, str(n)]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(("at", "n"), [("fetch", 2), ("fetch", 6), ("store", 1), ("store", 2), ("undump", 1)])
def test_a_restore_killed_before_the_database_leaves_the_old_state(
    lab: SmallLab, tmp_path: Path, at: str, n: int
) -> None:
    kept, wanted = Archive(str(tmp_path / "kept")), state_of(lab)
    kept.make(lab.source)
    for run in lab.runs.list():
        (lab.source.home / "models" / f"m-{run.id}" / "ensemble.skops").unlink()  # so that files have to come
        (lab.source.home / "runs" / run.id / "workers.log").unlink()
    lab.add_run("after")
    rows, files = state_of(lab)
    killed(lab, kept, at, n)
    assert content_of(lab.source.database).rows == rows
    after = files_of(lab.source.home)
    assert files.items() <= after.items(), "a file of the old state was touched"
    restore(kept, "newest", lab.source)  # doing it again completes it, and leaves nothing of the killed one behind
    assert state_of(lab) == wanted
    assert not list(lab.source.home.rglob("*.part"))


def test_a_restore_killed_after_the_database_is_completed_by_doing_it_again(lab: SmallLab, tmp_path: Path) -> None:
    kept, wanted = Archive(str(tmp_path / "kept")), state_of(lab)
    made = kept.make(lab.source)
    lab.add_run("after")
    killed(lab, kept, "remove", 2)
    assert content_of(lab.source.database).rows == made.rows
    restore(kept, made.id, lab.source)
    assert state_of(lab) == wanted


def test_a_copy_into_the_database_that_is_killed_in_the_middle_is_undone(lab: SmallLab, tmp_path: Path) -> None:
    engine = open_database(lab.source.database)
    with writing(engine) as session:
        run = lab.runs.list()[0].id
        session.add_all(EventRow(run_id=run, content={"n": n, "text": "x" * 2000}) for n in range(3000))
    engine.dispose()
    before = content_of(lab.source.database).rows
    small = lab_at(tmp_path / "small")
    small.add_run("small")
    program = (
        "import os, signal, sqlite3, sys\nsource, target = map(sqlite3.connect, sys.argv[1:])\n"
        "target.execute('PRAGMA cache_size=10')\n"  # so that pages reach the disk before the end
        "source.backup(target, pages=200, progress=lambda *_: os.kill(os.getpid(), signal.SIGKILL))"
    )
    files = [str(found.source.home / "lab.db") for found in (lab, small)]
    done = subprocess.run([sys.executable, "-c", program, *files], capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert content_of(lab.source.database).rows == before and lab.runs.get(run)
    assert len(small.runs.list()) == 1


def test_a_killed_backup_does_not_count_and_the_next_one_is_whole(lab: SmallLab, tmp_path: Path) -> None:
    kept = Archive(str(tmp_path / "kept"))
    kept.make(lab.source)
    lab.add_run("more")
    for n in (1, 3, 2):
        killed(lab, kept, "make", n)
        assert len(kept.list()) == 1
    made = kept.make(lab.source)
    assert kept.verify(made.id, lab.source.home)[1] and len(kept.list()) == 2
    assert not list((tmp_path / "lab").rglob("*.part"))


def test_a_disk_without_room_is_told_before_anything_changes(
    lab: SmallLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, before = Archive(str(tmp_path / "kept")), state_of(lab)
    made = kept.make(lab.source)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(NotEnoughDisk, match="free some space"):
        restore(kept, made.id, lab.source)
    assert state_of(lab) == before


@pytest.fixture
def full_disk(tmp_path: Path):
    """A disk of 300 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", place], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"needs the right to mount a small disk: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_told_and_leaves_no_backup(lab: SmallLab, full_disk: Path) -> None:
    lab.runs.save_artefact(lab.runs.list()[0].id, "large", os.urandom(400_000))
    kept = Archive(str(full_disk))
    with pytest.raises(NotEnoughDisk, match="full"):
        kept.make(lab.source)
    assert kept.list() == [] and not list(full_disk.rglob("*.part"))


def test_backups_lie_in_s3_and_come_back_from_there(lab: SmallLab, tmp_path: Path, bucket: str) -> None:
    kept = Archive(f"{bucket}/backups")
    made = [kept.make(lab.source)]
    lab.add_run("third")
    made.append(kept.make(lab.source))
    elsewhere = lab_at(tmp_path / "elsewhere")
    restore(kept, made[1].id, elsewhere.source)
    assert state_of(elsewhere) == state_of(lab)
    assert kept.verify(made[0].id, tmp_path)[1]
    assert kept.prune(1) == [made[0].id] and kept.list() == [made[1].id]
    assert kept.verify("newest", tmp_path)[1]
    with pytest.raises(StorageError, match="s3://nobody"):
        Archive("s3://nobody/backups").make(lab.source)


def test_artefacts_in_s3_are_backed_up_and_restored(tmp_path: Path, bucket: str) -> None:
    lab = lab_at(tmp_path / "lab", artefacts=f"{bucket}/artefacts")
    lab.add_run("first")
    kept = Archive(str(tmp_path / "kept"))
    made = kept.make(lab.source)
    assert len(made.files) == 3 and made.lacking == []
    run = lab.runs.list()[0].id
    lab.runs.save_artefact(run, "workers.log", b"anew")
    later = lab.add_run("later")
    restore(kept, made.id, lab.source)
    assert lab.runs.read_artefact(run, "workers.log") == b"log of first"
    assert [run.id for run in lab.runs.list()] == [run] and later not in str(kept.make(lab.source).files)
    with pytest.raises(InvalidArgument, match="lies among the artefacts"):
        Archive(f"{bucket}/artefacts/runs/kept").make(lab.source)


def test_a_backup_of_postgresql_is_restored_elsewhere_with_the_same_rows(
    postgresql_url: str, postgresql_server: str, tmp_path: Path
) -> None:
    from tests import postgresql

    lab = lab_at(tmp_path / "lab", postgresql_url)
    lab.add_run("first")
    kept = Archive(str(tmp_path / "kept"))
    made, before = kept.make(lab.source), content_of(postgresql_url)
    assert made.kind == "postgresql" and made.rows == before.rows and made.lacking == []
    assert kept.verify(made.id, tmp_path)[1] is False  # read through alone
    with postgresql.database(postgresql_server) as empty:
        assert kept.verify(made.id, tmp_path, empty)[1] is True
        with pytest.raises(InvalidArgument, match="not empty"):
            kept.verify(made.id, tmp_path, empty)
    lab.add_run("later")
    with pytest.raises(InvalidArgument, match=r"is of postgresql, and .* sqlite"):
        restore(kept, made.id, lab_at(tmp_path / "other").source)
    restore(kept, made.id, lab.source)
    assert content_of(postgresql_url).rows == before.rows
    assert files_of(lab.source.home).keys() == made.files.keys()


def test_a_server_that_is_not_there_is_told(lab: SmallLab, tmp_path: Path) -> None:
    source = Source(lab.source.home, "postgresql://me@127.0.0.1:9/lab", lab.source.artefacts)
    with pytest.raises(StorageError, match="Start its server"):
        Archive(str(tmp_path / "kept")).make(source)


def test_the_manifest_names_no_secret_and_no_machine(lab: SmallLab, tmp_path: Path) -> None:
    made = Archive(str(tmp_path / "kept")).make(lab.source)
    text = (tmp_path / "kept" / "backups" / f"{made.id}.json").read_text()
    assert str(tmp_path) not in text and json.loads(text)["kind"] == "sqlite"
