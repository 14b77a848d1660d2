"""Manhattan Active Omni's REST API: one method for each request that we make, no rules of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from ct_mao_sync.clients import envelope
from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.clients.verdict import Answer
from ct_mao_sync.errors import RecordRejected

# Paths are the product's own; a tenant may differ.
ENDPOINTS: Mapping[str, str] = MappingProxyType(
    {
        "order-search": "/order/api/order/order/search",
        "order": "/order/api/order/order/orderId/{order_id}",
        "archived-order": "/order/api/order/extended/order/orderId/{order_id}",
        "order-save": "/order/api/order/order/save",
        "order-cancel": "/order/api/order/order/orderId/{order_id}/cancel",
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


class ManhattanClient:
    """Errors: those of `HttpClient.send`; a failure inside a good status is RecordRejected or, for a stale
    version (10208), VersionConflict."""

    def __init__(
        self,
        http: HttpClient,
        organization: str = "",
        page_size: int = 100,
        endpoints: Mapping[str, str] = ENDPOINTS,
    ) -> None:
        self.http = http
        self.page_size = page_size
        self._endpoints = {**ENDPOINTS, **endpoints}
        # Both spellings are in use; without them the user's default organization applies.
        self._headers = (
            {"Organization": organization, "selectedOrganization": organization} if organization else {}
        )

    def search_orders(
        self,
        query: str,
        *,
        template: Mapping[str, Any] | None = None,
        size: int | None = None,
        page: int = 0,
        sort: Sequence[tuple[str, str]] = (),
    ) -> SearchPage:
        """`page` counts from 0; `sort` is (attribute, "asc" | "desc"); `template` has None for each field
        that is wanted (MAO docs, search)."""
        body: dict[str, Any] = {"Query": query, "Size": size or self.page_size, "Page": page}
        if sort:
            body["Sort"] = [{"attribute": name, "direction": direction} for name, direction in sort]
        if template is not None:
            body["Template"] = template
        answer = self._send("POST", "order-search", "", json=body, write=False)
        return SearchPage(
            rows=envelope.parse_rows(answer.json),
            total=envelope.parse_total(answer.json),
            server_date=answer.server_date,
            elapsed_s=answer.elapsed_s,
        )

    def read_orders_by_ids(
        self, order_ids: Sequence[str], template: Mapping[str, Any] | None = None
    ) -> list[Row]:
        """Each order once, in no particular order; unknown and archived ones are left out.
        ValueError for an id that a query cannot hold."""
        wanted = list(dict.fromkeys(order_ids))
        for order_id in wanted:
            if not order_id or _UNSAFE_IN_QUERY.search(order_id):
                raise ValueError("an order id with a quote cannot be searched for")
        found: dict[str, Row] = {}
        for start in range(0, len(wanted), self.page_size):
            self._read_chunk(wanted[start : start + self.page_size], template, found)
        return list(found.values())

    def read_order(self, order_id: str) -> Row | None:
        """The present state; None when MAO does not know it (any more)."""
        return self._read_one("order", order_id)

    def read_archived_order(self, order_id: str) -> Row | None:
        """From the archive; None when it is not there either."""
        return self._read_one("archived-order", order_id)

    def save_order(self, payload: Mapping[str, Any]) -> Row:
        """Creates the order or merges into it. Gives the stored order, {} when MAO shows none."""
        return envelope.parse_row(self._send("POST", "order-save", "", json=payload, write=True).json) or {}

    def cancel_order(self, order_id: str, reason_id: str, comments: str = "", *, org_id: str = "") -> Row:
        """The whole order; refused (10007) once it is released."""
        body: dict[str, Any] = {"OrderId": order_id, "CancelReason": {"ReasonId": reason_id}}
        if comments:
            body["CancelComments"] = comments
        if org_id:
            body["OrgId"] = org_id
        answer = self._send("POST", "order-cancel", order_id, json=body, write=True)
        return envelope.parse_row(answer.json) or {}

    def _read_one(self, endpoint: str, order_id: str) -> Row | None:
        try:
            answer = self._send("GET", endpoint, order_id, write=False, absent_ok=True)
        except RecordRejected as error:
            # An unknown id is a 404, or a good status with 10006 inside: both have to be expected.
            if envelope.ORDER_UNKNOWN in str(error.problem.context.get("remote_code", "")).split(","):
                return None
            raise
        return None if answer.status == 404 else envelope.parse_row(answer.json)

    def _read_chunk(
        self, chunk: Sequence[str], template: Mapping[str, Any] | None, found: dict[str, Row]
    ) -> None:
        listed = ",".join(f"'{order_id}'" for order_id in chunk)
        if template is not None and "OrderId" not in template:
            template = {"OrderId": None, **template}
        asked = set(chunk)
        got = 0
        page_number = 0
        while True:
            page = self.search_orders(
                f"OrderId IN ({listed})", template=template, page=page_number, sort=[("OrderId", "asc")]
            )
            before = len(found)
            for row in page.rows:
                order_id = row.get("OrderId")
                if isinstance(order_id, str) and order_id in asked:
                    found[order_id] = row
            got += len(page.rows)
            full = len(page.rows) >= self.page_size
            more = got < page.total if page.total is not None else full and not asked <= found.keys()
            # A server that ignores page numbers would go on for ever.
            if not more or len(found) == before:
                return
            page_number += 1

    def _send(
        self,
        method: str,
        endpoint: str,
        order_id: str,
        *,
        json: Any = None,
        write: bool,
        absent_ok: bool = False,
    ) -> Answer:
        path = self._endpoints[endpoint].format(order_id=quote(order_id, safe=""))
        answer = self.http.send(
            method,
            path,
            json=json,
            headers=self._headers,
            write=write,
            absent_ok=absent_ok,
            check=envelope.is_envelope,
        )
        if answer.status == 404:
            return answer
        if (refusal := envelope.find_failure(answer.json, of_write=write)) is not None:
            raise self.http.refusal_error(f"{method} {path}", answer, refusal)
        return answer
