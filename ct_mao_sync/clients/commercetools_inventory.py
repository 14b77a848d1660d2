"""InventoryEntries and Channels by the commercetools HTTP API, one method for each request that we make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from ct_mao_sync.clients.commercetools_query import (
    PAGE_SIZE_MAX,
    ChangedPage,
    ProjectQueries,
    Row,
    quoted,
    render_timestamp,
    row_of,
)
from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.errors import Problem, RecordRejected, VersionConflict

SKUS_MAX = 150  # the batch of commercetools' own inventory sync
_BY_SKU = "sku in ({})"
_WITHOUT_CHANNEL = f"{_BY_SKU} and supplyChannel is not defined"
# commercetools docs, errors: the create was repeated or raced; the entry that is there is to be read.
_EXISTS = frozenset({"DuplicateField", "DuplicateFieldWithConflictingResource"})


class CommercetoolsInventoryClient:
    """Errors: those of `HttpClient.send`."""

    def __init__(self, http: HttpClient, project_key: str) -> None:
        self.http = http
        self.project_key = project_key
        self._project = ProjectQueries(http, project_key)

    def entry_chunks(self, skus: Sequence[str], *, entries_per_sku: int = 1) -> list[list[str]]:
        """Each SKU once, so many together that one URL holds them and, with about `entries_per_sku` entries
        of each, one page their entries."""
        # One below the page size: a full page has to be followed by another request.
        fitting = (PAGE_SIZE_MAX - 1) // max(1, entries_per_sku)
        most = max(1, min(SKUS_MAX, fitting))
        return list(self._project.chunks("/inventory", _WITHOUT_CHANNEL, _sendable(skus), most=most))

    def read_entries_chunk(self, skus: Sequence[str], *, with_channels: bool = True) -> list[Row]:
        """Every entry of these SKUs, of all channels and without (only those without where `with_channels`
        is false), each once, in no particular order. `skus` is one of `entry_chunks`."""
        asked = _sendable(skus)
        predicate = _BY_SKU if with_channels else _WITHOUT_CHANNEL
        rows = self._project.read_all_in("/inventory", predicate, asked) if asked else []
        wanted = frozenset(asked)
        return [row for row in rows if row.get("sku") in wanted]

    def read_entries(self, skus: Sequence[str]) -> list[Row]:
        """The same for any number of SKUs, one request after the other."""
        return [row for chunk in self.entry_chunks(skus) for row in self.read_entries_chunk(chunk)]

    def read_entry(self, *, entry_id: str = "", key: str = "") -> Row | None:
        """The present state, strongly consistent; None when there is no such entry."""
        return self._project.read_one(_address(entry_id, key))

    def read_skus_page(self, after_id: str | None, limit: int = PAGE_SIZE_MAX) -> ChangedPage:
        """All entries of the project, by key over `id`. Raises RunStopped `project-not-found`."""
        return self._project.read_page("/inventory", "", after_id, limit)

    def update_entry(
        self, version: int, actions: Sequence[Mapping[str, Any]], *, entry_id: str = "", key: str = ""
    ) -> Row:
        """All actions or none, by id or by key, one of them. Gives the new state. Raises VersionConflict when
        `version` is not the present one, and when the entry is gone or has another key by now."""
        path = self._project.root + _address(entry_id, key)
        body = {"version": version, "actions": [dict(action) for action in actions]}
        answer = self.http.send("POST", path, json=body, write=True, absent_ok=True)
        if answer.status != 404:
            return row_of(answer)
        raise VersionConflict(
            Problem(
                "conflict",
                "commercetools: the inventory entry is gone, or has another key, since it was read (404)",
                context={
                    "remote": self.http.remote,
                    "host": self.http.host,
                    "status": 404,
                    "correlation_id": answer.correlation_id,
                },
            )
        )

    def create_entry(self, draft: Mapping[str, Any]) -> Row:
        """Gives the new entry. Raises VersionConflict when there is one with this key, or with this SKU and
        channel: it has to be read."""
        try:
            path = f"{self._project.root}/inventory"
            return row_of(self.http.send("POST", path, json=dict(draft), write=True))
        except RecordRejected as error:
            context = error.problem.context
            if _EXISTS.isdisjoint(str(context.get("remote_code", "")).split(",")):
                raise
            text = "commercetools: there is an inventory entry with this key, or of this SKU and channel"
            raise VersionConflict(Problem("conflict", text, context=context)) from error

    def read_placed_orders_page(
        self, *, created_since: datetime, after_id: str | None, limit: int = PAGE_SIZE_MAX
    ) -> ChangedPage:
        """Whole orders with `createdAt` from then on, by key over `id`; fewer than `limit` come when a page
        of that size is too much."""
        where = f"createdAt >= {quoted(render_timestamp(created_since))}"
        return self._project.read_page("/orders", where, after_id, limit)

    def read_type_id(self, key: str) -> str | None:
        """The id of the Type with this key; None when there is none."""
        row = self._project.read_one(f"/types/key={quote(key, safe='')}")
        return None if row is None else str(row["id"])

    def read_channels_by_keys(self, keys: Sequence[str]) -> list[Row]:
        """In no particular order; unknown keys are left out."""
        return self._project.read_in("/channels", "key in ({})", _sendable(keys))


def _address(entry_id: str, key: str) -> str:
    if bool(entry_id) == bool(key):
        raise ValueError("an entry is addressed by its id or by its key")
    return f"/inventory/{quote(entry_id, safe='')}" if entry_id else f"/inventory/key={quote(key, safe='')}"


def _sendable(values: Sequence[str]) -> list[str]:
    """Without what no URL can carry (half a surrogate pair): no resource can have such a name."""
    return [value for value in values if value and not any("\ud800" <= c <= "\udfff" for c in value)]
