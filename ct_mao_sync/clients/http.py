"""One client for one host: headers, retry, renewal of the token, and every failure as one of our errors.

The only place that repeats a request. Reads are repeated while `sync.retry_seconds` last; writes only when
they surely did not arrive. What else becomes of a failed write nobody knows: OutcomeUnknown.
"""

from __future__ import annotations

import itertools
import logging
import random
import re
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from ct_mao_sync import __version__
from ct_mao_sync.clients.limiter import Limiter, Pause
from ct_mao_sync.clients.refusal import Refusal
from ct_mao_sync.clients.transport import Failure, Transport, TransportFailed, check_base_url
from ct_mao_sync.clients.verdict import Answer, Judge, Request, parse_http_date
from ct_mao_sync.engine import correlation
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.errors import RecordRejected, SyncError, VersionConflict
from ct_mao_sync.models.json import dump_json

ANSWER_MAX_BYTES = 64_000_000
FIRST_PAUSE_S = 0.5
PAUSE_MAX_S = 20.0
RETRY_AFTER_MIN_S = 1.0
TELL_AFTER_S = 5.0
TELL_EVERY_S = 60.0

_FOREIGN_TO_AN_ID = re.compile(r"[^A-Za-z0-9._-]")
_log = logging.getLogger("ct_mao_sync.http")

Params = Mapping[str, str] | Sequence[tuple[str, str]]


class Tokens(Protocol):
    """Where the bearer token comes from; `clients.token.TokenSource` is the one there is."""

    @property
    def scopes(self) -> frozenset[str]: ...
    def token(self) -> str: ...
    def renew(self, failed: str) -> str: ...


class _Failed(Exception):
    """One attempt failed, and another one is of no use or not allowed."""

    def __init__(self, failure: Failure, correlation_id: str) -> None:
        super().__init__(failure.code)
        self.failure = failure
        self.correlation_id = correlation_id


class _Again(_Failed):
    """One attempt failed, and the next one may succeed."""


