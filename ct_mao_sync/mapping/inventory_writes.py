"""The three ways to write an entry: a versioned update, a create, an import; bodies as the APIs take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from ct_mao_sync.mapping.inventory_entry import EntryState, entity_of, render_instant


@dataclass(frozen=True, slots=True)
class UpdateEntry:
    """POST inventory/key=… (by id when it has no key): several actions, all or none, at one version."""

    entity: str
    entry_id: str
    key: str
    """Its own key, under which it is addressed; "" = by id."""
    version: int
    actions: tuple[Mapping[str, Any], ...]
    quantity: int
    was: int

    @property
    def action(self) -> str:
        if self.quantity == self.was:
            return "update"
        return "lower" if self.quantity < self.was else "raise"

    @property
    def subject(self) -> str:
        return f"inventory entry {self.entity}"

    @property
    def body(self) -> Mapping[str, Any]:
        return {"version": self.version, "actions": list(self.actions)}

    @property
    def sets_key(self) -> bool:
        return any(each["action"] == "setKey" for each in self.actions)

    @property
    def summary(self) -> str:
        return _summary(self.was, self.quantity)


@dataclass(frozen=True, slots=True)
class CreateEntry:
    """POST inventory."""

    entity: str
    body: Mapping[str, Any]
    quantity: int

    action = "create"

    @property
    def subject(self) -> str:
        return f"inventory entry {self.entity}"

    @property
    def summary(self) -> str:
        return _summary(None, self.quantity)


@dataclass(frozen=True, slots=True)
class ImportEntry:
    """One resource of an Import API request; `body` is an InventoryImport."""

    entity: str
    key: str
    body: Mapping[str, Any]
    quantity: int
    was: int | None

    action = "import"

    @property
    def subject(self) -> str:
        return f"inventory entry {self.entity}"

    @property
    def summary(self) -> str:
        return _summary(self.was, self.quantity)


EntryWrite = UpdateEntry | CreateEntry | ImportEntry


def entry_differences(write: EntryWrite) -> list[tuple[str, str, str]]:
    """(field, what the entry has, what it should have); of fields that were not read only the latter."""
    if isinstance(write, CreateEntry):
        return []
    found = []
    if write.quantity != write.was:
        found.append(("quantityOnStock", "" if write.was is None else str(write.was), str(write.quantity)))
    for each in write.actions if isinstance(write, UpdateEntry) else ():
        if each["action"] == "setExpectedDelivery":
            found.append(("expectedDelivery", "", str(each["expectedDelivery"])))
        elif each["action"] == "setCustomField":
            found.append((f"custom.{each['name']}", "", str(each["value"])))
    return found


def update_entry(
    entity: str,
    entry: EntryState,
    quantity: int,
    restock: datetime | None,
    key: str,
    counters: Mapping[str, Decimal],
    counters_type_id: str,
) -> UpdateEntry | None:
    """Only what differs; None when nothing does. `key` is set along with something else, never alone."""
    actions: list[Mapping[str, Any]] = []
    if quantity != entry.quantity_on_stock:
        actions.append({"action": "changeQuantity", "quantity": quantity})
    if restock is not None:
        actions.append({"action": "setExpectedDelivery", "expectedDelivery": render_instant(restock)})
    if counters:
        if entry.custom_fields is None:
            actions.append(
                {
                    "action": "setCustomType",
                    "type": {"typeId": "type", "id": counters_type_id},
                    "fields": dict(counters),
                }
            )
        elif entry.custom_type_id == counters_type_id:
            actions += [
                {"action": "setCustomField", "name": name, "value": value}
                for name, value in counters.items()
                if entry.custom_fields.get(name) != value
            ]
    if not actions:
        return None
    if key:
        actions.append({"action": "setKey", "key": key})
    return UpdateEntry(
        entity,
        entry.id,
        entry.key,
        entry.version,
        tuple(actions),
        quantity,
        entry.quantity_on_stock,
    )


def create_entry(
    sku: str,
    channel_key: str,
    key: str,
    quantity: int,
    restock: datetime | None,
    *,
    counters: Mapping[str, Decimal],
    counters_type_id: str,
) -> CreateEntry:
    """An InventoryEntryDraft."""
    body: dict[str, Any] = {"sku": sku, "quantityOnStock": quantity}
    if key:
        body["key"] = key
    if channel_key:
        body["supplyChannel"] = {"typeId": "channel", "key": channel_key}
    if restock is not None:
        body["expectedDelivery"] = render_instant(restock)
    if counters:
        body["custom"] = {"type": {"typeId": "type", "id": counters_type_id}, "fields": dict(counters)}
    return CreateEntry(entity_of(sku, channel_key), body, quantity)


def import_entry(
    sku: str,
    channel_key: str,
    key: str,
    quantity: int,
    was: int | None,
    restock: datetime | None,
    entry: EntryState | None,
) -> ImportEntry:
    """An InventoryImport. It replaces the entry, so what the entry has beside its quantity goes along."""
    body: dict[str, Any] = {"key": key, "sku": sku, "quantityOnStock": quantity}
    if channel_key:
        body["supplyChannel"] = {"typeId": "channel", "key": channel_key}
    expected = restock or (entry.expected_delivery if entry else None)
    if expected is not None:
        body["expectedDelivery"] = render_instant(expected)
    if entry is not None and entry.restockable_in_days is not None:
        body["restockableInDays"] = entry.restockable_in_days
    if entry is not None and entry.reservation_expiration_in_minutes is not None:
        body["reservationExpirationInMinutes"] = entry.reservation_expiration_in_minutes
    return ImportEntry(entity_of(sku, channel_key), key, body, quantity, was)


def _summary(was: int | None, quantity: int) -> str:
    return f"quantityOnStock {'no entry' if was is None else was} -> {quantity}"
