"""Hosts of the tests' own on this machine: namespaces with a network that nothing leaves, and a firewall each.

Each has its own processes, /tmp, /run and /dev/shm, so that it sees no other's disk, sockets or memory; the clone is
the same for all, as the same version would be. What `ray start` and `ray stop` see of other processes stays apart too.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LABKIT = Path(sys.executable).with_name("labkit")
OPEN = ("6379:6385", "10002:10100")
_INIT = """
hostname {name}
for place in /tmp /run /mnt; do mount -t tmpfs -o size=2g tmpfs $place; done
mount -t tmpfs -o size=600m tmpfs /dev/shm
trap 'exit 0' TERM
while :; do sleep 3600 & wait $!; done
"""
# Nothing has a name that outlives it: however the test process ends, the kernel ends these, and takes away what is
# theirs (processes, network, firewall) with the last of them.
_BOUND = ("setpriv", "--pdeathsig", "KILL", "unshare", "--net")
_QUIET: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)


def _within(pid: int, *command: str) -> str:
    """Run a command in the network of a process, and return what it printed."""
    return subprocess.run(
        ["nsenter", "-t", str(pid), "-n", *command], check=True, capture_output=True, text=True
    ).stdout  # fmt: skip


class Hosts:
    """Hosts 0 to n-1 with the addresses 10.77.0.1 to n."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._inits: list[subprocess.Popen[bytes]] = []
        self._pids: list[int] = []

    def address(self, host: int) -> str:
        return f"10.77.0.{host + 1}"

    @property
    def networks(self) -> list[str]:
        """The kernel's names of the hosts' network namespaces."""
        return [os.readlink(f"/proc/{pid}/ns/net") for pid in [self._inits[0].pid, *self._pids]]

    def up(self) -> None:
        self._inits = [self._begin("sleep", "infinity")]
        switch = self._inits[0].pid
        _within(switch, "ip", "link", "add", "br0", "type", "bridge")
        _within(switch, "ip", "link", "set", "br0", "up")
        for host in range(self.n):
            self.boot(host)

    def boot(self, host: int) -> None:
        """Begin a host, or one anew that has crashed: of its memory and its disk nothing is left."""
        switch = self._inits[0].pid
        outside = self._begin(
            "--pid", "--mount", "--uts", "--ipc", "--fork", "--mount-proc", "--kill-child",
            "bash", "-c", _INIT.format(name=f"host{host}"),
        )  # fmt: skip
        pid = self._child_of(outside.pid)
        self._inits[1 + host : 2 + host], self._pids[host : host + 1] = [outside], [pid]
        for words in (
            "link set lo up",
            f"link add eth0 type veth peer name p{host} netns {switch}",
            f"addr add {self.address(host)}/24 dev eth0",
            "link set eth0 up",
            "route add default via 10.77.0.254",  # leads nowhere: Ray asks for its own address
        ):
            _within(pid, "ip", *words.split())
        _within(switch, "ip", "link", "set", f"p{host}", "master", "br0")
        _within(switch, "ip", "link", "set", f"p{host}", "up")
        self.firewall(host)
        until = time.monotonic() + 20
        while (
            self.run(host, "mountpoint", "-q", "/dev/shm", check=False).returncode
            or self.run(host, "sh", "-c", "df --output=size /dev/shm | tail -1", check=False).stdout.strip() != "614400"
        ):
            assert time.monotonic() < until
            time.sleep(0.1)

    def firewall(self, host: int, opened: tuple[str, ...] = OPEN) -> None:
        """Let in what is documented, from other hosts, and answers; count and drop all else."""
        rules = ["-P INPUT DROP", "-F INPUT", "-A INPUT -i lo -j ACCEPT",
                 "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"]  # fmt: skip
        rules += [f"-A INPUT -s 10.77.0.0/24 -p tcp --dport {ports} -j ACCEPT" for ports in opened]
        for rule in rules:
            _within(self._pids[host], "iptables", "-w", *rule.split())

    def n_dropped(self, host: int) -> int:
        """Return how many packets of TCP the firewall has dropped."""
        said = _within(self._pids[host], "iptables", "-w", "-L", "INPUT", "-v", "-n", "-x")
        return int(said.splitlines()[0].split("policy DROP ")[1].split()[0])

    def command(self, host: int, *command: str, **environment: str) -> list[str]:
        kept = {"PATH": os.environ["PATH"], "HOME": "/tmp", "TMPDIR": "/tmp", "LABKIT_HOME": "/mnt/lab",
                "COLUMNS": "160", "NO_COLOR": "1", "LANG": "C.UTF-8", **environment}  # fmt: skip
        named = [f"{name}={value}" for name, value in kept.items()]
        enter = ["nsenter", "-t", str(self._pids[host]), "-n", "-p", "-m", "-u", "-i", "--wd=/"]
        return [*enter, "env", "-i", *named, *command]

    def run(self, host: int, *command: str, check: bool = True, timeout_s: float = 480.0, **environment: str) -> Any:
        """Run a command on a host to its end."""
        done = subprocess.run(
            self.command(host, *command, **environment), capture_output=True, text=True, timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert not check or done.returncode == 0, (
            f"{shlex.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done

    def labkit(self, host: int, *arguments: str, status: int = 0, timeout_s: float = 480.0, **environment: str) -> str:
        """Run `labkit` on a host; return what it printed to both, or to standard output alone where it is JSON."""
        hurry = self._hurried(host) if {"start", "join"} & {*arguments} else contextlib.nullcontext()
        with hurry:
            done = self.run(host, str(LABKIT), *arguments, check=False, timeout_s=timeout_s, **environment)
        if done.returncode != status:
            log = self.run(host, "sh", "-c", "tail -n 25 /mnt/lab/logs/*.log", check=False).stdout
            raise AssertionError(f"status {done.returncode}, not {status}:\n{done.stdout}\n{done.stderr}\n{log}")
        assert "Traceback" not in done.stderr, done.stderr
        return str(done.stdout) if "--json" in arguments and status == 0 else done.stdout + done.stderr

    def start(self, host: int, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Begin `labkit` on a host, and leave it running."""
        return subprocess.Popen(
            self.command(host, str(LABKIT), *arguments, **environment), text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def give_token(self, source: int, target: int, path: str = "/mnt/token", mode: str = "600") -> str:
        """Copy a head's token to another host, and return where it lies there."""
        content = self.run(source, "cat", "/mnt/lab/token").stdout
        self.run(target, "sh", "-c", f"rm -f {path}; umask 077; printf %s '{content}' > {path}; chmod {mode} {path}")
        return path

    def processes(self, host: int, name: str) -> list[int]:
        """Return the ids, as this machine knows them, of a host's processes of a name."""
        return [pid for pid, called in self._all(host).items() if called == name]

    def trains(self, host: int) -> bool:
        """Whether a host fits a model at this moment: an actor that only begins has nothing to lose."""
        for pid in self.processes(host, "ray::ModelTrain"):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/cmdline").read_text().startswith("ray::ModelTrainer.perform"):
                    return True
        return False

    def all_processes(self, host: int) -> list[int]:
        """Return the ids of all processes of a host but its first, which keeps its disk."""
        return [pid for pid in self._all(host) if pid != self._pids[host]]

    def _all(self, host: int) -> dict[int, str]:
        space, found = os.readlink(f"/proc/{self._pids[host]}/ns/pid"), {}
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.readlink(place / "ns" / "pid") == space:
                    found[int(place.name)] = (place / "comm").read_text().strip()
        return found

    def kill_raylet(self, host: int) -> None:
        (raylet,) = self.processes(host, "raylet")
        os.kill(raylet, signal.SIGKILL)

    def cut(self, host: int) -> None:
        _within(self._inits[0].pid, "ip", "link", "set", f"p{host}", "down")

    def heal(self, host: int) -> None:
        _within(self._inits[0].pid, "ip", "link", "set", f"p{host}", "up")

    def crash(self, host: int) -> None:
        """End a host at once, with all that runs on it, and its network."""
        os.kill(self._pids[host], signal.SIGKILL)
        init = self._inits[1 + host]
        init.wait(20)

    def lives(self, host: int) -> bool:
        return self._inits[1 + host].poll() is None

    def down(self) -> None:
        for pid in [*self._pids, *(init.pid for init in self._inits[:1])]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # the first process of a namespace takes all others with it
        for init in self._inits:
            with contextlib.suppress(subprocess.TimeoutExpired):
                init.wait(20)

    def _begin(self, *command: str) -> subprocess.Popen[bytes]:
        """Begin a program in a network of its own."""
        begun = subprocess.Popen([*_BOUND, *command], **_QUIET)
        own, until = os.readlink("/proc/self/ns/net"), time.monotonic() + 10
        while os.readlink(f"/proc/{begun.pid}/ns/net") == own:
            assert begun.poll() is None and time.monotonic() < until, "a host did not begin"
            time.sleep(0.02)
        return begun

    @contextlib.contextmanager
    def _hurried(self, host: int) -> Iterator[None]:
        """Put a host before other work on this machine while it starts: a raylet gives its agents 15 s to begin.

        A niceness would stay, and counts within one session alone where the kernel groups processes by session.
        """
        done = threading.Event()

        def raise_all() -> None:
            while not done.wait(0.3):
                self._weigh(host, -12)

        raising = threading.Thread(target=raise_all, daemon=True)
        raising.start()
        try:
            yield
        finally:
            done.set()
            raising.join()
            self._weigh(host, 0)

    def _weigh(self, host: int, niceness: int) -> None:
        with contextlib.suppress(OSError):  # a host that has crashed
            for pid in self._all(host):
                with contextlib.suppress(OSError):
                    if os.getsid(pid) != os.getsid(0):
                        Path(f"/proc/{pid}/autogroup").write_text(str(niceness))

    def _child_of(self, pid: int) -> int:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                if children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                    return int(children[0])
            time.sleep(0.05)
        raise AssertionError("a host did not begin")


@contextlib.contextmanager
def hosts(n: int) -> Iterator[Hosts]:
    """Yield `n` hosts for the time of a block; skip the test where this machine cannot have them."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for hosts in namespaces of their own")
    missing = [tool for tool in ("ip", "iptables", "nsenter", "setpriv", "unshare") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}, which `make system-deps` installs")
    found = Hosts(n)
    try:
        found.up()
        yield found
    finally:
        found.down()
