"""How fulfilment behaves and shows in the simulated MAO tenant; part of `core.SandboxSettings`."""

from __future__ import annotations

from dataclasses import dataclass

from .inventory_settings import InventorySettings


@dataclass(frozen=True, slots=True)
class FulfilmentSettings(InventorySettings):
    """Times in seconds on the world's clock."""

    search_lag_spread_s: float = 0.0
    """On top of search_lag_s every change has a lag of its own, up to this long: a change may be found
    later than one that came after it, and with a timestamp that a finished window has already passed.
    """
    delivery_tracking: bool = False
    """The tenant keeps OrderTrackingInfo (DOC: deliverytracking, only where it is configured)."""
    merge_leg_details: bool = False
    """The transfer of a ship-to-store line to its store is listed in FulfillmentDetail too."""
    cancel_history_copies: int = 1
    """How often each row of OrderLineCancelHistory is there; rows without a key are added again by later
    saves (DOC: order-migration-troubleshooting).
    """
    overage_allowed: bool = False
    """More than was released may be shipped."""
    reallocate_on_short: frozenset[str] = frozenset()
    """Short reasons after which units are allocated again; after any other they are cancelled."""
    short_reasons: frozenset[str] | None = None
    """ReasonIds of type Short; None: any."""
