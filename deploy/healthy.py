"""Tell by the exit status whether something serves: `healthy.py http://127.0.0.1:8000/health`, or `tcp://HOST:PORT`."""

import socket
import sys
import urllib.parse
import urllib.request

TIMEOUT_S = 4.0


def main(address: str) -> None:
    """Ask once; whatever goes wrong is an exit status of 1."""
    place = urllib.parse.urlsplit(address)
    if place.scheme == "tcp":
        socket.create_connection((place.hostname, place.port), TIMEOUT_S).close()
    else:
        urllib.request.urlopen(address, timeout=TIMEOUT_S).close()


if __name__ == "__main__":
    main(sys.argv[1])
