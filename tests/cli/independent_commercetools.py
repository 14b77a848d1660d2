"""commercetools, small: orders, one channel, the token endpoint of one project."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from independent_servers import Call, Json, Reply, Server, basic


class Commercetools:
    """Orders, one channel and the token endpoint of one project (docs: query predicates, orders)."""

    SECRET = "ctp-secret-3f9a"  # of nothing real

    def __init__(self, project: str = "acme") -> None:
        self.project = project
        self.orders: dict[str, Json] = {}
        self.objects: dict[str, Json] = {}  # payments and shipping methods, by id, for `expand`
        self.channels = {"OMS": {"id": "0c7c6d1c-channel-oms", "key": "OMS", "roles": ["OrderExport"]}}
        self.tokens = {"ct-token-1"}
        self.shift_s = 0.0  # of the clock
        self.server = Server(self.answer)

    def put(self, order: Json) -> None:
        """A new state of an order, as the platform would store it."""
        now = datetime.now(UTC) + timedelta(seconds=self.shift_s - 1)
        order["version"] = int(order.get("version", 0)) + 3  # it does not grow by one
        order["lastModifiedAt"] = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.orders[order["id"]] = order

    def writes(self) -> list[Call]:
        return [call for call in self.server.calls if call.method == "POST" and "oauth" not in call.path]

    def answer(self, call: Call) -> Reply:
        if call.path == "/oauth/token":
            if basic(call.headers.get("Authorization", "")) != f"ctp-client:{self.SECRET}":
                text = "Please provide valid client credentials using HTTP Basic Authentication."
                return self.error(401, "invalid_client", text)
            token = {"access_token": sorted(self.tokens)[-1], "token_type": "Bearer", "expires_in": 172800}
            return Reply(200, {**token, "scope": f"manage_project:{self.project}"})
        if call.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return self.error(401, "invalid_token", "invalid_token")
        if not call.path.startswith(f"/{self.project}/"):
            return self.error(404, "ResourceNotFound", f"Project '{call.path.split('/')[1]}' not found")
        path = call.path.removeprefix(f"/{self.project}")
        if call.method == "GET" and path == "/orders":
            return self.query(call)
        if path.startswith("/channels/key="):
            found = self.channels.get(path.removeprefix("/channels/key="))
            return Reply(200, found) if found else self.not_found()
        order = self.find(path)
        if order is None:
            return self.not_found()
        return self.update(order, call) if call.method == "POST" else Reply(200, self.expanded(order, call))

    def find(self, path: str) -> Json | None:
        name = path.removeprefix("/orders/")
        if name.startswith("order-number="):
            number = name.removeprefix("order-number=")
            return next((o for o in self.orders.values() if o.get("orderNumber") == number), None)
        return self.orders.get(name)

    def query(self, call: Call) -> Reply:
        rows = list(self.orders.values())
        sort = call.value("sort")
        # Not the order of the ids as text: they are stored as binary with another byte order.
        rows.sort(key=lambda row: _stored(row["id"]))
        for name, where in call.query:
            if name == "where":
                for condition in re.split(r" and (?=[a-zA-Z]+ (?:[<>=]|in))", where):
                    rows = [row for row in rows if _holds(condition.strip(), row)]
        limit = int(call.value("limit") or 20)
        if limit > 500 or (sort and not sort.startswith("id")):
            return self.error(400, "InvalidInput", "limit or sort")
        page = rows[:limit]
        body: Json = {"limit": limit, "offset": 0, "count": len(page)}
        if call.value("withTotal") != "false":
            body["total"] = len(rows)
        return Reply(200, {**body, "results": [self.expanded(row, call) for row in page]})

    def update(self, order: Json, call: Call) -> Reply:
        if call.body.get("version") != order["version"]:
            text = f"Object {order['id']} has a different version than expected."
            return self.error(409, "ConcurrentModification", text, currentVersion=order["version"])
        for action in call.body["actions"]:
            state = {"changeShipmentState": "shipmentState", "changeOrderState": "orderState"}.get(
                action["action"]
            )
            if state is not None:
                order[state] = action[state]
                continue
            channel = self.channels.get(action.get("channel", {}).get("key", ""))
            if action["action"] != "updateSyncInfo":
                return self.error(400, "InvalidInput", f"Invalid action {action['action']}")
            if channel is None or "OrderExport" not in channel["roles"]:
                return self.error(400, "ReferencedResourceNotFound", "The referenced channel was not found")
            others = [row for row in order.get("syncInfo", []) if row["channel"]["id"] != channel["id"]]
            synced = {"externalId": action["externalId"], "syncedAt": "2026-11-23T00:00:00.000Z"}
            order["syncInfo"] = [*others, {"channel": {"typeId": "channel", "id": channel["id"]}, **synced}]
        self.put(order)
        return Reply(200, self.expanded(order, call))

    def expanded(self, order: Json, call: Call) -> Json:
        """References get their `obj` only where the request asked for it."""
        shown: Json = json.loads(json.dumps(order))
        wanted = [value for name, value in call.query if name == "expand"]
        infos = [shown.get("shippingInfo"), *(s.get("shippingInfo") for s in shown.get("shipping", []))]
        if any("shippingMethod" in path for path in wanted):
            for info in infos:
                if isinstance(info, dict):
                    self._expand(info.get("shippingMethod"))
        if "paymentInfo.payments[*]" in wanted:
            for reference in (shown.get("paymentInfo") or {}).get("payments", []):
                self._expand(reference)
        return shown

    def _expand(self, reference: Json | None) -> None:
        if reference and reference["id"] in self.objects:
            reference["obj"] = self.objects[reference["id"]]

    def not_found(self) -> Reply:
        return self.error(404, "ResourceNotFound", "The Resource was not found.")

    def error(self, status: int, code: str, text: str, **more: Any) -> Reply:
        body: Json = {
            "statusCode": status,
            "message": text,
            "errors": [{"code": code, "message": text, **more}],
        }
        if status == 401:
            body["error"], body["error_description"] = code, text
        return Reply(status, body)


def _stored(order_id: str) -> bytes:
    return hashlib.md5(order_id.encode()).digest()


_TEXT = r'"((?:[^"\\]|\\.)*)"'


def _holds(condition: str, row: Json) -> bool:
    match = re.fullmatch(rf"(\w+) (>=|<|>|=) {_TEXT}", condition)
    if match:
        name, operator, value = match.groups()
        left, right = row.get(name, ""), value
        if name == "id" and operator == ">":
            return _stored(left) > _stored(right)
        if name.endswith("At"):
            left, right = _moment(left), _moment(right)
        return bool({">=": left >= right, "<": left < right, ">": left > right, "=": left == right}[operator])
    match = re.fullmatch(r"(\w+) in ?\((.*)\)", condition)
    if not match:
        raise AssertionError(f"no such predicate: {condition}")
    return row.get(match[1]) in [text.replace('\\"', '"') for text in re.findall(_TEXT, match[2])]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
