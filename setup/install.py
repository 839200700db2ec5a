"""Make .venv, and install the locked packages and labkit itself into it.

::

    python3 setup/install.py lab    what the lab needs
    python3 setup/install.py dev    and what its tests and checks need
    python3 setup/install.py image  what the lab needs in a container, drivers for PostgreSQL and S3 included

Standard library only. A second run finds its stamp and does nothing; a .venv that was cut short or moved, or whose
Python is gone, is made anew.
"""

import sys

if not (3, 11) <= sys.version_info[:2] < (3, 14):
    sys.exit("labkit needs Python 3.11, 3.12 or 3.13. Name one, here for example: make lab PYTHON=python3.13")

import ast
import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "labkit-installed"
# uv does not read pip's configuration, and a site with a mirror or a certificate of its own has set just that.
UV_NAMES = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE", "proxy": "ALL_PROXY"}


def main(profile: str) -> None:
    """Install a profile, unless that is done; one set-up of a clone at a time."""
    if is_installed(profile):
        return
    with open(__file__, "r+") as this:  # locked instead of a file of its own, which would stay behind
        try:
            fcntl.flock(this, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up of this clone")
            fcntl.flock(this, fcntl.LOCK_EX)
        if not is_installed(profile):
            install(profile)


def stamp(profile: str) -> str:
    """Return what a whole .venv says of itself: where it stands, on which Python, and what it was made from."""
    sources = [Path(__file__), ROOT / "pyproject.toml", *sorted((ROOT / "locks").glob("*.txt"))]
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()
    return f"{VENV}\n{os.path.realpath(PYTHON)}\n{digest} {profile}\n"


def found_stamp() -> str:
    """Return the stamp of the .venv that is there, or nothing if it is not whole or not of this place."""
    whole = STAMP.is_file() and PYTHON.exists() and (VENV / "bin" / "labkit").exists()
    found = STAMP.read_text(encoding="utf-8", errors="replace") if whole else ""
    return found if found.splitlines()[:2] == stamp("").splitlines()[:2] else ""


def is_installed(profile: str) -> bool:
    """Say whether nothing is left to do; the developers' packages hold the lab's."""
    return found_stamp() in (stamp(profile), stamp("dev"))


def install(profile: str) -> None:
    """Make .venv or bring it up to date; a failure leaves none, or the one before."""
    before = found_stamp()
    profile = "dev" if before.endswith(" dev\n") else profile  # the lab takes no developers' packages away
    try:
        STAMP.unlink() if before else make_venv()
        made = stamp(profile)  # of the locks as they are now: they may change while it installs
        say("installing uv, which installs the rest")
        run("pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", "locks/uv.txt")
        say(f"installing the packages of locks/{profile}.txt: some 500 MB, which takes minutes the first time")
        quiet = [] if sys.stderr.isatty() else ["--quiet"]  # on a terminal uv draws its own progress
        # Ray starts many processes: where nobody may write bytecode, each would compile what it imports, for seconds.
        uv_install(*quiet, "--compile-bytecode", "--require-hashes", "-r", f"locks/{profile}.txt")
        say("installing labkit itself")
        uv_install("--quiet", "--no-deps", "--editable", ".")
        STAMP.write_text(made, encoding="utf-8")
    except BaseException as fault:
        if not before:
            remove_venv()
        elif isinstance(fault, SystemExit):  # uv fetches everything before it changes anything
            STAMP.write_text(before, encoding="utf-8")
        raise


def make_venv() -> None:
    """Make an empty .venv in place of what is there."""
    if os.path.lexists(VENV):
        say("removing a .venv that is not whole")
        remove_venv()
    say("making .venv")
    command = [os.path.realpath(sys.executable), "-m", "venv", VENV]  # a Python not in the .venv that has just gone
    # The output is kept back, or Ctrl-C would show a traceback.
    made = subprocess.run(command, capture_output=True, text=True) if importlib.util.find_spec("ensurepip") else None
    if made is None or made.returncode:
        why = made.stdout + made.stderr if made else "Python's ensurepip is missing."
        line = f"{'' if os.geteuid() == 0 else 'sudo '}apt-get install -y python3-venv"
        sys.exit(f"labkit: cannot make .venv: {why}\nOn Debian and Ubuntu, this line most often helps:\n\n    {line}\n")


def remove_venv() -> None:
    """Remove .venv, whatever it is."""
    VENV.unlink() if VENV.is_symlink() or VENV.is_file() else shutil.rmtree(VENV, ignore_errors=True)


def uv_install(*arguments: str) -> None:
    """Install by uv, with the settings that pip has, and without a cache where none can be written."""
    environment = {**os.environ, "UV_NO_CONFIG": "1"}
    listed = subprocess.run([PYTHON, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    settings = dict(line.split("=", 1) for line in listed.splitlines() if "=" in line)
    for section in (":env:", "install", "global"):
        for name in UV_NAMES.keys() & {key.removeprefix(f"{section}.") for key in settings}:
            environment.setdefault(UV_NAMES[name], ast.literal_eval(settings[f"{section}.{name}"]))
    try:
        cache = Path(subprocess.check_output([PYTHON, "-m", "uv", "cache", "dir"], env=environment, text=True).strip())
        cache.mkdir(parents=True, exist_ok=True)
        os.utime(cache)  # fails where nothing can be written
    except OSError:
        environment["UV_NO_CACHE"] = "1"
    run("uv", "pip", "install", "--python", str(PYTHON), *arguments, environment=environment)


def run(*module: str, environment: dict[str, str] | None = None) -> None:
    """Run a module of the .venv's Python, or say that it failed and what may help."""
    if subprocess.run([PYTHON, "-m", *module], cwd=ROOT, env=environment).returncode:
        sys.exit(
            "labkit: that failed; the lines above say why. It needs 2 GB of disk, and a network that reaches the Python"
            " package index or a mirror (pip config set global.index-url …). Then run the same command again."
        )


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"labkit: {text}", flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main(sys.argv[1])
    except OSError as fault:
        sys.exit(f"labkit: {fault}")
    except KeyboardInterrupt:
        say("set-up ended before it was done")
        sys.exit(130)
