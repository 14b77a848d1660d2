"""What an answer means: good, worth another attempt, or one of our errors in plain words.

Messages name systems, hosts and requests. What the remote said itself goes only into the context.
"""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from ct_mao_sync.clients import envelope
from ct_mao_sync.clients.refusal import Refusal, one_line, parse_commercetools_refusal
from ct_mao_sync.clients.transport import Failure
from ct_mao_sync.errors import (
    OutcomeUnknown,
    Problem,
    RecordRejected,
    Retriable,
    RunStopped,
    SyncError,
    VersionConflict,
)

# Refusals that the same read would meet again and again; the caller asks for less.
TOO_MUCH = frozenset({"ContentTooLarge", "QueryTimedOut"})
# commercetools docs, errors: an API Extension of the customer did not answer in time; a 400 by number only.
_EXTENSION_FAILED = "ExtensionNoResponse"

_NAMES = {"commercetools": "commercetools", "manhattan": "MAO"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer. Numbers with a fraction are Decimal."""

    status: int
    json: Any
    headers: Mapping[str, str]
    elapsed_s: float
    """From the sending of the request that was answered to the last byte of its answer."""
    correlation_id: str

    @property
    def server_date(self) -> datetime | None:
        """The server's own clock, to the second; None when it sent none."""
        return parse_http_date(self.headers.get("Date", ""))


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it goes out, each attempt alike."""

    method: str
    path: str
    url: str
    body: bytes | None
    headers: Mapping[str, str]
    write: bool
    absent_ok: bool = False
    check: Callable[[Any], bool] | None = None
    not_again: frozenset[str] = frozenset()
    unread: bool = False

    @property
    def subject(self) -> str:
        return f"{self.method} {self.path}"


class Judge:
    """Knows one remote: its name, its host, the key of the configuration that leads to it."""

    def __init__(self, remote: str, host: str, url_key: str) -> None:
        if remote not in _NAMES:
            raise ValueError(f"no such remote: {remote}")
        self._remote = remote
        self._host = host
        self._url_key = url_key
        self._name = _NAMES[remote]
        self._who = f"{self._name} ({host})"

    def judge(
        self, request: Request, answer: Answer, content: bytes, retry_after_s: float | None
    ) -> Answer | Failure | SyncError:
        """`answer` comes with `json` unset; what it means comes back."""
        status = answer.status
        if request.unread and 200 <= status < 300 and content[:1] == b"{" and content.rstrip()[-1:] == b"}":
            return Answer(status, {}, answer.headers, answer.elapsed_s, answer.correlation_id)
        parsed, is_json = parse_json(content)
        answer = Answer(status, parsed, answer.headers, answer.elapsed_s, answer.correlation_id)
        if 200 <= status < 300:
            if status == 204 and request.write and not content:
                return answer
            if not is_json or not isinstance(parsed, dict):
                return Failure("not-json", "sent an answer that is not a JSON object", status=status)
            if request.check is not None and not request.check(parsed):
                return Failure("not-json", "sent JSON of another kind than expected", status=status)
            return answer
        if status == 404 and request.absent_ok:
            return answer
        if 300 <= status < 400:
            return self._redirected(request, answer)
        refusal = self._parse_refusal(parsed) if is_json else Refusal()
        if refusal is None:
            if status < 500 and status not in (401, 403, 408, 429):
                return answer
            refusal = Refusal()
        if status == 429:
            text = "asks for fewer requests (429)"
            return Failure("rate-limited", text, False, status, retry_after_s, refusal)
        if status == 408:
            return Failure("timeout", "gave up waiting for the request (408)", True, status, None, refusal)
        asks_too_much = not request.write and not TOO_MUCH.isdisjoint(refusal.codes)
        if status >= 500 and not asks_too_much:
            return Failure("server-error", f"answered {status}", True, status, retry_after_s, refusal)
        if status == 400 and _EXTENSION_FAILED in refusal.codes:
            text = "waited in vain for an API Extension (400)"
            return Failure("server-error", text, True, 503, None, refusal)
        return self._refused(request, answer, refusal)

    def said(self, failure: Failure) -> str:
        """What went wrong, in a few words that name the system and the host."""
        return f"{self._who} {failure.text}"

    def error(
        self, request: Request, failure: Failure, correlation_id: str, attempts: int, tried_s: float
    ) -> SyncError:
        """The error of a request that will not be tried again."""
        context = self.context(request.subject, correlation_id, failure.status, failure.refusal)
        context["attempts"] = attempts
        said = self.said(failure)
        if failure.permanent:
            hint = failure.hint or f"check {self._url_key}"
            return RunStopped(Problem(failure.code, said, self._url_key, hint, context))
        if request.write and failure.arrived:
            message = f"{said}, to {request.subject}: whether the write was done is not known"
            hint = "nothing to do: the record is read again before anything else is written"
            return OutcomeUnknown(Problem(failure.code, message, "", hint, context))
        times = "once" if attempts == 1 else f"{attempts} times in {tried_s:.0f} s"
        return Retriable(
            Problem(failure.code, f"{said}; tried {times}", self._url_key, self._hint(failure.code), context)
        )

    def _hint(self, code: str) -> str:
        longer = "to try longer, raise sync.retry_seconds"
        if code == "rate-limited":
            return f"lower sync.workers, or ask for a higher limit ({self._url_key}); {longer}"
        if code in ("not-json", "answer-too-long"):
            return f"check that {self._url_key} leads to the API itself; {longer}"
        return f"check {self._url_key} and the network; {longer}"

    def _redirected(self, request: Request, answer: Answer) -> SyncError:
        try:
            target = urlsplit(answer.headers.get("Location", "")).hostname or self._host
        except ValueError:
            target = "an unreadable address"
        target = one_line(target)
        context = self.context(request.subject, answer.correlation_id, answer.status)
        return RunStopped(
            Problem(
                "redirected",
                f"{self._who} sends {request.subject} on to {target}; redirects are not followed, "
                "because the token would go along",
                self._url_key,
                f"put the final address into {self._url_key}",
                {**context, "location_host": target},
            )
        )

    def _refused(self, request: Request, answer: Answer, refusal: Refusal) -> SyncError:
        context = self.context(request.subject, answer.correlation_id, answer.status, refusal)
        field = f"{self._remote}.client_id"
        if answer.status == 401:
            message = f"{self._who} does not accept the token, not even a new one (401)"
            hint = (
                f"check that {self._remote}.auth_url and {self._url_key} belong to the same system and that "
                f"the client of {field} is active"
            )
            return RunStopped(Problem("unauthorized", message, field, hint, context))
        if answer.status == 403:
            hint = (
                "give the API client the scopes that README lists, for the project of "
                "commercetools.project_key"
                if self._remote == "commercetools"
                else "give the user or client the grant for this resource in MAO, and check "
                "manhattan.organization"
            )
            message = f"{self._who} forbids {request.subject} (403)"
            return RunStopped(Problem("forbidden", message, field, hint, context))
        return self.refusal_error(request.subject, refusal, context)

    def refusal_error(
        self, subject: str, refusal: Refusal, context: Mapping[str, str | int]
    ) -> VersionConflict | RecordRejected:
        """The error for a refusal of one record, whatever status it came with."""
        why = ", ".join(str(context[key]) for key in ("status", "remote_code") if key in context)
        if context.get("status") == 409 or refusal.stale:
            text = f"{self._name}: the record moved on since it was read ({why})"
            return VersionConflict(Problem("conflict", text, context=context))
        text = f"{self._name} refused {one_line(subject)} ({why})"
        return RecordRejected(Problem("target-refused", text, context=context))

    def context(
        self, subject: str, correlation_id: str, status: int = 0, refusal: Refusal | None = None
    ) -> dict[str, str | int]:
        """Facts for a support ticket; every text is one line of at most 300 characters."""
        found: dict[str, str | int] = {
            "remote": self._remote,
            "host": self._host,
            "request": one_line(subject),
            "correlation_id": correlation_id,
        }
        if status:
            found["status"] = status
        return {**found, **(refusal.context() if refusal else {})}

    def _parse_refusal(self, body: Any) -> Refusal | None:
        if self._remote == "manhattan":
            return envelope.parse_refusal(body)
        return parse_commercetools_refusal(body)


def parse_http_date(text: str) -> datetime | None:
    """Aware, UTC; None when it is none."""
    if not text:
        return None
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def parse_json(content: bytes) -> tuple[Any, bool]:
    """The value, and whether there was one. NaN and Infinity are no JSON."""
    if not content:
        return None, False
    try:
        return json_module.loads(content, parse_float=Decimal, parse_constant=_refuse_constant), True
    except (ValueError, RecursionError, ArithmeticError):
        return None, False


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