class HttpClient:
    """Requests to one host, from several threads.

    timeout_s   one whole answer, from the sending of the request to the last byte
    retry_s     how long one request is tried again; also the longest wait that a server can ask for
    url_key     the key of the configuration that holds `base_url`, for messages
    on_request  called before each attempt; may raise, to keep a budget
    may_write   False: a write is a bug and is not sent, whoever asks for it
    pause       of the host, shared with its other clients
    """

    def __init__(
        self,
        *,
        base_url: str,
        workers: int,
        timeout_s: float,
        retry_s: float,
        clock: Clock,
        token: Tokens | None,
        adapter: BaseAdapter | None = None,
        correlation_id: str = "",
        remote: str = "commercetools",
        headers: Mapping[str, str] | None = None,
        url_key: str = "",
        answer_max_bytes: int = ANSWER_MAX_BYTES,
        on_request: Callable[[], None] | None = None,
        rng: random.Random | None = None,
        may_write: bool = True,
        pause: Pause | None = None,
    ) -> None:
        url_key = url_key or f"{remote}.api_url"
        self.remote = remote
        self.base_url = check_base_url(base_url, url_key)
        self.host = urlsplit(self.base_url).hostname or ""
        self.correlation_prefix = correlation_id or "ct-mao-sync"
        self.on_request = on_request
        self._may_write = may_write
        self._clock = clock
        self._retry_s = retry_s
        self._token = token
        self._answer_max_bytes = answer_max_bytes
        self._rng = rng or random.Random()  # jitter, nothing secret
        self._judge = Judge(remote, self.host, url_key)
        self._limiter = Limiter(workers, clock, wait_max_s=retry_s, pause=pause)
        self._transport = Transport(
            self.base_url, connections=workers, timeout_s=timeout_s, clock=clock, adapter=adapter
        )
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": f"ct-mao-sync/{__version__}",
            **(headers or {}),
        }
        self._lock = threading.Lock()
        self._told_s: float | None = None
        self._requests_sent = 0
        self._numbers = itertools.count(1)

    def __repr__(self) -> str:
        return f"HttpClient({self.remote}, {self.host})"

    @property
    def scopes(self) -> frozenset[str]:
        """Of the token in use; see `TokenSource.scopes`."""
        return self._token.scopes if self._token is not None else frozenset()

    @property
    def requests_sent(self) -> int:
        """Every attempt counts."""
        return self._requests_sent

    def close(self) -> None:
        self._transport.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Params = (),
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        write: bool,
        absent_ok: bool = False,
        check: Callable[[Any], bool] | None = None,
        not_again: Collection[str] = (),
        unread: bool = False,
    ) -> Answer:
        """One request, tried until it is answered.

        path       below the base URL, already quoted, beginning with "/"
        json, form the body, one of them
        write      it changes something: repeated only when it surely did not arrive
        absent_ok  a 404 is an answer too
        check      what the JSON of a good answer must look like; else it counts as no JSON
        not_again  problem codes that are raised at once, since the caller will ask for less
        unread     that it was done is all the caller wants to know: a good answer, if it begins and ends
                   as a JSON object does, is not parsed, and `json` is {}

        Raises Retriable (also for a write that surely did not arrive), OutcomeUnknown (writes only),
        VersionConflict, RecordRejected (`target-refused`) and RunStopped.
        """
        if write and not self._may_write:
            raise RuntimeError(f"a command that only looks was about to {method} {path}")
        body, content_type = None, ""
        if form is not None:
            body, content_type = urlencode(form).encode("ascii"), "application/x-www-form-urlencoded"
        elif json is not None:
            body, content_type = dump_json(json), "application/json"
        all_headers = {**self._headers, **(headers or {})}
        if body is not None:
            all_headers["Content-Type"] = content_type
        if body is not None or method != "GET":
            all_headers["Content-Length"] = str(len(body or b""))
        pairs = list(params.items() if isinstance(params, Mapping) else params)
        url = self.base_url + path + ("?" + encode_query(pairs) if pairs else "")
        return self._send(
            Request(
                method, path, url, body, all_headers, write, absent_ok, check, frozenset(not_again), unread
            )
        )

    def refusal_error(
        self, subject: str, answer: Answer, refusal: Refusal
    ) -> VersionConflict | RecordRejected:
        """The error for a refusal that a good status hid."""
        context = self._judge.context(subject, answer.correlation_id, answer.status, refusal)
        return self._judge.refusal_error(subject, refusal, context)

    def _send(self, request: Request) -> Answer:
        started_s: float | None = None
        attempts = 0
        last: _Again | None = None

        def left_s() -> float:
            gone_s = self._clock.monotonic() - started_s if started_s is not None else 0.0
            return max(0.0, self._retry_s - gone_s)

        def attempt() -> Answer:
            nonlocal started_s, attempts, last
            if last is not None and self._clock.stopping:
                raise last
            epoch = self._limiter.enter(left_s())
            try:
                if started_s is None:
                    started_s = self._clock.monotonic()
                attempts += 1
                return self._attempt(request, epoch)
            except _Again as failed:
                last = failed
                raise
            finally:
                self._limiter.leave()

        def stop(_: RetryCallState) -> bool:
            return self._clock.stopping or left_s() <= 0

        def wait(state: RetryCallState) -> float:
            doubled_s = FIRST_PAUSE_S * 2.0 ** min(state.attempt_number - 1, 10)
            pause_s = min(doubled_s, PAUSE_MAX_S) * self._rng.uniform(0.5, 1.0)
            asked_s = last.failure.retry_after_s if last is not None else None
            if asked_s is not None:  # the server knows best, except that "at once" is no advice
                pause_s = max(asked_s, min(pause_s, RETRY_AFTER_MIN_S))
            if last is not None:
                self._tell_patience(last.failure, pause_s, left_s())
            return min(pause_s, left_s())

        retrying = Retrying(
            sleep=self._clock.sleep, stop=stop, wait=wait, retry=retry_if_exception_type(_Again), reraise=True
        )
        try:
            return retrying(attempt)
        except _Failed as failed:
            final = failed
        tried_s = self._clock.monotonic() - (started_s or 0.0)
        raise self._judge.error(request, final.failure, final.correlation_id, attempts, tried_s)

    def _tell_patience(self, failure: Failure, pause_s: float, left_s: float) -> None:
        """A run that only waits looks like one that hangs; one line a minute says which it is."""
        if self._retry_s - left_s + pause_s < TELL_AFTER_S or left_s < TELL_AFTER_S:
            return
        with self._lock:
            now_s = self._clock.monotonic()
            if self._told_s is not None and now_s - self._told_s < TELL_EVERY_S:
                return
            self._told_s = now_s
        text = "%s; trying again for up to %d s"
        _log.warning(text, self._judge.said(failure), left_s, extra={"remote": self.remote})

    def _attempt(self, request: Request, epoch: int) -> Answer:
        """One attempt, or two when the token had to be renewed: a 401 did nothing, so this is no repeat."""
        token = self._token.token() if self._token is not None else ""
        status, outcome = self._exchange(request, token, epoch)
        if status == 401 and self._token is not None:
            token = self._token.renew(token)
            _, outcome = self._exchange(request, token, epoch)
        if isinstance(outcome, Answer):
            return outcome
        raise outcome

    def _exchange(self, request: Request, token: str, epoch: int) -> tuple[int, Answer | SyncError | _Failed]:
        if self.on_request is not None:
            self.on_request()
        with self._lock:
            self._requests_sent += 1
            number = next(self._numbers)
        correlation_id = _FOREIGN_TO_AN_ID.sub("-", f"{self.correlation_prefix}-{number}")
        if request.write:
            correlation.note(correlation_id)
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url, prepared.body = request.method, request.url, request.body
        prepared.headers = CaseInsensitiveDict(request.headers)
        prepared.headers["X-Correlation-ID"] = correlation_id
        if token:
            prepared.headers["Authorization"] = f"Bearer {token}"
        status = 0
        started_s = self._clock.monotonic()
        try:
            response, content = self._transport.exchange(prepared, self._answer_max_bytes)
        except TransportFailed as failed:
            verdict: Answer | Failure | SyncError = failed.failure
            elapsed_s = self._clock.monotonic() - started_s
        else:
            elapsed_s = self._clock.monotonic() - started_s
            status = response.status_code
            retry_after_s = self._read_pressure(status, response.headers, epoch)
            answer = Answer(status, None, response.headers, elapsed_s, correlation_id)
            verdict = self._judge.judge(request, answer, content, retry_after_s)
        self._log_request(request, status, elapsed_s, correlation_id)
        if isinstance(verdict, Failure):
            return status, self._failed(request, verdict, correlation_id)
        return status, verdict

    def _failed(self, request: Request, failure: Failure, correlation_id: str) -> _Failed:
        """May it be tried again? A read may; a write only when it surely did nothing."""
        hopeless = failure.permanent or failure.code in request.not_again
        if hopeless or (request.write and failure.arrived):
            return _Failed(failure, correlation_id)
        return _Again(failure, correlation_id)

    def _read_pressure(self, status: int, headers: Mapping[str, str], epoch: int) -> float | None:
        """Tells the limiter how the server feels; gives the Retry-After of a 429 or 503, in seconds."""
        if status not in (429, 503):
            if status < 500:
                self._limiter.good()
            return None
        retry_after_s = parse_retry_after(headers, self._clock)
        self._limiter.push_back(epoch, retry_after_s)
        return retry_after_s

    def _log_request(self, request: Request, status: int, elapsed_s: float, correlation_id: str) -> None:
        if not _log.isEnabledFor(logging.DEBUG):
            return
        facts = {
            "remote": self.remote,
            "method": request.method,
            "path": request.path,
            "status": status,
            "ms": round(elapsed_s * 1000),
            "correlation_id": correlation_id,
        }
        text = "%(remote)s %(method)s %(path)s %(status)s %(ms)s ms %(correlation_id)s"
        _log.debug(text, facts, extra=facts)


def encode_query(pairs: Sequence[tuple[str, str]]) -> str:
    """Percent-encoded UTF-8, a blank as %20."""
    return urlencode(pairs, quote_via=quote, safe="")


def parse_retry_after(headers: Mapping[str, str], clock: Clock) -> float | None:
    """Seconds, or an HTTP date less the server's own `Date` (else our clock); None when there is none."""
    value = headers.get("Retry-After", "").strip()
    if value.replace(".", "", 1).isdecimal() and len(value) < 12:
        return float(value)
    moment = parse_http_date(value)
    if moment is None:
        return None
    now = parse_http_date(headers.get("Date", "")) or clock.now()
    return max(0.0, (moment - now).total_seconds())
