"""Units of orders that MAO's availability does not know yet.

The orders job keeps the lines of every order it sees (`replace_in_flight`, `ack_in_flight`); the inventory
job judges how many of their units are uncounted (`judge_in_flight`) and what it has taken into account
(`mark_in_flight_counted`). Lines stay when nothing of them is in flight any more: an allocated unit can
fall back, and an order that comes along again must not count anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from ct_mao_sync.engine.rows import from_text_or_none, to_text, to_text_or_none
from ct_mao_sync.mapping.in_flight import InFlightLine, InFlightOrder
from ct_mao_sync.state.database import StateFile

_LINES = "SELECT order_id, line_id, sku, channel, units, uncounted, acked_at FROM in_flight"


class InFlight(StateFile):
    def replace_in_flight(self, orders: Iterable[InFlightOrder]) -> None:
        """These orders have these lines now, and no others; an order without lines (cancelled) leaves. A
        line that is as it was keeps what is known of it; of a larger one the difference is uncounted;
        of any other the whole. A moment of acknowledgement is taken only where there was none."""
        newest = {order.order_id: order for order in orders}
        known: dict[tuple[str, str], InFlightLine] = {
            (line.order_id, line.line_id): line for line in self.in_flight_lines(newest)
        }
        rows = []
        for order in newest.values():
            for line in order.lines:
                before = known.pop((order.order_id, line.line_id), None)
                uncounted, acked_at = line.units, order.acked_at
                if before is not None and (before.sku, before.channel_id) == (line.sku, line.channel_id):
                    acked_at = before.acked_at or order.acked_at
                    # Of a smaller line nobody knows which units went until MAO is asked.
                    grown = max(0, line.units - before.units)
                    uncounted = min(line.units, before.uncounted + grown)
                    if (line.units, uncounted, acked_at) == (before.units, before.uncounted, before.acked_at):
                        continue
                rows.append(
                    (
                        order.order_id,
                        line.line_id,
                        line.sku,
                        line.channel_id,
                        line.units,
                        uncounted,
                        to_text_or_none(acked_at),
                        to_text(order.created_at),
                    )
                )
        with self.atomic():
            self._write_many("DELETE FROM in_flight WHERE order_id = ? AND line_id = ?", known)
            self._write_many(
                "INSERT OR REPLACE INTO in_flight "
                "(order_id, line_id, sku, channel, units, uncounted, acked_at, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def ack_in_flight(self, order_ids: Iterable[str], *, at: datetime) -> None:
        """These orders have arrived in MAO. The first moment stays."""
        moment = to_text(at)
        self._write_many(
            "UPDATE in_flight SET acked_at = ? WHERE order_id = ? AND acked_at IS NULL",
            [(moment, order_id) for order_id in order_ids],
        )

    def ack_in_flight_sent(self) -> None:
        """Orders that the orders job knows to be in MAO have arrived, also where their lines were read
        after that was noted."""
        self._write(
            "UPDATE in_flight SET acked_at = (SELECT at FROM sent WHERE entity = order_id) "
            "WHERE acked_at IS NULL AND order_id IN (SELECT entity FROM sent WHERE base IS NOT NULL)"
        )

    def unack_in_flight(self, order_ids: Iterable[str]) -> None:
        """These orders are not in MAO after all: all their units are in flight again."""
        self._write_many(
            "UPDATE in_flight SET acked_at = NULL, uncounted = units WHERE order_id = ?",
            [(order_id,) for order_id in order_ids],
        )

    def drop_in_flight(self, order_ids: Iterable[str]) -> None:
        """Forgets these orders altogether."""
        self._write_many("DELETE FROM in_flight WHERE order_id = ?", [(each,) for each in order_ids])

    def judge_in_flight(self, lines: Iterable[InFlightLine]) -> None:
        """What is uncounted of these lines now. A line that the orders job changed since it was read keeps
        its own."""
        self._write_many(
            "UPDATE in_flight SET uncounted = ? "
            "WHERE order_id = ? AND line_id = ? AND units = ? AND uncounted <> ? AND acked_at IS ?",
            [
                (
                    line.uncounted,
                    line.order_id,
                    line.line_id,
                    line.units,
                    line.uncounted,
                    to_text_or_none(line.acked_at),
                )
                for line in lines
            ],
        )

    def in_flight_lines(self, order_ids: Iterable[str]) -> list[InFlightLine]:
        """The lines of these orders, also those with nothing in flight."""
        return [_line(row) for row in self._rows_in(f"{_LINES} WHERE order_id IN", order_ids)]

    def in_flight_orders(self) -> list[str]:
        """Orders to be looked up in MAO: arrived there, and not all of their units counted. Those that have
        not arrived are in flight as a whole, without asking."""
        return [
            row["order_id"]
            for row in self._rows(
                "SELECT DISTINCT order_id FROM in_flight "
                "WHERE uncounted > 0 AND acked_at IS NOT NULL ORDER BY order_id"
            )
        ]

    def in_flight_before(self, moment: datetime, order_ids: Iterable[str]) -> set[str]:
        """Of these orders the ones that were placed before then."""
        sql = "SELECT DISTINCT order_id FROM in_flight WHERE created_at < ? AND order_id IN"
        return {row["order_id"] for row in self._rows_in(sql, order_ids, [to_text(moment)])}

    def in_flight_sums(self, skus: Iterable[str] | None = None) -> dict[tuple[str, str], int]:
        """(SKU, channel id) -> units in flight, sold units; channel id "" = sold from the entry without
        channel. Of all SKUs, or of these; what has none is left out."""
        select = "SELECT sku, channel, SUM(uncounted) AS units FROM in_flight WHERE uncounted > 0"
        if skus is None:
            rows = self._rows(f"{select} GROUP BY sku, channel")
            return {(row["sku"], row["channel"]): row["units"] for row in rows}
        # Grouped here: a SKU is in one chunk only, but GROUP BY cannot stand behind the list.
        sums: dict[tuple[str, str], int] = {}
        for row in self._rows_in(
            "SELECT sku, channel, uncounted FROM in_flight WHERE uncounted > 0 AND sku IN", skus
        ):
            key = (row["sku"], row["channel"])
            sums[key] = sums.get(key, 0) + row["uncounted"]
        return sums

    def in_flight_counted(self) -> dict[tuple[str, str], Decimal]:
        """(SKU, channel id) -> base units that the entry's quantity allows for; entries with none are left
        out."""
        rows = self._rows("SELECT sku, channel, units FROM in_flight_counted")
        return {(row["sku"], row["channel"]): Decimal(row["units"]) for row in rows}

    def mark_in_flight_counted(self, units: Mapping[tuple[str, str], Decimal]) -> None:
        """These entries have been brought in line with so many base units in flight (those the plan was made
        with, not what the table says by now). Belongs into the transaction of what was written."""
        with self.atomic():
            # Most have none, and had none.
            none = {place for place, each in units.items() if not each}
            rows = self._rows_in(
                "SELECT sku, channel FROM in_flight_counted WHERE sku IN", (sku for sku, _ in none)
            )
            self._write_many(
                "DELETE FROM in_flight_counted WHERE sku = ? AND channel = ?",
                [place for row in rows if (place := (row["sku"], row["channel"])) in none],
            )
            self._write_many(
                "INSERT OR REPLACE INTO in_flight_counted (sku, channel, units) VALUES (?, ?, ?)",
                [(*place, str(each)) for place, each in units.items() if each],
            )


def _line(row: sqlite3.Row) -> InFlightLine:
    return InFlightLine(
        order_id=row["order_id"],
        line_id=row["line_id"],
        sku=row["sku"],
        channel_id=row["channel"],
        units=row["units"],
        uncounted=row["uncounted"],
        acked_at=from_text_or_none(row["acked_at"]),
    )
