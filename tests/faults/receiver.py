"""The receiver of pushes, a process: checks the signature, records durably, then accepts.

``python -m tests.faults.receiver PORT SECRET_FILE RECORD``.  It is written from the contract alone
and shares no code with the sender.
"""

import hashlib
import hmac
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from tests.faults.ledger import Journal


class Receiver(BaseHTTPRequestHandler):
    secret: ClassVar[bytes] = b""
    journal: ClassVar[Journal]
    lock: ClassVar[threading.Lock] = threading.Lock()
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        stamp = self.headers.get("X-Lifeline-Timestamp", "")
        text = stamp.encode() + b"." + body
        wanted = "v1=" + hmac.new(self.secret, text, hashlib.sha256).hexdigest()
        given = self.headers.get("X-Lifeline-Signature", "")
        is_good = hmac.compare_digest(wanted, given) and abs(time.time() - int(stamp or 0)) < 300
        line = {
            "path": self.path,
            "key": self.headers.get("Idempotency-Key", ""),
            "sha256": hashlib.sha256(body).hexdigest(),
            "at_ms": time.time_ns() // 1_000_000,
            "accepted": is_good,
        } | _read(body)
        with self.lock:
            self.journal.append([line])
        self._answer(200 if is_good else 401, {"accepted": is_good})

    def do_GET(self) -> None:
        self._answer(200, {})

    def _answer(self, status: int, reply: dict[str, bool]) -> None:
        text = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """The record says it all."""


def _read(body: bytes) -> dict[str, object]:
    try:
        notice = json.loads(body)
    except ValueError:
        return {}
    asset = notice.get("asset")
    said: dict[str, object] = {k: notice.get(k, "") for k in ("incident", "kind", "reason")}
    said |= {"hazard": notice.get("hazard", ""), "grade": notice.get("grade")}
    said["asset"] = asset.get("name", "") if isinstance(asset, dict) else ""
    return said


def main() -> None:
    port, secret_file, record = sys.argv[1:]
    Receiver.secret = Path(secret_file).read_bytes().strip()
    Receiver.journal = Journal(Path(record))
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer(("127.0.0.1", int(port)), Receiver).serve_forever()


if __name__ == "__main__":
    main()
