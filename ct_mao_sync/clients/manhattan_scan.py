"""A whole search, page by page, so that no row is lost: by key where MAO lets us, else in repeated passes.

Page numbers over moving rows skip neighbours. By key nothing can be skipped: sorted by an id that never
changes, each page asks for what comes after the last row. A tenant that refuses the condition on the key is
asked by page numbers, in whole passes, until a pass brings nothing new.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ct_mao_sync.clients.manhattan_calls import ManhattanCalls, Row, SearchPage, is_queryable
from ct_mao_sync.errors import Problem, RecordRejected, Retriable

PASSES_MAX = 10
"""Rows that come while we read would otherwise keep the passes going for ever."""


@dataclass(frozen=True, slots=True)
class ScanPage:
    """Rows with what the template asked for; timestamps are text without zone (UTC)."""

    rows: list[Row]
    cursor: str | None
    """Goes back with the next call, also in a later process; None: this was the last page."""
    server_date: datetime | None
    """The answer's `Date`, aware UTC."""
    elapsed_s: float


class Scan:
    """One search of one client, by one thread at a time.

    key       the attribute that rows are sorted by; never changes, and several rows may share it
    identity  what makes two rows the same, whatever changed in them
    size      rows of a page; `size_safe` where the tenant refuses so many (its limit is not published)
    """

    def __init__(
        self,
        calls: ManhattanCalls,
        endpoint: str,
        *,
        key: str,
        template: Mapping[str, Any],
        size: int,
        identity: Callable[[Row], object],
        size_safe: int | None = None,
    ) -> None:
        self._calls = calls
        self._endpoint = endpoint
        self._key = key
        self._template = template
        self._size = size
        self._size_safe = min(size, size_safe or size)
        self._identity = identity
        self._by_key = True
        self._condition = ""
        self._seen: set[object] = set()
        self._found_new = False
        self._last_rows: list[Row] = []

    def read_page(self, condition: str, cursor: str | None) -> ScanPage:
        """`condition` is the query without the key, "" for everything; the same with every cursor of a scan.

        Raises like `ManhattanCalls`, and Retriable `pages-repeat` when every page is the same one.
        """
        kind, text, number = _parse_cursor(cursor)
        if kind == "pass" or not self._by_key:
            known = kind == "pass" and condition == self._condition
            return self._read_pass(condition, int(text), number) if known else self._restart(condition)
        after = text or None
        query = condition
        if after is not None:
            query += (" and " if query else "") + f"{self._key} > '{after}'"
        try:
            page = self._search(query, number)
        except RecordRejected:
            if after is None:
                raise
            return self._restart(condition)
        keys = [key for row in page.rows if isinstance(key := row.get(self._key), str)]
        if after is not None and after in keys:  # the condition was not refused, but ignored
            return self._restart(condition)
        if self._is_last(page, number):
            return _scan_page(page, page.rows, None)
        if keys and is_queryable(keys[-1]):
            return _scan_page(page, page.rows, json.dumps(["key", keys[-1], 0]))
        return _scan_page(page, page.rows, json.dumps(["key", after or "", number + 1]))

    def _restart(self, condition: str) -> ScanPage:
        page = self._read_pass(condition, 1, 0)
        self._by_key = False
        return page

    def _read_pass(self, condition: str, turn: int, number: int) -> ScanPage:
        page = self._search(condition, number)
        if turn == 1 and number == 0:
            self._condition, self._seen = condition, set()
        if number == 0:
            self._found_new = False
        elif page.rows and page.rows == self._last_rows:
            raise Retriable(self._pages_repeat())
        self._last_rows = page.rows
        new = []
        for row in page.rows:
            if (identity := self._identity(row)) not in self._seen:
                self._seen.add(identity)
                new.append(row)
        self._found_new = self._found_new or bool(new)
        if not self._is_last(page, number):
            return _scan_page(page, new, json.dumps(["pass", str(turn), number + 1]))
        # One page has no neighbours that could have been skipped.
        if number == 0 or not self._found_new or turn == PASSES_MAX:
            return _scan_page(page, new, None)
        return _scan_page(page, new, json.dumps(["pass", str(turn + 1), 0]))

    def _search(self, query: str, number: int) -> SearchPage:
        try:
            return self._send(query, number)
        except RecordRejected:
            # Past the first page the size was taken already, and another would mean other pages.
            if number or self._size == self._size_safe:
                raise
            self._size = self._size_safe
            return self._send(query, number)

    def _send(self, query: str, number: int) -> SearchPage:
        return self._calls.search(
            self._endpoint,
            query,
            template=self._template,
            size=self._size,
            page=number,
            sort=[(self._key, "asc")],
        )

    def _is_last(self, page: SearchPage, number: int) -> bool:
        """A page that is not full may have been cut by a limit of the tenant: only the total, or an empty
        page, says that there is no more."""
        if not page.rows:
            return True
        if len(page.rows) >= self._size or page.total is None:
            return False
        return number * self._size + len(page.rows) >= page.total

    def _pages_repeat(self) -> Problem:
        http = self._calls.http
        path = self._calls.path(self._endpoint)
        return Problem(
            "pages-repeat",
            f"MAO ({http.host}) sends the same page of POST {path} again and again",
            "manhattan.page_size",
            "try again later; should it last, look whether the search in MAO takes Page and Size",
            {"remote": http.remote, "host": http.host},
        )


def _scan_page(page: SearchPage, rows: list[Row], cursor: str | None) -> ScanPage:
    return ScanPage(rows, cursor, page.server_date, page.elapsed_s)


def _parse_cursor(cursor: str | None) -> tuple[str, str, int]:
    """Kind, key or number of the pass, page number."""
    if cursor is None:
        return "key", "", 0
    kind, text, number = json.loads(cursor)
    return str(kind), str(text), int(number)
