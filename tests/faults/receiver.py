"""The receiver of pushes, a process: checks the signature, records durably, then accepts.

``python -m tests.faults.receiver PORT SECRET_FILE RECORD DESK_PORT``.  It is written from the
contract alone and shares no code with the sender.  It signs for every alert of an incident at the
desk's port, until the desk says that it has the receipt; some pages it takes only a while later.
"""

import hashlib
import hmac
import http.client
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import ClassVar

from tests.faults.ledger import Journal

RECEIPTS = "/api/v1/exchange/receipts"
AGAIN_S = 0.5
BUSY_S = 2.5
"""How long some telephones cannot be reached at first."""


class Receiver(BaseHTTPRequestHandler):
    secret: ClassVar[bytes] = b""
    journal: ClassVar[Journal]
    lock: ClassVar[threading.Lock] = threading.Lock()
    to_sign: ClassVar[Queue[str]] = Queue()
    first_ms: ClassVar[dict[str, int]] = {}
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        stamp = self.headers.get("X-Lifeline-Timestamp", "")
        text = stamp.encode() + b"." + body
        wanted = "v1=" + hmac.new(self.secret, text, hashlib.sha256).hexdigest()
        given = self.headers.get("X-Lifeline-Signature", "")
        is_good = hmac.compare_digest(wanted, given) and abs(time.time() - int(stamp or 0)) < 300
        key, now_ms = self.headers.get("Idempotency-Key", ""), time.time_ns() // 1_000_000
        with self.lock:
            is_busy = self.path == "/pages" and self._is_busy(key, now_ms)
            line = {
                "path": self.path,
                "key": key,
                "sha256": hashlib.sha256(body).hexdigest(),
                "at_ms": now_ms,
                "accepted": is_good and not is_busy,
            } | _read(body)
            self.journal.append([line])
        if is_good and self.path == "/incidents" and line["kind"] == "alert":
            self.to_sign.put(key)
        status = 401 if not is_good else 503 if is_busy else 200
        self._answer(status, {"accepted": status == 200})

    def _is_busy(self, key: str, now_ms: int) -> bool:
        """One telephone of four is engaged at first: what it is told must be told again."""
        first_ms = self.first_ms.setdefault(key, now_ms)
        return hashlib.sha256(key.encode()).digest()[0] % 4 == 0 and (
            now_ms - first_ms < BUSY_S * 1000
        )

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


def sign_for(receiver: type[Receiver], port: int) -> None:
    """Hands receipts in, each until the desk has it, for ever; the key names the receipt."""
    while True:
        key = receiver.to_sign.get()
        body = json.dumps({"id": key, "word": "accepted", "key": key}).encode()
        while not _is_taken(receiver.secret, port, body):
            time.sleep(AGAIN_S)
        line = {"path": "/receipt", "key": key, "at_ms": time.time_ns() // 1_000_000}
        with receiver.lock:
            receiver.journal.append([line | {"accepted": True}])


def _is_taken(secret: bytes, port: int, body: bytes) -> bool:
    stamp = str(int(time.time()))
    text = stamp.encode() + b"." + body
    head = {
        "Content-Type": "application/json",
        "Idempotency-Key": "receipt",
        "X-Lifeline-Key-Id": "platform",
        "X-Lifeline-Timestamp": stamp,
        "X-Lifeline-Signature": "v1=" + hmac.new(secret, text, hashlib.sha256).hexdigest(),
    }
    url = f"http://127.0.0.1:{port}{RECEIPTS}"
    try:
        request = urllib.request.Request(url, body, head, method="POST")
        with urllib.request.urlopen(request, timeout=5.0) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except (OSError, http.client.HTTPException):
        return False


def main() -> None:
    port, secret_file, record, desk = sys.argv[1:]
    Receiver.secret = Path(secret_file).read_bytes().strip()
    Receiver.journal = Journal(Path(record))
    threading.Thread(target=sign_for, args=(Receiver, int(desk)), daemon=True).start()
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer(("127.0.0.1", int(port)), Receiver).serve_forever()


if __name__ == "__main__":
    main()
