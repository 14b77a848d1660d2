"""The commercetools HTTP API: one method for each request that we make, no rules of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from ct_mao_sync.clients.http import HttpClient, encode_query
from ct_mao_sync.clients.verdict import Answer
from ct_mao_sync.errors import Problem, RecordRejected, Retriable, RunStopped

PAGE_SIZE_MAX = 500  # commercetools docs, general concepts: limit
URL_LENGTH_MAX = 7_500  # beyond roughly 8 kB the answer is 414
# Answers that are too big: the same question for fewer records may be answered.
_ASK_FOR_LESS = frozenset({"ContentTooLarge", "QueryTimedOut", "answer-too-long"})

Row = dict[str, Any]
Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ChangedPage:
    """One page of changed resources as commercetools sent it; numbers with a fraction are Decimal."""

    results: list[Row]
    server_date: datetime | None
    """The answer's `Date`, aware UTC."""
    elapsed_s: float
    last_id: str | None
    """Id of the last row as sent: ids do not sort as text. None when the page is empty."""
    is_last: bool


class CommercetoolsClient:
    """Errors: those of `HttpClient.send`."""

    def __init__(self, http: HttpClient, project_key: str) -> None:
        self.http = http
        self.project_key = project_key
        self._root = "/" + quote(project_key, safe="")
        self._page_size_now = PAGE_SIZE_MAX

    def read_project(self) -> Row:
        """The project's own settings. RunStopped `project-not-found` when there is no such project."""
        return _row(self._found(self._get("", [], absent_ok=True)))

    def read_orders_page(
        self,
        *,
        since: datetime,
        until: datetime | None,
        after_id: str | None,
        limit: int,
        expand: Sequence[str],
    ) -> ChangedPage:
        """Orders with `lastModifiedAt` from `since` (and before `until`), by key over `id`.

        Fewer than `limit` come when a page of that size is too much for either side; the size grows back
        with the next pages. Raises RunStopped `project-not-found` for an unknown project.
        """
        return self._read_changed("/orders", since, until, after_id, limit, expand)

    def read_payments_page(
        self, *, since: datetime, until: datetime | None, after_id: str | None, limit: int
    ) -> ChangedPage:
        """Payments, likewise: a change of a Payment does not touch its Order."""
        return self._read_changed("/payments", since, until, after_id, limit, ())

    def _read_changed(
        self,
        path: str,
        since: datetime,
        until: datetime | None,
        after_id: str | None,
        limit: int,
        expand: Sequence[str],
    ) -> ChangedPage:
        where = f"lastModifiedAt >= {quoted(render_timestamp(since))}"
        if until is not None:
            rounded_up = until + timedelta(microseconds=-until.microsecond % 1000)
            where += f" and lastModifiedAt < {quoted(render_timestamp(rounded_up))}"
        if after_id is not None:
            where += f" and id > {quoted(after_id)}"
        wanted = max(1, min(limit, PAGE_SIZE_MAX))
        size = min(wanted, self._page_size_now)
        while True:
            pairs = [("where", where), ("sort", "id asc"), ("limit", str(size)), ("withTotal", "false")]
            pairs += [("expand", name) for name in expand]
            try:
                answer = self._get(path, pairs, absent_ok=True, less_ok=size > 1, check=_is_page)
            except (RecordRejected, Retriable) as error:
                if size == 1 or not _is_too_much(error):
                    raise
                size = max(1, size // 2)
                self._page_size_now = size
                continue
            break
        results = self._found(answer).json["results"]
        self._page_size_now = min(PAGE_SIZE_MAX, max(self._page_size_now, size * 2))
        return ChangedPage(
            results=results,
            server_date=answer.server_date,
            elapsed_s=answer.elapsed_s,
            last_id=results[-1]["id"] if results else None,
            is_last=len(results) < size,
        )

    def read_order(self, order_id: str, expand: Sequence[str] = ()) -> Row | None:
        """The present state; None when there is no such order."""
        return self._read_one(f"/orders/{quote(order_id, safe='')}", expand)

    def read_order_by_number(self, order_number: str, expand: Sequence[str] = ()) -> Row | None:
        """The present state; None when there is no such order."""
        return self._read_one(f"/orders/order-number={quote(order_number, safe='')}", expand)

    def read_orders_by_ids(self, ids: Sequence[str], expand: Sequence[str] = ()) -> list[Row]:
        """In no particular order; unknown ids are left out."""
        return self._read_in("/orders", "id in ({})", ids, expand)

    def read_orders_by_numbers(self, numbers: Sequence[str], expand: Sequence[str] = ()) -> list[Row]:
        """In no particular order; unknown numbers are left out."""
        return self._read_in("/orders", "orderNumber in ({})", numbers, expand)

    def read_orders_by_payments(self, payment_ids: Sequence[str], expand: Sequence[str] = ()) -> list[Row]:
        """Orders that refer to any of these Payments, each once, in no particular order."""
        rows = self._read_in("/orders", "paymentInfo(payments(id in ({})))", payment_ids, expand)
        return list({row["id"]: row for row in rows}.values())

    def update_order(
        self, order_id: str, version: int, actions: Sequence[Mapping[str, Any]], expand: Sequence[str] = ()
    ) -> Row:
        """All actions or none (commercetools docs, update actions: at most 500). Gives the new state.
        Raises VersionConflict when `version` is not the present one."""
        answer = self.http.send(
            "POST",
            f"{self._root}/orders/{quote(order_id, safe='')}",
            params=[("expand", path) for path in expand],
            json={"version": version, "actions": list(actions)},
            write=True,
        )
        return _row(answer)

    def read_channel_by_key(self, key: str) -> Row | None:
        return self._read_one(f"/channels/key={quote(key, safe='')}", ())

    def read_channels(self, ids: Sequence[str]) -> list[Row]:
        """In no particular order; unknown ids are left out."""
        return self._read_in("/channels", "id in ({})", ids, ())

    def _get(
        self,
        path: str,
        pairs: Pairs,
        *,
        absent_ok: bool = False,
        less_ok: bool = False,
        check: Any = None,
    ) -> Answer:
        return self.http.send(
            "GET",
            self._root + path,
            params=pairs,
            write=False,
            absent_ok=absent_ok,
            check=check,
            not_again=_ASK_FOR_LESS if less_ok else (),
        )

    def _read_one(self, path: str, expand: Sequence[str]) -> Row | None:
        answer = self._get(path, [("expand", one) for one in expand], absent_ok=True)
        return None if answer.status == 404 else _row(answer)

    def _read_in(self, path: str, predicate: str, values: Sequence[str], expand: Sequence[str]) -> list[Row]:
        found: list[Row] = []
        for chunk in self._chunks(path, predicate, list(dict.fromkeys(values)), expand):
            found += self._read_chunk(path, predicate, chunk, expand)
        return found

    def _read_chunk(self, path: str, predicate: str, chunk: list[str], expand: Sequence[str]) -> list[Row]:
        pairs = _in_query(predicate, chunk, expand)
        try:
            answer = self._get(path, pairs, less_ok=len(chunk) > 1, check=_is_page)
        except (RecordRejected, Retriable) as error:
            if len(chunk) == 1 or not _is_too_much(error):
                raise
        else:
            return list(answer.json["results"])
        middle = len(chunk) // 2
        halves = chunk[:middle], chunk[middle:]
        return [row for half in halves for row in self._read_chunk(path, predicate, half, expand)]

    def _chunks(
        self, path: str, predicate: str, values: list[str], expand: Sequence[str]
    ) -> Iterator[list[str]]:
        """As many values in one request as its URL can hold."""
        fixed = (
            len(self.http.base_url + self._root + path)
            + 1
            + len(encode_query(_in_query(predicate, [], expand)))
        )
        comma = len(quote(", ", safe=""))
        chunk: list[str] = []
        length = fixed
        for value in values:
            more = len(quote(quoted(value), safe="")) + comma
            if chunk and (length + more > URL_LENGTH_MAX or len(chunk) == PAGE_SIZE_MAX):
                yield chunk
                chunk, length = [], fixed
            chunk.append(value)
            length += more
        if chunk:
            yield chunk

    def _found(self, answer: Answer) -> Answer:
        if answer.status != 404:
            return answer
        raise RunStopped(
            Problem(
                "project-not-found",
                f"commercetools ({self.http.host}) knows no project {self.project_key!r}",
                "commercetools.project_key",
                "check commercetools.project_key, and that commercetools.api_url is its region",
                {
                    "remote": self.http.remote,
                    "host": self.http.host,
                    "status": 404,
                    "correlation_id": answer.correlation_id,
                },
            )
        )


def quoted(text: str) -> str:
    """A string of a predicate (commercetools docs, query predicates: double quotes, escaped by backslash)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def render_timestamp(moment: datetime) -> str:
    """UTC with milliseconds, the form of commercetools; what is finer is cut off."""
    if moment.tzinfo is None:
        raise ValueError("a moment without time zone")
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def _in_query(predicate: str, values: Sequence[str], expand: Sequence[str]) -> Pairs:
    pairs = [
        ("where", predicate.format(", ".join(quoted(value) for value in values))),
        ("limit", str(PAGE_SIZE_MAX)),
        ("withTotal", "false"),
    ]
    return pairs + [("expand", path) for path in expand]


def _is_too_much(error: RecordRejected | Retriable) -> bool:
    codes = str(error.problem.context.get("remote_code", "")).split(",")
    return error.problem.code in _ASK_FOR_LESS or not _ASK_FOR_LESS.isdisjoint(codes)


def _is_page(body: Any) -> bool:
    rows = body.get("results")
    return isinstance(rows, list) and all(
        isinstance(row, dict) and isinstance(row.get("id"), str) for row in rows
    )


def _row(answer: Answer) -> Row:
    row: Row = answer.json
    return row
