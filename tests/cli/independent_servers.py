"""HTTP servers on loopback sockets for the two systems written once more, from their documentation alone
(`independent_commercetools`, `independent_manhattan`).

They share no code with the product nor with its sandbox, so a misunderstanding that those two have in
common shows here. `Server.on` makes any request misbehave.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

Json = dict[str, Any]


@dataclass
class Call:
    """One request as it arrived."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: Any
    status: int = 0

    def value(self, name: str) -> str:
        return next((value for key, value in self.query if key == name), "")


@dataclass
class Reply:
    """What is sent back. `how`: "whole", "drop" (connection closed unanswered), "drip" (never ends),
    "hang" (nothing for a long time), "effect-then-drop" (done, then closed unanswered)."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    how: str = "whole"


Fault = Callable[[Call], Reply | None]


class Server:
    """HTTP/1.1 on a free port; `answer` is the API."""

    def __init__(self, answer: Callable[[Call], Reply]) -> None:
        self.answer = answer
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self.stopped = threading.Event()
        self.date_header = True
        self.shift_s = 0.0  # of the clock
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def _serve(self) -> None:
                outer.serve(self)

            do_GET = do_POST = do_PUT = do_DELETE = _serve

            def log_message(self, *args: Any) -> None:
                """Silent."""

            def send_response(self, code: int, message: str | None = None) -> None:
                self.send_response_only(code, message)
                if outer.date_header:
                    self.send_header("Date", self.date_time_string(time.time() + outer.shift_s))

        class Http(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *args: Any) -> None:
                """A client that went away is no news."""

        self.http = Http(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.stopped.set()
        self.http.shutdown()
        self.http.server_close()

    def on(self, method: str, pattern: str, reply: Reply | Fault, times: int = 10**9) -> None:
        """The next `times` requests that match are answered by `reply` instead."""
        left = [times]

        def fault(call: Call) -> Reply | None:
            if left[0] > 0 and call.method == method and re.search(pattern, call.path):
                left[0] -= 1
                return reply(call) if callable(reply) else reply
            return None

        self.faults.append(fault)

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        raw = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        is_json = "json" in handler.headers.get("Content-Type", "")
        body = json.loads(raw) if is_json and raw else dict(parse_qsl(raw.decode()))
        call = Call(
            handler.command, unquote(url.path), parse_qsl(url.query), dict(handler.headers.items()), body
        )
        with self.lock:
            self.calls.append(call)
            replies = (fault(call) for fault in self.faults)
            reply = next((found for found in replies if found), None)
            if reply is None or reply.how == "effect-then-drop":
                how = reply.how if reply else "whole"
                reply = self.answer(call)
                reply.how = how
            call.status = reply.status
        if reply.how in ("drop", "effect-then-drop"):
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        if reply.how == "hang":
            self.stopped.wait(20)
            handler.close_connection = True
            return
        content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        handler.send_response(reply.status)
        headers = {"Content-Type": "application/json", **reply.headers}
        if reply.how != "drip":
            headers["Content-Length"] = str(len(content))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        if reply.how == "drip":
            handler.close_connection = True
            until = time.monotonic() + 20
            while not self.stopped.wait(0.02) and time.monotonic() < until:
                handler.wfile.write(b" ")
                handler.wfile.flush()
            return
        handler.wfile.write(content)
        handler.wfile.flush()


def basic(header: str) -> str:
    return base64.b64decode(header.removeprefix("Basic ")).decode()
