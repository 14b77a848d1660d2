"""Orders whose fulfilment is followed: what MAO calls them, how new the last record was, how far they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ct_mao_sync.state.database import StateFile

OPEN, SETTLED, FINISHED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class FollowedOrder:
    """One order. `entity` is the commercetools order id."""

    entity: str
    mao_order_id: str
    version: int = 0
    """Of the newest record that was applied: microseconds since 1970 on MAO's clock."""
    progress: int = OPEN
    """SETTLED: every unit has left or is cancelled. FINISHED: nothing can follow, the sweep leaves it out."""


class OrderStatus(StateFile):
    def followed(self, entities: Iterable[str]) -> dict[str, FollowedOrder]:
        rows = self._rows_in("SELECT * FROM order_status WHERE entity IN", entities)
        return {row["entity"]: FollowedOrder(**row) for row in rows}

    def follow(self, orders: Iterable[FollowedOrder]) -> None:
        self._write_many(
            "INSERT OR REPLACE INTO order_status (entity, mao_order_id, version, progress) "
            "VALUES (?, ?, ?, ?)",
            [(order.entity, order.mao_order_id, order.version, order.progress) for order in orders],
        )

    def follow_versions(self, versions: Mapping[str, int]) -> None:
        """A newer record that changed nothing."""
        self._write_many(
            "UPDATE order_status SET version = max(version, ?) WHERE entity = ?",
            [(version, entity) for entity, version in versions.items()],
        )

    def finish_orders(self, entities: Iterable[str]) -> None:
        self._write_many(
            "UPDATE order_status SET progress = ? WHERE entity = ?", [(FINISHED, each) for each in entities]
        )

    def orders_to_follow(self, after: str, count: int, *, everything: bool = False) -> list[FollowedOrder]:
        """The next `count` exported orders in the order of their ids; without `everything` only those that
        are not finished."""
        rows = self._rows(
            """
            SELECT entity, mao_order_id, version, progress FROM order_status
                WHERE entity > ? AND (progress < ? OR ?)
            UNION ALL
            SELECT entity, mao_order_id, 0, 0 FROM sent
                WHERE entity > ? AND NOT EXISTS (SELECT 1 FROM order_status o WHERE o.entity = sent.entity)
            ORDER BY entity LIMIT ?
            """,
            [after, FINISHED, everything, after, count],
        )
        return [FollowedOrder(*row) for row in rows]
