"""The commercetools HTTP API: one method for each request that we make, no rules of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from ct_mao_sync.clients.commercetools_query import ChangedPage as ChangedPage
from ct_mao_sync.clients.commercetools_query import ProjectQueries, Row, row_of
from ct_mao_sync.clients.commercetools_query import quoted as quoted
from ct_mao_sync.clients.commercetools_query import render_timestamp as render_timestamp
from ct_mao_sync.clients.http import HttpClient

_PARCELS = "shippingInfo(deliveries(parcels(trackingData(trackingId in ({0})))))"
_TRACES = (
    f"(syncInfo(externalId in ({{0}})) or {_PARCELS} or shipping({_PARCELS}) "
    "or returnInfo(returnTrackingId in ({0})))"
)


class CommercetoolsClient:
    """Errors: those of `HttpClient.send`."""

    def __init__(self, http: HttpClient, project_key: str) -> None:
        self.http = http
        self.project_key = project_key
        self._project = ProjectQueries(http, project_key)

    def read_project(self) -> Row:
        """The project's own settings. RunStopped `project-not-found` when there is no such project."""
        return row_of(self._project.found(self._project.get("", [], absent_ok=True)))

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
        return self._project.read_page(path, where, after_id, limit, expand)

    def read_order(self, order_id: str, expand: Sequence[str] = ()) -> Row | None:
        """The present state; None when there is no such order."""
        return self._project.read_one(f"/orders/{quote(order_id, safe='')}", expand)

    def read_order_by_number(self, order_number: str, expand: Sequence[str] = ()) -> Row | None:
        """The present state; None when there is no such order."""
        return self._project.read_one(f"/orders/order-number={quote(order_number, safe='')}", expand)

    def read_orders_by_ids(self, ids: Sequence[str], expand: Sequence[str] = ()) -> list[Row]:
        """In no particular order; unknown ids are left out."""
        return self._project.read_in("/orders", "id in ({})", ids, expand)

    def read_orders_by_numbers(self, numbers: Sequence[str], expand: Sequence[str] = ()) -> list[Row]:
        """In no particular order; unknown numbers are left out."""
        return self._project.read_in("/orders", "orderNumber in ({})", numbers, expand)

    def read_orders_by_payments(self, payment_ids: Sequence[str], expand: Sequence[str] = ()) -> list[Row]:
        """Orders that refer to any of these Payments, each once, in no particular order."""
        rows = self._project.read_in("/orders", "paymentInfo(payments(id in ({})))", payment_ids, expand)
        return list({row["id"]: row for row in rows}.values())

    def read_orders_by_traces(self, names: Sequence[str]) -> list[Row]:
        """Orders that bear one of these as the externalId of their sync info, as the tracking id of a parcel
        or of a return."""
        return self._project.read_in("/orders", _TRACES, names, ())

    def update_order(
        self,
        order_id: str,
        version: int,
        actions: Sequence[Mapping[str, Any]],
        expand: Sequence[str] = (),
        *,
        unread: bool = False,
    ) -> Row:
        """All actions or none (commercetools docs, update actions: at most 500). Gives the new state, or {}
        with `unread`: the answer is the whole order, and to parse it costs more than to write the request.
        Raises VersionConflict when `version` is not the present one."""
        answer = self.http.send(
            "POST",
            f"{self._project.root}/orders/{quote(order_id, safe='')}",
            params=[("expand", path) for path in expand],
            json={"version": version, "actions": list(actions)},
            write=True,
            unread=unread,
        )
        return row_of(answer)

    def read_type_by_key(self, key: str) -> Row | None:
        """A Type of custom fields."""
        return self._project.read_one(f"/types/key={quote(key, safe='')}", ())

    def read_channel_by_key(self, key: str) -> Row | None:
        return self._project.read_one(f"/channels/key={quote(key, safe='')}", ())

    def read_channels(self, ids: Sequence[str]) -> list[Row]:
        """In no particular order; unknown ids are left out."""
        return self._project.read_in("/channels", "id in ({})", ids, ())

    def read_states_by_keys(self, keys: Sequence[str]) -> list[Row]:
        """In no particular order; unknown keys are left out."""
        return self._project.read_in("/states", "key in ({})", keys, ())

    def read_initial_states(self, kind: str) -> list[Row]:
        """The States of a type, such as OrderState, in which a resource may begin; at most 500."""
        where = f"type = {quoted(kind)} and initial = true"
        return self._project.read_page("/states", where, None, 500).results
