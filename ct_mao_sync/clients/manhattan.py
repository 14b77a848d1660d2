"""Manhattan Active Omni's REST API for orders: one method for each request that we make, no rules of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ct_mao_sync.clients import envelope
from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.clients.manhattan_calls import (
    ENDPOINTS,
    ManhattanCalls,
    Row,
    is_queryable,
    render_moment,
)
from ct_mao_sync.clients.manhattan_calls import SearchPage as SearchPage
from ct_mao_sync.clients.manhattan_scan import Scan, ScanPage
from ct_mao_sync.errors import RecordRejected


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
        self._calls = ManhattanCalls(http, organization, endpoints)
        self._scans: dict[str, Scan] = {}

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
        return self._calls.search(
            "order-search", query, template=template, size=size or self.page_size, page=page, sort=sort
        )

    def search_changed_orders_page(
        self,
        since: datetime,
        *,
        cursor: str | None = None,
        template: Mapping[str, Any],
        condition: str = "",
    ) -> ScanPage:
        """Orders that changed since then, or a line of which did (the header's timestamp lags its lines').
        `condition` is a query that has to hold as well, "" for none. See `scan_orders_page`."""
        moment = render_moment(since)
        changed = f"(UpdatedTimestamp >= '{moment}' or OrderLine.UpdatedTimestamp >= '{moment}')"
        return self.scan_orders_page(
            f"{changed} and ({condition})" if condition else changed, cursor=cursor, template=template
        )

    def scan_orders_page(
        self, query: str, *, cursor: str | None = None, template: Mapping[str, Any]
    ) -> ScanPage:
        """Every order of a query, by key over OrderId: `cursor` is None at first, then that of the page
        before, also one of an earlier process. No row is lost, some may come twice. One scan of a template
        at a time."""
        template = {"OrderId": None, **template}
        scan = self._scans.get(name := json.dumps(template, sort_keys=True))
        if scan is None:
            scan = self._scans[name] = Scan(
                self._calls,
                "order-search",
                key="OrderId",
                template=template,
                size=self.page_size,
                identity=lambda row: row.get("OrderId"),
            )
        return scan.read_page(query, cursor)

    def search_orders_by_name(self, name: str, template: Mapping[str, Any]) -> list[Row]:
        """Orders and returns that go by this OrderId or AlternateOrderId, bear it as a tracking number, or
        are returns of it; at most a page of them.

        A search reaches one level below the order (platform reference: search), so packages are found by
        OrderTrackingInfo, which a tenant keeps only with delivery tracking; where it cannot be searched, it
        is left out. ValueError for a name that a query cannot hold."""
        if not is_queryable(name):
            raise ValueError("a name with a quote cannot be searched for")
        ids = f"OrderId = '{name}' or AlternateOrderId = '{name}' or OrderLine.ParentOrderId = '{name}'"
        tracked = f"OrderTrackingInfo.TrackingNumber = '{name}'"
        returned = f"ReturnTrackingDetail.ReturnTrackingNumber = '{name}'"
        try:
            return self.search_orders(f"{ids} or {tracked} or {returned}", template=template).rows
        except RecordRejected:
            return self.search_orders(ids, template=template).rows

    def read_orders_by_ids(
        self, order_ids: Sequence[str], template: Mapping[str, Any] | None = None
    ) -> list[Row]:
        """Each order once, in no particular order; unknown and archived ones are left out.
        ValueError for an id that a query cannot hold."""
        wanted = list(dict.fromkeys(order_ids))
        for order_id in wanted:
            if not is_queryable(order_id):
                raise ValueError("an order id with a quote cannot be searched for")
        found: dict[str, Row] = {}
        for start in range(0, len(wanted), self.page_size):
            self._read_chunk(wanted[start : start + self.page_size], template, found)
        return list(found.values())

    def read_orders_by_alternate_ids(
        self, alternate_ids: Sequence[str], template: Mapping[str, Any]
    ) -> Iterator[Row]:
        """Every order that bears one of these as AlternateOrderId; some may come twice, unknown and archived
        ones are left out. ValueError for an id that a query cannot hold."""
        wanted = list(dict.fromkeys(alternate_ids))
        if not all(map(is_queryable, wanted)):
            raise ValueError("an id with a quote cannot be searched for")
        for start in range(0, len(wanted), self.page_size):
            listed = ", ".join(f"'{each}'" for each in wanted[start : start + self.page_size])
            cursor: str | None = None
            while True:
                page = self.scan_orders_page(
                    f"AlternateOrderId IN ({listed})", cursor=cursor, template=template
                )
                yield from page.rows
                cursor = page.cursor
                if cursor is None:
                    break

    def read_order(self, order_id: str) -> Row | None:
        """The present state; None when MAO does not know it (any more)."""
        return self._read_one("order", order_id)

    def read_archived_order(self, order_id: str) -> Row | None:
        """From the archive; None when it is not there either."""
        return self._read_one("archived-order", order_id)

    def save_order(self, payload: Mapping[str, Any]) -> Row:
        """Creates the order or merges into it. Gives the stored order, {} when MAO shows none."""
        answer = self._calls.send("POST", "order-save", json=payload, write=True)
        return envelope.parse_row(answer.json) or {}

    def cancel_order(self, order_id: str, reason_id: str, comments: str = "", *, org_id: str = "") -> Row:
        """The whole order; refused (10007) once it is released."""
        body: dict[str, Any] = {"OrderId": order_id, "CancelReason": {"ReasonId": reason_id}}
        if comments:
            body["CancelComments"] = comments
        if org_id:
            body["OrgId"] = org_id
        answer = self._calls.send("POST", "order-cancel", order_id, json=body, write=True)
        return envelope.parse_row(answer.json) or {}

    def _read_one(self, endpoint: str, order_id: str) -> Row | None:
        try:
            answer = self._calls.send("GET", endpoint, order_id, write=False, absent_ok=True)
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
