"""The wire: one requests Session for one host, answers bounded in time and size, and what went wrong in
plain words.

requests bounds the time between two reads only. Here the whole answer has one deadline: on sockets while
the status line and headers arrive (`_BoundedSocket`), and for every transport while the body does
(`read_body`).
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    DecodeError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)

from ct_mao_sync.clients.refusal import Refusal
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.errors import ConfigError, Problem

CONNECT_TIMEOUT_MAX_S = 10.0
_CHUNK_BYTES = 64 * 1024
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one attempt gave no usable answer. `text` follows the name of the remote: "did not answer
    within 30 s". `arrived` is False only when the request surely did nothing."""

    code: str
    text: str
    arrived: bool = True
    status: int = 0
    retry_after_s: float | None = None
    refusal: Refusal | None = None
    permanent: bool = False
    hint: str = ""


class TransportFailed(Exception):
    """Carries a Failure from the wire to the client; never leaves `clients`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


def check_base_url(base_url: str, field: str) -> str:
    """Gives the URL without trailing slash. ConfigError when it is none of ours to use: plain http is for
    loopback hosts only, since every request carries a token."""
    url = base_url.rstrip("/")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
        parts = urlsplit("")
    if (
        parts.scheme not in ("http", "https")
        or not host
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise ConfigError(
            [Problem("url-invalid", f"{field} is not a usable URL", field, 'expected "https://host[/path]"')]
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(
            [
                Problem(
                    "url-insecure",
                    f"{field} uses plain http for {host}: a token would be sent unprotected",
                    field,
                    "use https; plain http is accepted for loopback hosts only",
                )
            ]
        )
    return url


def is_loopback(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Transport:
    """One Session for one host, shared by the worker threads. Cookies are refused, redirects are not
    followed, `.netrc` is not read; proxy and CA bundle are taken from the environment once, here."""

    def __init__(
        self, base_url: str, *, connections: int, timeout_s: float, clock: Clock, adapter: BaseAdapter | None
    ) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        self._connect_timeout_s = min(CONNECT_TIMEOUT_MAX_S, timeout_s)
        self._session = requests.Session()
        self._session.trust_env = False
        refuse_all = DefaultCookiePolicy(allowed_domains=())
        self._session.cookies = RequestsCookieJar(policy=refuse_all)
        host = urlsplit(base_url).hostname or ""
        outside = adapter is None and not is_loopback(host)
        self._session.proxies = dict(requests.utils.get_environ_proxies(base_url)) if outside else {}
        self._verify = (_ca_bundle() or True) if adapter is None else True
        for old in self._session.adapters.values():
            old.close()
        mounted = adapter or _BoundedAdapter(connections, clock)
        self._session.mount("https://", mounted)
        self._session.mount("http://", mounted)

    def close(self) -> None:
        self._session.close()

    def exchange(
        self, request: requests.PreparedRequest, size_max_bytes: int
    ) -> tuple[requests.Response, bytes]:
        """One request out, one whole answer in. Raises TransportFailed.

        The adapter is called directly: `Session.send` would read the body of a redirect without bound,
        only to look where it leads."""
        deadline_s = self._clock.monotonic() + self._timeout_s
        try:
            response = self._session.get_adapter(request.url or "").send(
                request,
                stream=True,
                timeout=(self._connect_timeout_s, self._timeout_s),
                verify=self._verify,
                proxies=self._session.proxies,
            )
        except (requests.RequestException, HTTPError, OSError, http.client.HTTPException) as error:
            raise TransportFailed(self._explain(error)) from None
        status = response.status_code
        try:
            if 300 <= status < 400:
                return response, b""
            return response, self._read_body(response, deadline_s, size_max_bytes)
        except TransportFailed:
            if status < 500 and status not in (401, 403, 429):
                raise
            return response, b""  # the status alone says enough
        finally:
            response.close()

    def _read_body(self, response: requests.Response, deadline_s: float, size_max_bytes: int) -> bytes:
        raw = response.raw
        if getattr(response, "_content", False) is not False or not hasattr(raw, "read1"):
            return response.content
        chunks: list[bytes] = []
        size_bytes = 0
        while True:
            try:
                chunk = raw.read1(_CHUNK_BYTES, decode_content=True)
            except (HTTPError, OSError, http.client.HTTPException) as error:
                raise TransportFailed(self._explain(error)) from None
            if not chunk:
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)
            chunks.append(chunk)
            size_bytes += len(chunk)
            if size_bytes > size_max_bytes:
                megabytes = max(1, size_max_bytes // 1_000_000)
                raise TransportFailed(
                    Failure("answer-too-long", f"sent an answer of more than {megabytes} MB")
                )
            if self._clock.monotonic() > deadline_s:
                raise TransportFailed(self._timed_out("did not finish its answer within"))

    def _timed_out(self, text: str) -> Failure:
        return Failure("timeout", f"{text} {self._timeout_s:g} s")

    def _explain(self, error: BaseException) -> Failure:
        """By the kind of the errors inside; their texts name internals and are not repeated."""
        kinds = list(_inside(error))

        def has(*wanted: type[BaseException]) -> bool:
            return any(isinstance(kind, wanted) for kind in kinds)

        if has(requests.exceptions.ProxyError):
            return Failure("unreachable", "could not be reached through the proxy", arrived=False)
        if has(ssl.SSLCertVerificationError):
            return Failure(
                "unreachable",
                "has a TLS certificate that is not trusted here",
                arrived=False,
                permanent=True,
                hint="if a company CA signs it, name its bundle in REQUESTS_CA_BUNDLE",
            )
        if has(NameResolutionError, socket.gaierror):
            return Failure("unreachable", "could not be found: its host name does not resolve", arrived=False)
        if has(ConnectionRefusedError):
            return Failure("unreachable", "refused the connection", arrived=False)
        if has(requests.ConnectTimeout):
            within = f"{self._connect_timeout_s:g} s"
            return Failure("unreachable", f"did not accept a connection within {within}", arrived=False)
        if has(NewConnectionError):
            return Failure("unreachable", "could not be reached", arrived=False)
        if has(requests.Timeout, ReadTimeoutError, TimeoutError):
            return self._timed_out("did not answer within")
        if has(DecodeError, requests.exceptions.ContentDecodingError):
            return Failure("not-json", "sent an answer that cannot be decompressed")
        return Failure("unreachable", "closed the connection before its answer was complete")


def _inside(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was made of. Not `__context__`: that may be another request's error, when the
    caller repeats a request while it handles the first one's."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [*one.args, getattr(one, "reason", None), one.__cause__]


def _ca_bundle() -> str:
    for variable in _CA_VARIABLES:
        if path := os.environ.get(variable, ""):
            if not Path(path).exists():
                raise ConfigError(
                    [
                        Problem(
                            "ca-bundle-missing",
                            f"{variable} names a CA bundle that does not exist",
                            variable,
                            f"correct or unset {variable}",
                        )
                    ]
                )
            return path
    return ""


class _BoundedRaw(io.RawIOBase):
    """Reads from a socket until a deadline, whatever the rhythm in which bytes arrive."""

    def __init__(self, sock: Any, clock: Clock) -> None:
        self._raw = sock.makefile("rb", buffering=0)
        self._sock = sock
        self._clock = clock
        self._timeout_s = sock.gettimeout()  # urllib3 sets it anew for each request
        self._deadline_s = clock.monotonic() + (self._timeout_s or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._timeout_s is not None:
            left_s = self._deadline_s - self._clock.monotonic()
            if left_s <= 0:
                raise TimeoutError("timed out")
            if left_s < 0.95 * self._timeout_s:  # a system call that a quick answer is spared
                self._sock.settimeout(left_s)
        return self._raw.readinto(buffer)  # type: ignore[no-any-return]

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedSocket:
    """What http.client wants of a socket when it begins to read an answer."""

    def __init__(self, sock: Any, clock: Clock) -> None:
        self._sock = sock
        self._clock = clock

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_BoundedRaw(self._sock, self._clock), _CHUNK_BYTES)


class _OneSend(HTTPConnection):
    """Headers and body leave together: urllib3 would send them one after the other, twice the cost."""

    _waiting: list[bytes] | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._waiting = []
        try:
            super().request(*args, **kwargs)
            joined = b"".join(self._waiting)
        finally:
            self._waiting = None
        super().send(joined)

    def send(self, data: Any) -> None:
        if self._waiting is not None and isinstance(data, bytes):
            self._waiting.append(data)
        else:
            super().send(data)


class _BoundedAdapter(HTTPAdapter):
    """The ordinary adapter for one host, over connections that read answers against a deadline."""

    def __init__(self, connections: int, clock: Clock) -> None:
        class Answer(http.client.HTTPResponse):
            def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
                super().__init__(_BoundedSocket(sock, clock), *args, **kwargs)  # type: ignore[arg-type]

        class Plain(_OneSend):
            response_class = Answer

        class Tls(_OneSend, HTTPSConnection):
            response_class = Answer

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class TlsPool(HTTPSConnectionPool):
            ConnectionCls = Tls

        self._pools = {"http": PlainPool, "https": TlsPool}
        self._pool: Any = None
        super().__init__(pool_connections=1, pool_maxsize=connections, pool_block=True, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._bound(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        self._bound(manager)
        return manager

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        if self._pool is None:  # one host, so one pool: looking it up costs as much as parsing the answer
            self._pool = super().get_connection_with_tls_context(*args, **kwargs)
        return self._pool

    def _bound(self, manager: urllib3.PoolManager) -> None:
        manager.pool_classes_by_scheme = self._pools
