"""What a server is told, read once: from the command line and the environment."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
from collections.abc import Mapping

from labkit.errors import InvalidArgument

SERVICES = ("health", "prediction", "training", "benchmark", "metrics")
SCOPES = ("read", "predict", "operate")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a server serves.

    Parameters
    ----------
    services : tuple of str
        Which services it has (`LABKIT_SERVICES`, with commas between; all by default). Health is always among them.
    hosts : tuple of str
        Names by which it may be asked, beside "localhost" and any IP address (`LABKIT_HOSTS`).
    origins : tuple of str
        Web origins beside its own whose pages may ask it (`LABKIT_ORIGINS`), such as `https://lab.example`.
    lab_mode : bool
        Whether it may kill actors, for teaching.
    jupyter : str or None
        Address of the JupyterLab beside it (`LABKIT_JUPYTER_URL`), without its token; a path such as `/jupyter/` where
        both stand behind one proxy.
    body_bytes, rows : int
        The largest request.
    running : int
        How many requests may be worked on at once; others are told to come again.
    history : int
        How many predictions are kept.
    queue : int
        How many trainings and benchmarks may wait.
    """

    services: tuple[str, ...] = SERVICES
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    lab_mode: bool = False
    jupyter: str | None = None
    body_bytes: int = 8_000_000
    rows: int = 10_000
    running: int = 1024
    history: int = 10_000
    queue: int = 8

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None, *, lab_mode: bool = False) -> Settings:
        """Read the settings, and report all their faults together.

        Raises
        ------
        InvalidArgument
            If a service, a host or an origin makes no sense.
        """
        values = os.environ if environment is None else environment

        def several(name: str) -> tuple[str, ...]:
            return tuple(part.strip() for part in values.get(name, "").split(",") if part.strip())

        services, hosts, origins = (several(f"LABKIT_{name}") for name in ("SERVICES", "HOSTS", "ORIGINS"))
        faults = [
            f"LABKIT_SERVICES knows {', '.join(SERVICES)}, not {name!r}" for name in services if name not in SERVICES
        ]
        faults += [f"LABKIT_HOSTS takes names such as lab.example, not {name!r}" for name in hosts if "/" in name]
        faults += [
            f"LABKIT_ORIGINS takes origins such as https://lab.example, not {origin!r}"
            for origin in origins
            if origin.count("/") != 2 or not origin.startswith(("http://", "https://"))
        ]
        jupyter = values.get("LABKIT_JUPYTER_URL") or None
        if jupyter and not (jupyter.startswith(("http://", "https://")) or re.fullmatch(r"/([\w.-]+/)*", jupyter)):
            faults.append(
                "LABKIT_JUPYTER_URL takes an address such as http://127.0.0.1:8888/, or a path such as /jupyter/"
            )
        if faults:
            raise InvalidArgument("; ".join(faults) + ".")
        chosen = tuple(name for name in SERVICES if name == "health" or not services or name in services)
        return cls(chosen, hosts, origins, lab_mode, jupyter)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def is_address(host: str) -> bool:
    """Tell whether a host is an IP address rather than a name.

    Examples
    --------
    >>> is_address("10.0.0.7"), is_address("::1"), is_address("10.0.0.7.example")
    (True, True, False)
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
