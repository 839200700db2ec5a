"""Build the dashboard, check it, or serve it while it is developed.

::

    python3 setup/frontend.py build    frontend/dist, unless it is there and as new as its source
    python3 setup/frontend.py check    types, lint and the client's being in step with the API
    python3 setup/frontend.py test     its unit tests
    python3 setup/frontend.py types    its client, from frontend/openapi.json
    python3 setup/frontend.py dev      serve it on port 3000, with what it asks for from port 8000

It takes the machine's own Node.js from version 22 on, else that of a package from PyPI, into .venv.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from install import ROOT, VENV, say, uv_install

FRONTEND = ROOT / "frontend"
LEAST_NODE = 22
SOURCES = ("src/**/*", "*.json", "*.ts", "*.html", ".npmrc")


def main(task: str) -> None:
    """Do one of the tasks."""
    if task == "build" and is_stamped(FRONTEND / "dist", built()):
        return
    npm = [find_node() / "npm", "--no-update-notifier"]
    environment = {**os.environ, "PATH": f"{npm[0].parent}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}

    def run(*arguments: str) -> None:
        done = subprocess.run([*npm, *arguments], cwd=FRONTEND, env=environment)
        if done.returncode:
            sys.exit(
                f"labkit: npm {' '.join(arguments)} failed with status {done.returncode}; its reason stands above."
            )

    packages = digest(FRONTEND / "package.json", FRONTEND / "package-lock.json")
    if not is_stamped(FRONTEND / "node_modules", packages):
        say("installing the dashboard's packages")
        run("ci", "--loglevel=error")
        stamp(FRONTEND / "node_modules", packages)
    if task == "build":
        say("building the dashboard")
        run("run", "--silent", "build", "--", "--logLevel", "warn")
        stamp(FRONTEND / "dist", built())
    else:
        run("run", "--silent", task)


def find_node() -> Path:
    """Return the folder of a Node.js that is new enough; install one where there is none."""
    for folder in (VENV / "bin", Path(shutil.which("node") or "/nowhere").parent):
        if (folder / "npm").exists() and version(folder / "node") >= LEAST_NODE:
            return folder
    say("installing Node.js for the dashboard, some 70 MB: this machine has none from version 22 on")
    uv_install("--quiet", "--require-hashes", "-r", "locks/node.txt")
    return VENV / "bin"


def version(node: Path) -> int:
    """Return the first number of a Node.js's version; 0 where it does not say."""
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    except OSError:
        return 0
    found = re.match(r"v(\d+)\.", said)
    return int(found.group(1)) if found else 0


def built() -> str:
    """Return what a build is made of."""
    found = [path for pattern in SOURCES for path in sorted(FRONTEND.glob(pattern)) if path.is_file()]
    return digest(*found)


def digest(*paths: Path) -> str:
    """Return a digest of the content of files."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()


def is_stamped(folder: Path, what: str) -> bool:
    """Tell whether a folder was made whole, of just that."""
    file = folder / ".labkit-made-of"
    return file.is_file() and file.read_text("utf-8") == what


def stamp(folder: Path, what: str) -> None:
    """Note what a folder was made of."""
    (folder / ".labkit-made-of").write_text(what, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] not in ([task] for task in ("build", "check", "test", "types", "dev")):
        sys.exit(__doc__)
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit(130)
