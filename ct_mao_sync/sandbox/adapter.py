"""The sandbox as a `requests` transport: no socket, real `Response` objects, real transport errors."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse
from urllib3._collections import HTTPHeaderDict
from urllib3.exceptions import NewConnectionError, ProtocolError

from .core import Request, Response, Sandbox

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_ENDLESS_BYTES = 256 * 1024 * 1024


class SandboxAdapter(BaseAdapter):
    """Mount it on a session for "http://" and "https://".

    hosts   host name (without port) -> "commercetools" or "manhattan"; any other host refuses the connection
    sleep   called with the seconds that a slow answer, a dripping body or a time-out takes; nothing when None
    """

    def __init__(
        self,
        sandbox: Sandbox,
        hosts: Mapping[str, str],
        *,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__()
        self.sandbox = sandbox
        self.hosts = dict(hosts)
        self.slept_s = 0.0
        self._sleep = sleep

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Answers one prepared request; raises what `requests` would raise on a real network."""
        parts = urlsplit(request.url or "")
        service = self.hosts.get(parts.hostname or "")
        if service is None:
            raise _refused(request)
        answer = self.sandbox.handle(
            Request(
                service,
                request.method or "GET",
                unquote(parts.path) or "/",
                tuple(parse_qsl(parts.query, keep_blank_values=True)),
                {name.lower(): _text(value) for name, value in request.headers.items()},
                _body_of(request.body),
            )
        )
        if answer.delay_s:
            self._wait(answer.delay_s)
        connect_s, read_s = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        if read_s is not None and answer.delay_s > read_s:
            raise requests.exceptions.ReadTimeout("Read timed out. (sandbox: slow)", request=request)
        if answer.effect == "lost":
            cause = ProtocolError(
                "Connection aborted.", ConnectionResetError(104, "Connection reset by peer")
            )
            raise requests.exceptions.ConnectionError(cause, request=request)
        if answer.effect == "hang":
            self._wait(read_s or 0.0)
            raise requests.exceptions.ReadTimeout("Read timed out. (sandbox: hang)", request=request)
        if answer.effect == "connect-refused":
            raise _refused(request)
        if answer.effect == "connect-timeout":
            self._wait(connect_s or 0.0)
            raise requests.exceptions.ConnectTimeout("Connection timed out. (sandbox)", request=request)
        return self._build(request, answer)

    def close(self) -> None:
        """Nothing is open."""

    def _build(self, request: requests.PreparedRequest, answer: Response) -> requests.Response:
        headers = {name: value for name, value in answer.headers.items() if value}
        body: Any = io.BytesIO(answer.body)
        if answer.effect == "endless":
            body = _EndlessBody()
        elif answer.effect == "drip":
            body = _DrippingBody(answer.body, self._wait)
        elif answer.effect == "truncated":
            headers["Content-Length"] = str(len(answer.body))
            body = io.BytesIO(answer.body[: len(answer.body) // 2])
        else:
            headers["Content-Length"] = str(len(answer.body))
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(headers)
        response.encoding = "utf-8"
        response.reason = _REASONS.get(answer.status, "")
        response.url = request.url or ""
        response.request = request
        response.connection = self  # type: ignore[assignment]
        response.raw = HTTPResponse(
            body=body,
            headers=HTTPHeaderDict(headers),
            status=answer.status,
            reason=response.reason,
            preload_content=False,
            decode_content=False,
            request_method=request.method,
        )
        return response

    def _wait(self, seconds: float) -> None:
        self.slept_s += seconds
        if self._sleep is not None:
            self._sleep(seconds)


class _EndlessBody(io.RawIOBase):
    """Blanks without end; the connection breaks after 256 MB, so that a careless reader fails at last."""

    def __init__(self) -> None:
        super().__init__()
        self._sent = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        count = 65_536 if size is None or size < 0 else size
        self._sent += count
        if self._sent > _ENDLESS_BYTES:
            raise ConnectionResetError(104, "Connection reset by peer")
        return b" " * count

    def read1(self, size: int = -1) -> bytes:
        return self.read(min(size, 65_536))


class _DrippingBody(io.RawIOBase):
    """The body, one byte a second."""

    def __init__(self, body: bytes, wait: Callable[[float], None]) -> None:
        super().__init__()
        self._body = io.BytesIO(body)
        self._wait = wait

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts = []
        wanted = -1 if size is None else size
        while wanted != 0 and (part := self.read1(1)):
            parts.append(part)
            wanted -= 1
        return b"".join(parts)

    def read1(self, size: int = -1) -> bytes:
        self._wait(1.0)
        return self._body.read(1)


def _refused(request: requests.PreparedRequest) -> requests.exceptions.ConnectionError:
    message = "Failed to establish a new connection: [Errno 111] Connection refused"
    cause = NewConnectionError(None, message)  # type: ignore[arg-type]
    return requests.exceptions.ConnectionError(cause, request=request)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _body_of(body: object) -> bytes:
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    if hasattr(body, "read"):
        return _body_of(body.read())
    if isinstance(body, Iterable):
        return b"".join(_body_of(part) for part in body)
    raise TypeError(f"cannot send a body of {type(body).__name__}")
