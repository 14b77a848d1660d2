"""The sandbox over HTTP/1.1 on loopback: one port for each service, keep-alive, one thread a connection."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import struct
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar
from urllib.parse import parse_qsl, unquote

from .core import COMMERCETOOLS, MANHATTAN, Request, Response, Sandbox

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_BODY_MAX_BYTES = 64 * 1024 * 1024
_HEADERS_MAX = 200
_NO_ANSWER = frozenset({"lost", "connect-refused", "connect-timeout"})


@dataclass(slots=True)
class Servers:
    """Both services, listening. `close` ends them and every open connection."""

    commercetools_url: str
    manhattan_url: str
    servers: tuple[_Server, ...]

    def close(self) -> None:
        for server in self.servers:
            server.stop()

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def serve(
    sandbox: Sandbox,
    *,
    host: str = "127.0.0.1",
    commercetools_port: int = 0,
    manhattan_port: int = 0,
    latency_s: float = 0.0,
) -> Servers:
    """Serves both sides in background threads; a port of 0 is any free one. Raises OSError when taken."""
    commercetools = _Server((host, commercetools_port), sandbox, COMMERCETOOLS, latency_s)
    try:
        manhattan = _Server((host, manhattan_port), sandbox, MANHATTAN, latency_s)
    except OSError:
        commercetools.server_close()
        raise
    for server in (commercetools, manhattan):
        server.start()
    return Servers(commercetools.url, manhattan.url, (commercetools, manhattan))


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], sandbox: Sandbox, service: str, latency_s: float) -> None:
        super().__init__(address, _Connection)
        self.sandbox = sandbox
        self.service = service
        self.latency_s = latency_s
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        host, port = self.server_address[:2]
        self.url = f"http://{host!s}:{port}"

    def start(self) -> None:
        self._thread = threading.Thread(
            target=self.serve_forever,
            kwargs={"poll_interval": 0.05},
            name=f"sandbox-{self.service}",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(timeout=5)

    def opened(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.discard(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news; anything else is shown."""
        import sys

        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _BadRequest(Exception):
    """What came in is not HTTP as we speak it."""


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    rbufsize = 65_536
    server: _Server
    _interim: ClassVar[bytes] = b"HTTP/1.1 100 Continue\r\n\r\n"

    def handle(self) -> None:
        self.server.opened(self.connection)
        try:
            while not self.server.stopping.is_set() and self._answer_one():
                pass
        except (OSError, _BadRequest):
            pass
        finally:
            self.server.closed(self.connection)

    def _answer_one(self) -> bool:
        """Reads one request and answers it; False when the connection is at its end."""
        line = self.rfile.readline(65_537)
        if not line.strip():
            return bool(line)
        try:
            method, target, version = line.decode("latin-1").split()
            headers = self._read_headers()
            body = self._read_body(headers)
        except (ValueError, _BadRequest):
            self.connection.sendall(
                b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            return False
        path, _, query = target.partition("?")
        request = Request(
            self.server.service,
            method,
            unquote(path),
            tuple(parse_qsl(query, keep_blank_values=True)) if query else (),
            headers,
            body,
        )
        response = self.server.sandbox.handle(request)
        delay_s = self.server.latency_s + response.delay_s
        if delay_s > 0 and not path.startswith("/_sandbox/"):
            self._wait(delay_s)
        keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        return self._send(response, method, keep)

    def _read_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(_HEADERS_MAX):
            line = self.rfile.readline(65_537)
            if line in (b"\r\n", b"\n", b""):
                return headers
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise _BadRequest
            headers[name.strip().lower()] = value.strip()
        raise _BadRequest

    def _read_body(self, headers: dict[str, str]) -> bytes:
        if headers.get("expect", "").lower() == "100-continue":
            self.connection.sendall(self._interim)
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._read_chunks()
        length = int(headers.get("content-length") or 0)
        if not 0 <= length <= _BODY_MAX_BYTES:
            raise _BadRequest
        body = self.rfile.read(length) if length else b""
        if len(body) < length:
            raise ConnectionResetError
        return body

    def _read_chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline(100).partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline(3)
            if sum(map(len, parts)) > _BODY_MAX_BYTES:
                raise _BadRequest
        while self.rfile.readline(65_537).strip():
            pass
        return b"".join(parts)

    def _send(self, response: Response, method: str, keep: bool) -> bool:
        effect = response.effect
        if effect in _NO_ANSWER:
            # Linger 0: the client sees a reset, as when a real connection breaks.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if effect == "hang":
            self._wait_for_end()
            return False
        body = response.body
        whole = effect in ("", "not-json")
        lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items() if value]
        lines.append("Transfer-Encoding: chunked" if effect == "endless" else f"Content-Length: {len(body)}")
        lines.append("Connection: keep-alive" if keep and whole else "Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        if whole:
            self.connection.sendall(head if method == "HEAD" else head + body)
            return keep
        self.connection.sendall(head)
        self._send_badly(effect, body)
        return False

    def _send_badly(self, effect: str, body: bytes) -> None:
        if effect == "truncated":
            self.connection.sendall(body[: len(body) // 2])
        elif effect == "drip":
            for byte in body:
                if self._wait(1.0):
                    return
                self.connection.sendall(bytes((byte,)))
        elif effect == "endless":
            chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
            while not self.server.stopping.is_set():
                self.connection.sendall(chunk)

    def _wait(self, seconds: float) -> bool:
        """Waits; True when the server is stopping."""
        if seconds <= 0.5:
            time.sleep(seconds)
            return False
        return self.server.stopping.wait(seconds)

    def _wait_for_end(self) -> None:
        """Until the client gives up or the server stops."""
        while not self.server.stopping.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.1)
            if readable and not self.connection.recv(65_536):
                return
