"""Queries of one commercetools project: predicates, keyset pages, and lists of values that fit a URL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from ct_mao_sync.clients.http import HttpClient, encode_query
from ct_mao_sync.clients.verdict import Answer
from ct_mao_sync.errors import Problem, RecordRejected, Retriable, RunStopped

PAGE_SIZE_MAX = 500  # commercetools docs, general concepts: limit
URL_LENGTH_MAX = 7_500  # beyond roughly 8 kB the answer is 414
# Answers that are too big: the same question for fewer records may be answered.
ASK_FOR_LESS = frozenset({"ContentTooLarge", "QueryTimedOut", "answer-too-long"})
_AN_ID = "00000000-0000-0000-0000-000000000000"

Row = dict[str, Any]
Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ChangedPage:
    """One page of resources as commercetools sent it; numbers with a fraction are Decimal."""

    results: list[Row]
    server_date: datetime | None
    """The answer's `Date`, aware UTC."""
    elapsed_s: float
    last_id: str | None
    """Id of the last row as sent: ids do not sort as text. None when the page is empty."""
    is_last: bool


class ProjectQueries:
    """What is asked of one project. Errors: those of `HttpClient.send`."""

    def __init__(self, http: HttpClient, project_key: str) -> None:
        self.http = http
        self.project_key = project_key
        self.root = "/" + quote(project_key, safe="")
        self._page_sizes: dict[str, int] = {}

    def get(
        self,
        path: str,
        pairs: Pairs,
        *,
        absent_ok: bool = False,
        less_ok: bool = False,
        check: Any = None,
    ) -> Answer:
        """`path` is below the project. With `less_ok` an answer that is too big is raised at once."""
        return self.http.send(
            "GET",
            self.root + path,
            params=pairs,
            write=False,
            absent_ok=absent_ok,
            check=check,
            not_again=ASK_FOR_LESS if less_ok else (),
        )

    def read_page(
        self, path: str, where: str, after_id: str | None, limit: int, expand: Sequence[str] = ()
    ) -> ChangedPage:
        """By key over `id`. Fewer than `limit` come when a page of that size is too much for either side;
        the size grows back with the next pages. Raises RunStopped `project-not-found`."""
        wanted = max(1, min(limit, PAGE_SIZE_MAX))
        size = min(wanted, self._page_sizes.get(path, PAGE_SIZE_MAX))
        while True:
            try:
                page = self._read_page(path, where, after_id, size, expand, less_ok=size > 1)
            except (RecordRejected, Retriable) as error:
                if size == 1 or not is_too_much(error):
                    raise
                size = max(1, size // 2)
                self._page_sizes[path] = size
                continue
            self._page_sizes[path] = min(
                PAGE_SIZE_MAX, max(self._page_sizes.get(path, PAGE_SIZE_MAX), size * 2)
            )
            return page

    def read_one(self, path: str, expand: Sequence[str] = ()) -> Row | None:
        """One resource; None when there is none."""
        answer = self.get(path, [("expand", one) for one in expand], absent_ok=True)
        return None if answer.status == 404 else row_of(answer)

    def read_in(
        self, path: str, predicate: str, values: Sequence[str], expand: Sequence[str] = ()
    ) -> list[Row]:
        """At most one resource for each value, such as an id; `predicate` has `{}` for the list of values.
        In no particular order."""
        found: list[Row] = []
        for chunk in self.chunks(path, predicate, values, expand):
            found += self._read_chunk(path, predicate, chunk, expand)
        return found

    def read_all_in(self, path: str, predicate: str, chunk: Sequence[str]) -> list[Row]:
        """Every resource of these values, each once, however many a value has: full pages are followed by
        key, and what is too much is asked for in halves. One chunk of `chunks`."""
        try:
            return self._read_all(path, predicate, chunk)
        except (RecordRejected, Retriable) as error:
            if len(chunk) <= 1 or not is_too_much(error):
                raise
        middle = len(chunk) // 2
        return [
            row
            for half in (chunk[:middle], chunk[middle:])
            for row in self.read_all_in(path, predicate, half)
        ]

    def chunks(
        self,
        path: str,
        predicate: str,
        values: Sequence[str],
        expand: Sequence[str] = (),
        *,
        most: int = PAGE_SIZE_MAX,
    ) -> Iterator[list[str]]:
        """Each value once, as many in one request as its URL can hold, at most `most`."""
        where = predicate.format("") + f" and id > {quoted(_AN_ID)}"
        pairs = _page_query(where, PAGE_SIZE_MAX, expand)
        fixed = len(self.http.base_url + self.root + path) + 1 + len(encode_query(pairs))
        comma = len(quote(", ", safe=""))
        chunk: list[str] = []
        length = fixed
        for value in dict.fromkeys(values):
            more = len(quote(quoted(value), safe="")) + comma
            if chunk and (length + more > URL_LENGTH_MAX or len(chunk) >= most):
                yield chunk
                chunk, length = [], fixed
            chunk.append(value)
            length += more
        if chunk:
            yield chunk

    def found(self, answer: Answer) -> Answer:
        """The answer, unless it is a 404 of the whole project."""
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

    def _read_page(
        self, path: str, where: str, after_id: str | None, size: int, expand: Sequence[str], *, less_ok: bool
    ) -> ChangedPage:
        if after_id is not None:
            where += (" and " if where else "") + f"id > {quoted(after_id)}"
        pairs = _page_query(where, size, expand)
        answer = self.found(self.get(path, pairs, absent_ok=True, less_ok=less_ok, check=is_page))
        results = answer.json["results"]
        allowed = answer.json.get("limit")
        if not isinstance(allowed, int) or not 0 < allowed <= size:
            allowed = size
        return ChangedPage(
            results=results,
            server_date=answer.server_date,
            elapsed_s=answer.elapsed_s,
            last_id=results[-1]["id"] if results else None,
            is_last=len(results) < allowed,
        )

    def _read_all(self, path: str, predicate: str, chunk: Sequence[str]) -> list[Row]:
        where = _in(predicate, chunk)
        rows: dict[str, Row] = {}
        after_id: str | None = None
        while True:
            if len(chunk) > 1:
                page = self._read_page(path, where, after_id, PAGE_SIZE_MAX, (), less_ok=True)
            else:
                page = self.read_page(path, where, after_id, PAGE_SIZE_MAX)
            count = len(rows)
            rows |= {row["id"]: row for row in page.results}
            if page.is_last:
                return list(rows.values())
            if len(rows) == count:
                raise Retriable(self._pages_repeat(path))
            after_id = page.last_id

    def _read_chunk(self, path: str, predicate: str, chunk: list[str], expand: Sequence[str]) -> list[Row]:
        pairs: Pairs = [
            ("where", _in(predicate, chunk)),
            ("limit", str(PAGE_SIZE_MAX)),
            ("withTotal", "false"),
            *(("expand", name) for name in expand),
        ]
        try:
            answer = self.get(path, pairs, less_ok=len(chunk) > 1, check=is_page)
        except (RecordRejected, Retriable) as error:
            if len(chunk) == 1 or not is_too_much(error):
                raise
        else:
            return list(answer.json["results"])
        middle = len(chunk) // 2
        halves = chunk[:middle], chunk[middle:]
        return [row for half in halves for row in self._read_chunk(path, predicate, half, expand)]

    def _pages_repeat(self, path: str) -> Problem:
        return Problem(
            "pages-repeat",
            f"commercetools ({self.http.host}) sends the same page of {path} again and again",
            "commercetools.api_url",
            "try again later; should it last, check what stands between here and commercetools.api_url",
            {"remote": self.http.remote, "host": self.http.host},
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


def is_too_much(error: RecordRejected | Retriable) -> bool:
    """Whether the same question for fewer records may be answered."""
    codes = str(error.problem.context.get("remote_code", "")).split(",")
    return error.problem.code in ASK_FOR_LESS or not ASK_FOR_LESS.isdisjoint(codes)


def is_page(body: Any) -> bool:
    rows = body.get("results")
    return isinstance(rows, list) and all(
        isinstance(row, dict) and isinstance(row.get("id"), str) for row in rows
    )


def row_of(answer: Answer) -> Row:
    row: Row = answer.json
    return row


def _in(predicate: str, values: Sequence[str]) -> str:
    return predicate.format(", ".join(quoted(value) for value in values))


def _page_query(where: str, size: int, expand: Sequence[str]) -> Pairs:
    pairs = [("where", where)] if where else []
    pairs += [("sort", "id asc"), ("limit", str(size)), ("withTotal", "false")]
    return pairs + [("expand", name) for name in expand]
