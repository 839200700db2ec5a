"""What an instance finds of AWS, on the loopback address: metadata with a role's keys, a bucket, Systems Manager.

`python -m tests.ec2.instance FOLDER` serves until its standard input ends: the metadata and the bucket at `PORT`, whose
objects are the files of FOLDER, given only to requests that the role's keys have signed; Systems Manager, which is
moto's, at the port after it.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

PORT, REGION = 5000, "eu-south-2"
URL, SSM_URL = f"http://127.0.0.1:{PORT}", f"http://127.0.0.1:{PORT + 1}"
KEYS = {"AccessKeyId": "key-of-the-role", "SecretAccessKey": "secret+of/the=role", "Token": "session+of/the=role"}
_ASKED = "word-of-the-metadata"
_METADATA = "/latest/meta-data/iam/security-credentials/"


class _Handler(BaseHTTPRequestHandler):
    folder: Path

    def do_PUT(self) -> None:
        seconds = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
        self._answer(200 if self.path == "/latest/api/token" and seconds else 403, _ASKED.encode())

    def do_GET(self) -> None:
        if self.path.startswith("/latest/"):
            allowed = self.headers.get("X-aws-ec2-metadata-token") == _ASKED  # as IMDSv2 wants it
            told = {
                _METADATA: "role",
                f"{_METADATA}role": json.dumps(
                    {"Code": "Success", "Expiration": "2099-01-01T00:00:00Z", **KEYS}, indent=1
                ),
            }
            self._answer(200 if allowed else 401, told.get(self.path, "").encode())
        elif not self._is_signed():
            self._answer(403, b"SignatureDoesNotMatch")
        else:
            file = self.folder / Path(self.path).name
            self._answer(200 if file.is_file() else 404, file.read_bytes() if file.is_file() else b"NoSuchKey")

    def _is_signed(self) -> bool:
        """Tell whether the role's keys signed the request and all that AWS wants signed of it."""
        found = re.search("SignedHeaders=([^,]+), *Signature=(.+)", self.headers.get("Authorization", ""))
        sent = {name.lower(): value for name, value in self.headers.items()}
        names = found.group(1).split(";") if found else []
        if not found or not {"host", *(name for name in sent if name.startswith("x-amz-"))} <= {*names}:
            return False
        request = AWSRequest("GET", URL + self.path, headers={name: sent[name] for name in names if name != "host"})
        request.context["timestamp"] = sent["x-amz-date"]
        request.context["payload_signing_enabled"] = False
        keys = Credentials(KEYS["AccessKeyId"], KEYS["SecretAccessKey"], KEYS["Token"])
        signer = S3SigV4Auth(keys, "s3", REGION)
        signed = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        return sent["x-amz-security-token"] == KEYS["Token"] and signed == found.group(2)

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


def main(folder: Path) -> None:
    """Serve until standard input ends."""
    from moto.server import ThreadedMotoServer

    _Handler.folder = folder
    server = ThreadingHTTPServer(("127.0.0.1", PORT), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    systems_manager = ThreadedMotoServer("127.0.0.1", PORT + 1, verbose=False)
    systems_manager.start()
    print("serving", flush=True)
    sys.stdin.read()
    systems_manager.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
