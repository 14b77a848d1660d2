"""The commercetools side of a sandbox, spoken to in plain requests; orders and imports to send there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ct_mao_sync.sandbox.core import ManualClock, Request, Sandbox, SandboxSettings
from ct_mao_sync.sandbox.faults import Faults
from ct_mao_sync.sandbox.generate_catalog import document_id
from ct_mao_sync.sandbox.generate_stock import stock_world

Json = dict[str, Any]
Pairs = Iterable[tuple[str, str]]
ATLANTA = {"typeId": "channel", "key": "dc-atlanta"}
ATLANTA_ID = document_id("channel", "dc-atlanta")


class Shop:
    """A sandbox whose commercetools side is spoken to in plain requests."""

    def __init__(self, faults: Faults | None = None, **settings: Any) -> None:
        self.clock = ManualClock(datetime(2026, 11, 23, 9, 0, tzinfo=UTC))
        self.sandbox = Sandbox(seed=1, clock=self.clock, settings=SandboxSettings(**settings), faults=faults)
        self.world = self.sandbox.world
        stock_world(self.world, 1, items=["A"], entries=())  # the channels
        self.bearer = self.login()

    def login(self, scope: str = "") -> str:
        form = "grant_type=client_credentials" + (f"&scope={scope}" if scope else "")
        basic = base64.b64encode(b"sandbox-client:sandbox-secret").decode()
        headers = {"authorization": f"Basic {basic}"}
        answer = self.sandbox.handle(
            Request("commercetools", "POST", "/oauth/token", (), headers, form.encode())
        )
        return str(json.loads(answer.body)["access_token"])

    def ask(self, method: str, path: str, body: Any = None, query: Pairs = ()) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {self.bearer}", "content-type": "application/json"}
        given = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        request = Request("commercetools", method, f"/sandbox/{path}", tuple(query), headers, given)
        answer = self.sandbox.handle(request)
        return answer.status, json.loads(answer.body)

    def done(self, method: str, path: str, body: Any = None, query: Pairs = ()) -> Any:
        status, answer = self.ask(method, path, body, query)
        assert status in (200, 201), answer
        return answer

    def refused(self, method: str, path: str, body: Any = None, query: Pairs = ()) -> tuple[int, str]:
        status, answer = self.ask(method, path, body, query)
        assert status >= 400, answer
        return status, answer["errors"][0]["code"]

    def entry(self, sku: str = "A", quantity: int = 10, **more: Any) -> Json:
        return self.done("POST", "inventory", {"sku": sku, "quantityOnStock": quantity, **more})

    def found(self, where: str, **more: str) -> list[Json]:
        query = [("where", where), ("limit", "500"), *more.items()]
        return self.done("GET", "inventory", query=query)["results"]

    def update(self, entry: Json, *actions: Json) -> Any:
        body = {"version": entry["version"], "actions": list(actions)}
        return self.done("POST", f"inventory/{entry['id']}", body)

    def read(self, entry: Json) -> Json:
        return self.done("GET", f"inventory/{entry['id']}")


def an_order(*lines: Json, mode: str | None = "ReserveOnOrder", number: int = 1) -> Json:
    order: Json = {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "orderNumber": f"N-{number}",
        "orderState": "Open",
        "lineItems": list(lines),
        "totalPrice": {"centAmount": 0, "currencyCode": "EUR"},
    }
    return order | ({"inventoryMode": mode} if mode else {})


def a_line(quantity: int, sku: str = "A", **more: Any) -> Json:
    return {"id": "l1", "quantity": quantity, "variant": {"sku": sku}, **more}


def a_resource(key: str = "A_dc-atlanta", quantity: Any = 5, **more: Any) -> Json:
    return {"key": key, "sku": "A", "quantityOnStock": quantity, "supplyChannel": ATLANTA, **more}


class Importer(Shop):
    """A shop with an import container."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        draft = {"key": "box", "resourceType": "inventory"}
        self.container = self.done("POST", "import-containers", draft)

    def send(self, *resources: Json) -> list[Json]:
        body = {"type": "inventory", "resources": list(resources)}
        return self.done("POST", "inventories/import-containers/box", body)["operationStatus"]

    def operation(self, status: Json) -> Json:
        return self.done("GET", f"import-operations/{status['operationId']}")

    def ended(self, *resources: Json) -> list[Json]:
        sent = self.send(*resources)
        self.clock.advance(5)
        return [self.operation(status) for status in sent]
