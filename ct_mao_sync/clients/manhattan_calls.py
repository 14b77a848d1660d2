"""How MAO is called: its endpoints, the organization's headers, failures inside good answers, searches."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from ct_mao_sync.clients import envelope
from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.clients.verdict import Answer

# Paths are the product's own; a tenant may differ.
ENDPOINTS: Mapping[str, str] = MappingProxyType(
    {
        "order-search": "/order/api/order/order/search",
        "order": "/order/api/order/order/orderId/{order_id}",
        "archived-order": "/order/api/order/extended/order/orderId/{order_id}",
        "order-save": "/order/api/order/order/save",
        "order-cancel": "/order/api/order/order/orderId/{order_id}/cancel",
        "network-availability": "/inventory/api/availability/availabilitydetail",
        "location-availability": "/inventory/api/availability/location/availabilitydetail",
        "supply-search": "/inventory/api/inventory/supply/search",
        "item-search": "/item/api/item/item/search",
        "location-search": "/inventory/api/inventory/location/search",
    }
)
# MAO documents no way to escape a quote in a query.
_UNSAFE_IN_QUERY = re.compile(r"['\"\\\x00-\x1f\x7f]")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of a search; numbers with a fraction are Decimal, timestamps are text without zone (UTC)."""

    rows: list[Row]
    total: int | None
    """`header.totalCount`; None when MAO did not say."""
    server_date: datetime | None
    """The answer's `Date`, aware UTC."""
    elapsed_s: float


class ManhattanCalls:
    """Errors: those of `HttpClient.send`; a failure inside a good status is RecordRejected or, for a stale
    version (10208), VersionConflict."""

    def __init__(
        self, http: HttpClient, organization: str = "", endpoints: Mapping[str, str] = ENDPOINTS
    ) -> None:
        self.http = http
        self._endpoints = {**ENDPOINTS, **endpoints}
        # Both spellings are in use; without them the user's default organization applies.
        self._headers = (
            {"Organization": organization, "selectedOrganization": organization} if organization else {}
        )

    def path(self, endpoint: str, order_id: str = "") -> str:
        return self._endpoints[endpoint].format(order_id=quote(order_id, safe=""))

    def send(
        self,
        method: str,
        endpoint: str,
        order_id: str = "",
        *,
        json: Any = None,
        write: bool,
        absent_ok: bool = False,
        rows_may_fail: bool | None = None,
        not_again: Collection[str] = (),
    ) -> Answer:
        """rows_may_fail  a failure told by a row of `data` counts too; None: in answers to writes only"""
        path = self.path(endpoint, order_id)
        answer = self.http.send(
            method,
            path,
            json=json,
            headers=self._headers,
            write=write,
            absent_ok=absent_ok,
            check=envelope.is_envelope,
            not_again=not_again,
        )
        if answer.status == 404:
            return answer
        of_write = write if rows_may_fail is None else rows_may_fail
        if (refusal := envelope.find_failure(answer.json, of_write=of_write)) is not None:
            raise self.http.refusal_error(f"{method} {path}", answer, refusal)
        return answer

    def search(
        self,
        endpoint: str,
        query: str,
        *,
        template: Mapping[str, Any] | None = None,
        size: int,
        page: int = 0,
        sort: Sequence[tuple[str, str]] = (),
    ) -> SearchPage:
        """`page` counts from 0; `sort` is (attribute, "asc" | "desc"); `template` has None for each field
        that is wanted (MAO docs, search)."""
        body: dict[str, Any] = {"Query": query, "Size": size, "Page": page}
        if sort:
            body["Sort"] = [{"attribute": name, "direction": direction} for name, direction in sort]
        if template is not None:
            body["Template"] = template
        answer = self.send("POST", endpoint, json=body, write=False)
        return SearchPage(
            rows=envelope.parse_rows(answer.json),
            total=envelope.parse_total(answer.json),
            server_date=answer.server_date,
            elapsed_s=answer.elapsed_s,
        )


def is_queryable(text: str) -> bool:
    """Whether a query can hold the text between quotes."""
    return bool(text) and not _UNSAFE_IN_QUERY.search(text)


def render_moment(moment: datetime) -> str:
    """UTC without zone, with milliseconds, as MAO writes timestamps in queries; what is finer is cut off."""
    if moment.tzinfo is None:
        raise ValueError("a moment without time zone")
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}"
