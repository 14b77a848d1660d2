"""Returns: what customers, carriers and return centers do; each method as one step of `Lifecycle`.

A return is an order of its own; the parent order follows it (`manhattan_parents`). Each method takes the
return's OrderId and raises Refused when MAO would refuse. Units of a Receipt or a Verification are counted by
item and condition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal

from .core import MANHATTAN, Json, World
from .manhattan_cancel import cancel_lines, cancel_order
from .manhattan_envelope import Refused
from .manhattan_orders import save_order
from .manhattan_parents import find_parent, has_returns, line_of, returnable_units
from .manhattan_return_lines import APPROVAL, PENDING, RECEIVED, SCANNED, VERIFIED, unhold_line
from .manhattan_return_money import open_invoices, refund_invoice, settle_invoices
from .manhattan_return_verify import Found, receive_units, require_return_line, verify_lines, verify_units
from .manhattan_sourcing import SourcedLifecycle
from .manhattan_store import key_of, order_not_permitted, unknown_order
from .manhattan_totals import line_range, number, rows, status_name
from .manhattan_units import move_units, units_at
from .manhattan_values import code_of, render_moment

Quantities = Mapping[str, Decimal | int]
_UNRETURNED = (RECEIVED, SCANNED, APPROVAL, PENDING)

RETURN_STEPS = frozenset(
    {
        *("create_return", "create_standalone_return", "confirm_return", "scan_return", "receive"),
        *("verify", "verify_line", "approve_return", "process_return", "cancel_return", "resolve_line_hold"),
        *("add_return_fee", "refund"),
    }
)
"""The steps of a return, for the sandbox's own surface."""


