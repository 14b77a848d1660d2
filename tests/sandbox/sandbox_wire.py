"""A sandbox with one Manhattan user already logged in, and an order that Manhattan accepts."""

from __future__ import annotations

import copy
import json
from typing import Any

from ct_mao_sync.sandbox.core import (
    MANHATTAN,
    ManualClock,
    Request,
    Response,
    Sandbox,
    SandboxSettings,
)
from ct_mao_sync.sandbox.faults import Faults

ORDER = "/order/api/order/order"

Json = dict[str, Any]


class Mao:
    """Speaks to the Manhattan side of one sandbox, in process."""

    def __init__(self, faults: Faults | None = None, **settings: Any) -> None:
        self.clock = ManualClock()
        self.sandbox = Sandbox(clock=self.clock, settings=SandboxSettings(**settings), faults=faults)
        self.lifecycle = self.sandbox.manhattan.lifecycle
        self.token = ""
        self.token = self.log_in()["access_token"]

    def log_in(self, form: str = "", **headers: str) -> Json:
        answer = self.ask_token(
            form
            or "grant_type=password&username=sync@acme&password=sandbox-password"
            "&client_id=omnicomponent.1.0.0&client_secret=sandbox-secret",
            **headers,
        )
        return json.loads(answer.body)

    def ask_token(self, form: str, **headers: str) -> Response:
        sent = {"content-type": "application/x-www-form-urlencoded", **headers}
        return self.sandbox.handle(Request(MANHATTAN, "POST", "/oauth/token", (), sent, form.encode()))

    def ask(self, method: str, path: str, body: Json | None = None, **headers: str) -> Response:
        sent = {"authorization": f"Bearer {self.token}", "content-type": "application/json", **headers}
        text = b"" if body is None else json.dumps(body).encode()
        return self.sandbox.handle(Request(MANHATTAN, method, path, (), sent, text))

    def save(self, body: Json) -> Response:
        return self.ask("POST", f"{ORDER}/save", body)

    def saved(self, body: Json) -> Json:
        answer = self.save(body)
        assert answer.status == 200, answer.body.decode()
        return json.loads(answer.body)["data"]

    def refused(self, body: Json) -> str:
        """Saves what must be refused; gives "code: description" and proves that nothing changed."""
        before = json.dumps(self.sandbox.world.mao.orders, default=str)
        answer = self.save(body)
        assert answer.status == 400, answer.body.decode()
        assert json.dumps(self.sandbox.world.mao.orders, default=str) == before
        return text_of(answer)

    def get(self, order_id: str = "CT-1") -> Json:
        answer = self.ask("GET", f"{ORDER}/orderId/{order_id}")
        assert answer.status == 200, answer.body.decode()
        return json.loads(answer.body)["data"]

    def search(self, query: str = "", **body: Any) -> Json:
        answer = self.ask("POST", f"{ORDER}/search", {"Query": query, **body})
        assert answer.status == 200, answer.body.decode()
        return json.loads(answer.body)

    def found(self, query: str = "", **body: Any) -> list[str]:
        body = {"Sort": [{"attribute": "OrderId", "direction": "asc"}], "Size": 100, **body}
        return [row["OrderId"] for row in self.search(query, **body)["data"] or []]


def text_of(answer: Response) -> str:
    """The business message of a failure envelope, after checking the envelope itself."""
    envelope = json.loads(answer.body)
    assert envelope["success"] is False
    assert envelope["data"] is None
    (message,) = envelope["messages"]["Message"]
    assert message["Type"] == "ERROR"
    return f"{message['Code']}: {message['Description']}"


FLAGS = {"IsAlreadyPriced": True, "IsAlreadyCharged": True, "IsAlreadyTaxed": True}

_LINE = {
    "OrderLineId": "L1",
    "ItemId": "SKU-1",
    "Quantity": 3,
    "UOM": "EA",
    "UnitPrice": 20.00,
    "OriginalUnitPrice": 25.00,
    "DeliveryMethod": {"DeliveryMethodId": "ShipToAddress"},
    "ShippingMethodId": "STD",
    "ShipToAddress": {"Address": {"LastName": "Muster", "City": "Berlin", "Country": "DE"}},
}
_ORDER = {
    "OrderId": "CT-1",
    "AlternateOrderId": "6f6a1c1e-1111-4222-8333-944455556666",
    "DocType": {"DocTypeId": "CustomerOrder"},
    "OrderType": {"OrderTypeId": "Ecom Order"},
    "IsConfirmed": True,
    "CapturedDate": "2026-11-23T08:59:00Z",
    "CurrencyCode": "EUR",
    "OrderActions": FLAGS,
}


def a_line(**changes: Any) -> Json:
    return copy.deepcopy(_LINE) | changes


def an_order(*lines: Json, **changes: Any) -> Json:
    """An order of one line of 3 x 20.00 EUR, or of the given lines."""
    return copy.deepcopy(_ORDER) | {"OrderLine": list(lines) or [a_line()]} | changes


def an_update(*lines: Json, order_id: str = "CT-1", **changes: Any) -> Json:
    body: Json = {"OrderId": order_id, "OrderActions": FLAGS, **changes}
    return body | ({"OrderLine": list(lines)} if lines else {})


def units_of(line: Json) -> dict[str, float]:
    """Units by status, rows without units left out."""
    return {row["StatusId"]: row["Quantity"] for row in line["QuantityDetail"] if row["Quantity"]}
