"""What the client tests talk to: a scripted transport in process, and servers on loopback that misbehave."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter

from ct_mao_sync.engine.clock import SimulatedClock

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def a_clock() -> SimulatedClock:
    return SimulatedClock(START)


def reply(
    status: int = 200, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes, dict[str, str]]:
    content = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
    return status, content, headers or {}


class Scripted(BaseAdapter):
    """Answers in process, one step a request; the last step is repeated. A step is a reply, an exception
    to raise, or a function of the request that gives either."""

    def __init__(self, *steps: Any) -> None:
        super().__init__()
        self.steps = list(steps)
        self.requests: list[requests.PreparedRequest] = []
        self._lock = threading.Lock()

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        with self._lock:
            step = self.steps[min(len(self.requests), len(self.steps) - 1)]
            self.requests.append(request)
        if callable(step) and not isinstance(step, type):
            step = step(request)
        if isinstance(step, BaseException):
            raise step
        status, content, headers = step
        raw = urllib3.HTTPResponse(
            body=io.BytesIO(content), status=status, headers=headers, preload_content=False
        )
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        pass

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.body or "null") for request in self.requests]


Handler = Callable[[socket.socket, bytes], None]


@contextlib.contextmanager
def tcp_server(
    handler: Handler, *, keep_alive: bool = False, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Runs `handler(connection, request)` for each request; gives the base URL."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    stopped = threading.Event()
    threads: list[threading.Thread] = []
    open_connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            while request := _read_request(connection):
                handler(connection, request)
                if not keep_alive:
                    return

    def accept() -> None:
        while not stopped.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            open_connections.append(connection)
            thread = threading.Thread(target=serve, args=(connection,), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        scheme, host = ("https", "localhost") if tls is not None else ("http", "127.0.0.1")
        yield f"{scheme}://{host}:{listener.getsockname()[1]}"
    finally:
        stopped.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in open_connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in (acceptor, *threads):
            thread.join(5)


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def http_bytes(status: int = 200, body: bytes = b"{}", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