class ReturnLifecycle(SourcedLifecycle):
    """Drives orders as `SourcedLifecycle` does, and returns."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world

    def create_return(
        self,
        order_id: str,
        lines: Quantities | None = None,
        *,
        return_id: str | None = None,
        others: Mapping[str, Quantities] | None = None,
        exchange: Sequence[Json] = (),
        reason: str = "TooSmall",
        condition: str | None = "New",
        receipt_expected: bool = True,
        confirmed: bool = True,
        tracking: str | None = None,
        carrier: str = "UPS",
        paid_here: bool | None = None,
    ) -> str:
        """A customer announces a return; gives its OrderId. Return lines are numbered "1", "2" …

        lines       parent line -> units; None: everything that can be returned
        others      the same for further parent orders, whose units come in the same parcel
        exchange    sale lines (OrderLine members); an even one names its parent line and IsEvenExchange
        condition   as the customer says; None: not said
        paid_here   whether MAO pays the refund; None: as the parents' PaymentStatus says (0 = outside)
        """
        return_id = return_id or self._new_return_id()
        wanted = [
            (parent_id, line_id, units)
            for parent_id, quantities in {order_id: lines, **(others or {})}.items()
            for line_id, units in self._quantities(parent_id, quantities).items()
        ]
        parents = {parent_id: self._parent(parent_id) for parent_id, _, _ in wanted}
        additional = {
            "ReturnReason": reason,
            "ItemCondition": {"ItemConditionId": condition} if condition else None,
            "ItemDisposition": None,
        }
        returns = []
        for index, (parent_id, line_id, units) in enumerate(wanted, 1):
            parent_line = line_of(parents[parent_id], line_id) or {}
            returns.append(
                self._return_line(str(index), parent_line.get("ItemId"), units, parent_line.get("UOM"))
                | {
                    "ParentOrderId": parent_id,
                    "ParentOrderLineId": line_id,
                    "IsReceiptExpected": receipt_expected,
                    "OrderLineAdditional": dict(additional),
                }
            )
        first = len(returns) + 1
        sales = [{"OrderLineId": str(index), **line} for index, line in enumerate(exchange, first)]
        parent = self._parent(order_id)
        self._save(return_id, parent, [*returns, *sales], confirmed=confirmed)
        with self._changing(return_id) as (order, _):
            if tracking:
                order["ReturnTrackingDetail"] = [{"ReturnTrackingNumber": tracking, "CarrierCode": carrier}]
            if paid_here is not None:
                order["PaymentStatus"] = {"StatusId": "6000.000" if paid_here else "0.000"}
            for line in rows(order, "OrderLine"):
                if not line.get("IsReturn"):
                    line["OrderLineHold"] = [{"HoldTypeId": "ReturnItemsPending", "StatusId": "1000"}]
        return return_id

    def create_standalone_return(
        self,
        item_id: str,
        quantity: Decimal | int,
        *,
        return_id: str | None = None,
        unit_price: Decimal | int = 10,
        uom: str = "EACH",
        currency: str = "EUR",
    ) -> str:
        """Goods come back of an order that nobody knows; gives the OrderId."""
        return_id = return_id or self._new_return_id()
        line = self._return_line("1", item_id, quantity, uom) | {"UnitPrice": -Decimal(unit_price)}
        self._save(return_id, {"CurrencyCode": currency}, [line], priced=True)
        return return_id

    def confirm_return(self, return_id: str) -> None:
        """An unconfirmed return is confirmed."""
        self._return(return_id)
        save_order(
            self._world, self._world.settings.organization, {"OrderId": return_id, "IsConfirmed": True}
        )

    def scan_return(self, return_id: str) -> None:
        """CarrierScanned: every unit is on its way back."""
        if self._world.settings.return_policy == "line":
            raise Refused("error.400", "CarrierScanned is not supported for line verification")
        with self._changing_return(return_id) as (order, moment):
            lines = _alive(order)
            if any(line.get("IsReceiptExpected") is False for line in lines):
                raise Refused("error.400", "A line of the return expects no receipt")
            high = max((line_range(line)[1] for line in lines), default=PENDING)
            if high > PENDING:
                raise order_not_permitted(return_id, status_name(high))
            for line in lines:
                move_units(self._world, line, (PENDING,), SCANNED, None, moment)

    def receive(
        self,
        return_id: str,
        line_id: str | None = None,
        quantity: Decimal | int | None = None,
        *,
        condition: str | None = None,
        item_id: str | None = None,
    ) -> None:
        """Receipt: goods reach the return center; all that are expected when no quantity is given.

        condition   as found; None: as the customer said
        item_id     what was found; None: the line's
        """
        if self._world.settings.return_policy == "line":
            raise Refused("error.400", "Return receipts are not allowed with verification policy Return Line")
        with self._changing_return(return_id) as (order, moment):
            for line in _expected(order, line_id):
                units = units_at(line, PENDING) + units_at(line, SCANNED)
                found = _found(line, units if quantity is None else quantity, condition, item_id)
                receive_units(self._world, order, line, found, moment)

    def verify(self, return_id: str, found: Sequence[Json] | None = None) -> None:
        """Verification: receiving is complete, and this is what was there.

        found   {"OrderLineId", "Quantity", and maybe "ItemConditionId", "ItemId"} each; a quantity of 0 says
                that nothing came. None: what was received, else what was expected.
        """
        if self._world.settings.return_policy == "line":
            raise Refused("error.400", "Verification is not allowed with verification policy Return Line")
        with self._changing_return(return_id) as (order, moment):
            parts = _as_received(order) if found is None else [_part(order, each) for each in found]
            verify_lines(self._world, order, parts, moment)

    def verify_line(
        self,
        return_id: str,
        line_id: str,
        quantity: Decimal | int | None = None,
        *,
        condition: str | None = None,
        item_id: str | None = None,
    ) -> None:
        """LineVerification: some units of a line are there and looked at; the rest of it by default."""
        if self._world.settings.return_policy != "line":
            raise Refused("error.400", "LineVerification needs verification policy Return Line")
        with self._changing_return(return_id) as (order, moment):
            line = require_return_line(order, line_id)
            units = number(line["Quantity"]) - units_at(line, VERIFIED) if quantity is None else quantity
            found = _found(line, units, condition, item_id)
            verify_units(self._world, order, line, found, moment)

    def approve_return(self, return_id: str, line_id: str | None = None) -> None:
        """Somebody approves lines whose goods stay with the customer."""
        with self._changing_return(return_id) as (order, moment):
            for line in _chosen(order, line_id):
                moved = move_units(self._world, line, (APPROVAL,), VERIFIED, None, moment)
                if moved <= 0 and line_id is not None:
                    raise order_not_permitted(return_id, status_name(line_range(line)[1]))

    def process_return(self, return_id: str) -> None:
        """Customer care takes everything as returned, whatever has come."""
        with self._changing_return(return_id) as (order, moment):
            for line in _alive(order):
                move_units(self._world, line, _UNRETURNED, VERIFIED, None, moment)

    def cancel_return(
        self, return_id: str, line_id: str | None = None, *, reason: str = "CancelLine"
    ) -> None:
        """The return, or a line of it, does not take place; its units are back at the customer (7000)."""
        with self._changing_return(return_id) as (order, _):
            if line_id is None:
                cancel_order(self._world, order, {"ReasonId": reason}, None)
            else:
                cancel_lines(self._world, order, {line_id: ({"ReasonId": reason}, None)})

    def resolve_line_hold(self, return_id: str, line_id: str, hold_type_id: str | None = None) -> None:
        """Somebody in MAO accepts a variance."""
        with self._changing_return(return_id) as (order, moment):
            if not unhold_line(require_return_line(order, line_id), hold_type_id, moment):
                raise Refused("error.400", f"Line {line_id} has no such hold", field="OrderLineHold")

    def add_return_fee(
        self,
        return_id: str,
        amount: Decimal | int | str,
        line_id: str | None = None,
        *,
        kind: str = "Return Fee",
    ) -> None:
        """A fee that lessens the refund, on a line or on the whole return; before the invoice only."""
        with self._changing_return(return_id) as (order, moment):
            if rows(order, "Invoice"):
                raise order_not_permitted(return_id, "Returned")
            row = {
                "ChargeDetailId": self._world.new_id().replace("-", ""),
                "ChargeType": {"ChargeTypeId": kind},
                "ChargeTotal": Decimal(amount),
                "IsReturnCharge": True,
                "IsInformational": False,
            }
            if line_id is None:
                order["OrderChargeDetail"] = [*rows(order, "OrderChargeDetail"), row]
                return
            line = require_return_line(order, line_id)
            line["OrderLineChargeDetail"] = [*rows(line, "OrderLineChargeDetail"), row]
            line["UpdatedTimestamp"] = moment

    def refund(self, return_id: str, *, succeeded: bool = True, invoice_id: str | None = None) -> None:
        """MAO pays out the open invoices, or one; at the last of them PaymentStatus is 7000. A pure header
        change: no line's timestamp moves.
        """
        with self._changing_return(return_id) as (order, moment):
            due = [each for each in open_invoices(order) if invoice_id in (None, each["InvoiceId"])]
            if not due:
                raise Refused("error.400", "No return invoice is open", keys={"OrderId": return_id})
            for invoice in due:
                refund_invoice(self._world, order, invoice, moment, succeeded=succeeded)
            parents = {each["ParentOrderId"] for each in due if each["ParentOrderId"]} if succeeded else set()
        for parent_id in sorted(parents):
            self._credit(parent_id, [each for each in due if each["ParentOrderId"] == parent_id])

    # --- pieces

    @contextmanager
    def _changing_return(self, return_id: str) -> Iterator[tuple[Json, str]]:
        self._return(return_id)
        with self._changing(return_id) as (order, moment):
            yield order, moment
            settle_invoices(self._world, order, moment)

    def _return(self, return_id: str) -> Json:
        order = self._order(return_id)
        if not has_returns(order):
            raise Refused("error.400", f"Order {return_id} has no return line", keys={"OrderId": return_id})
        return order

    def _parent(self, order_id: str) -> Json:
        parent = find_parent(self._world, key_of(self._world, self._world.settings.organization, order_id))
        if parent is None:
            raise unknown_order(order_id)
        return parent

    def _quantities(self, parent_id: str, quantities: Quantities | None) -> Quantities:
        if quantities is not None:
            return quantities
        lines = rows(self._parent(parent_id), "OrderLine")
        return {line["OrderLineId"]: units for line in lines if (units := returnable_units(line)) > 0}

    def _return_line(self, line_id: str, item_id: object, units: Decimal | int, uom: object) -> Json:
        return {
            "OrderLineId": line_id,
            "ItemId": item_id,
            "Quantity": Decimal(units),
            "UOM": uom,
            "IsReturn": True,
            "DeliveryMethod": {"DeliveryMethodId": "ShipToReturnCenter"},
            "ShippingMethodId": "Returns_Ground",
            "ShipToLocationId": self._world.settings.return_center,
        }

    def _save(
        self,
        return_id: str,
        parent: Json,
        lines: list[Json],
        *,
        confirmed: bool = True,
        priced: bool = False,
    ) -> None:
        payload: Json = {
            "OrderId": return_id,
            "DocType": {"DocTypeId": "CustomerOrder"},
            "OrderType": parent.get("OrderType") or {"OrderTypeId": "Ecom Order"},
            "SellingChannel": parent.get("SellingChannel") or {"SellingChannelId": "Web"},
            "CurrencyCode": parent.get("CurrencyCode"),
            "IsConfirmed": confirmed,
            "CapturedDate": render_moment(self._world.now(MANHATTAN)),
            "OrderLine": lines,
        }
        if priced:
            names = ("IsAlreadyPriced", "IsAlreadyCharged", "IsAlreadyTaxed")
            payload["OrderActions"] = dict.fromkeys(names, True)
        save_order(self._world, self._world.settings.organization, payload)

    def _credit(self, parent_id: str, invoices: list[Json]) -> None:
        """The parent's payment method shows what went to the return as Return Credit."""
        parent = self._parent(parent_id)
        methods = [each for payment in rows(parent, "Payment") for each in rows(payment, "PaymentMethod")]
        if not methods:
            return
        with self._changing(parent_id) as (order, moment):
            method = rows(rows(order, "Payment")[0], "PaymentMethod")[0]
            for invoice in invoices:
                amount = -number(invoice["InvoiceTotal"])
                row = {
                    "PaymentTransactionId": self._world.new_id(),
                    "TransactionType": {"PaymentTransactionTypeId": "Return Credit"},
                    "Status": {"PaymentTransactionStatusId": "Closed"},
                    "PaymentResponseStatus": {"PaymentResponseStatusId": "Success"},
                    "ProcessedAmount": amount,
                    "TransactionDate": moment,
                }
                method["PaymentTransaction"] = [*rows(method, "PaymentTransaction"), row]

    def _new_return_id(self) -> str:
        taken = self._world.mao.orders.keys() | self._world.mao.archived.keys()
        return next(f"R{n:010d}" for n in range(1, 10**10) if f"R{n:010d}" not in taken)


