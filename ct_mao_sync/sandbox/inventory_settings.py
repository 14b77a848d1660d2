"""How stock behaves in the two simulated tenants; part of `core.SandboxSettings`."""

from __future__ import annotations

from dataclasses import dataclass

from .return_settings import ReturnSettings


@dataclass(frozen=True, slots=True)
class InventorySettings(ReturnSettings):
    """Times in seconds on the world's clock."""

    availability_items_max: int | None = None
    """Most Items of one availability request; None: any number."""
    no_rows_as_null: bool = False
    """A location view without a row to give answers `data: null` instead of the documented []."""
    location_prefix: str = "none"
    """Where MAO's LocationIds carry the organization ("ACME:DC-ATL"): "none", "internal" (orders and supply,
    not availability) or "all". Requests may use either form.
    """
    in_stock_status: str = "AVAILABLE"
    """Status text of StatusCode 2; some tenants say IN_STOCK."""
    infinite_quantity: int = 9999
    """What MAO publishes for an item of infinite supply."""
    supply_events_max: int = 50

    inventory_lag_s: float = 0.0
    """An order's effect shows in quantityOnStock and availableQuantity at the latest after this long; the
    entry's version moves, and orders are refused, at once.
    """
    import_delay_s: float = 1.0
    """How long an import operation stays in processing."""
    import_retention_s: float = 48 * 3600.0
    """How long an import operation can be looked at."""
    import_reorders: bool = False
    """Of two imports of one key that wait at the same time, the later one is processed first."""