def _alive(order: Json) -> list[Json]:
    return [line for line in rows(order, "OrderLine") if line.get("IsReturn") and not line.get("IsCancelled")]


def _chosen(order: Json, line_id: str | None) -> list[Json]:
    """The line, or every one that still expects something."""
    if line_id is not None:
        return [require_return_line(order, line_id)]
    return [line for line in _alive(order) if line_range(line)[0] != VERIFIED]


def _expected(order: Json, line_id: str | None) -> list[Json]:
    """The line, or every one whose goods are to come."""
    if line_id is not None:
        return _chosen(order, line_id)
    return [line for line in _chosen(order, None) if line.get("IsReceiptExpected") is not False]


def _found(line: Json, units: Decimal | int, condition: str | None, item_id: str | None) -> Found:
    said = code_of(line.get("OrderLineAdditional") or {}, "ItemCondition", "ItemConditionId")
    return Found(line["OrderLineId"], item_id or str(line["ItemId"]), Decimal(units), condition or said)


def _part(order: Json, each: Json) -> Found:
    line = require_return_line(order, each["OrderLineId"])
    return _found(line, each["Quantity"], each.get("ItemConditionId"), each.get("ItemId"))


def _as_received(order: Json) -> list[Found]:
    parts = []
    for line in _expected(order, None):
        details = [row for row in rows(line, "ReturnDetail") if number(row["Quantity"]) > 0]
        for row in details:
            condition = code_of(row, "ReceivedItemCondition", "ItemConditionId")
            parts.append(_found(line, number(row["Quantity"]), condition, row["ItemId"]))
        if not details:
            parts.append(_found(line, number(line["Quantity"]), None, None))
    return parts
