"""Manhattan Active Omni, small: token, order save, search, get, archive, cancel."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from typing import Any

from independent_servers import Call, Json, Reply, Server, basic

_KEYS = {
    "OrderLine": "OrderLineId",
    "OrderChargeDetail": "ChargeDetailId",
    "OrderLineChargeDetail": "ChargeDetailId",
    "OrderTaxDetail": "TaxDetailId",
    "OrderLineTaxDetail": "TaxDetailId",
    "OrderNote": "NoteId",
    "OrderHold": "HoldTypeId",
    "PaymentMethod": "PaymentMethodId",
}


class Manhattan:
    """Token, order save, search, get, archive, cancel (docs: creating-and-updating-order and others)."""

    SECRET, PASSWORD = "mao-secret-77be", "mao-pass-word-1c2d"  # of nothing real

    def __init__(self) -> None:
        self.orders: dict[str, Json] = {}
        self.archive: dict[str, Json] = {}
        self.tokens = {"mao-token-1"}
        self.unknown_as_200 = False  # an unknown id: 404, or a good status with 10006 inside
        self.null_when_empty = False  # `data` of an empty search: [] or null
        self.late_cancel = False
        self.server = Server(self.answer)

    def writes(self) -> list[Call]:
        return [call for call in self.server.calls if re.search(r"/(save|cancel)$", call.path)]

    def saves(self) -> list[Call]:
        return [call for call in self.server.calls if call.path.endswith("/save")]

    def answer(self, call: Call) -> Reply:
        if call.path == "/oauth/token":
            known = basic(call.headers.get("Authorization", "")) == f"mao-client:{self.SECRET}"
            login = (call.body.get("grant_type"), call.body.get("username"), call.body.get("password"))
            if not known or login != ("password", "sync@acme", self.PASSWORD):
                return Reply(401, {"error": "unauthorized", "error_description": f"bad user {login[1]}"})
            return Reply(200, {"access_token": sorted(self.tokens)[-1], "expires_in": 86399})
        if call.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return self.failure(401, "invalid_token", "Cannot convert access token to JSON")
        match = re.fullmatch(r"/order/api/order/(.*)", call.path)
        rest = match[1] if match else ""
        if rest == "order/search":
            return self.search(call.body)
        if rest == "order/save":
            return self.save(call.body)
        for pattern, rows in (("extended/order", self.archive), ("order", self.orders)):
            found = re.fullmatch(rf"{pattern}/orderId/([^/]+)(/cancel|/orderLine/cancel)?", rest)
            if found and (call.method == "POST") == bool(found[2]):
                order = rows.get(found[1])
                if order is None:
                    return self.failure(404, "ord::10006", f"Order {found[1]} does not exist")
                return self.cancel(order, call.body) if found[2] else self.good(order)
        return self.failure(404, "error.404", "Not Found")

    def search(self, body: Json) -> Reply:
        query = body.get("Query", "")
        by_id = re.fullmatch(r"OrderId (?:IN \((.*)\)|= ('.*'))", query)
        # No clock here: every order has changed since any time.
        since = r"\(UpdatedTimestamp >= '.*?' or \S* >= '.*?'\)"
        changed = re.fullmatch(since + "(?: and OrderId > '(.*)')?", query)
        if by_id:
            wanted = re.findall(r"'([^']*)'", by_id[1] or by_id[2])
        elif changed:
            wanted = [order_id for order_id in self.orders if order_id > (changed[1] or "")]
        else:
            return self.failure(400, "error.400", f"Query not understood: {query}")
        rows = sorted((o for k, o in self.orders.items() if k in wanted), key=lambda row: str(row["OrderId"]))
        size, page = int(body.get("Size", 10)), int(body.get("Page", 0))
        shown = [_projected(row, body.get("Template")) for row in rows[page * size : (page + 1) * size]]
        reply = self.good(shown or (None if self.null_when_empty else []))
        reply.body["header"] = {"totalCount": str(len(rows))}
        return reply

    def save(self, body: Json) -> Reply:
        order_id = body.get("OrderId")
        if not order_id:
            return self.failure(400, "ord::10001", "OrderId is required")
        stored = self.orders.get(order_id)
        version = (body.get("OrderActions") or {}).get("VersionTimestamp")
        if stored and version is not None and int(version) <= int(stored.get("_version", 0)):
            text = (
                f"Order {order_id}, is bridged in with a stale/decremented or non integer version - {version}"
            )
            return self.failure(400, "10208", text)
        order = copy.deepcopy(stored) if stored else {"OrderId": order_id, "OrderLine": []}
        before = {line["OrderLineId"]: line for line in (stored or {}).get("OrderLine", [])}
        for line in body.get("OrderLine", []):
            old = before.get(line["OrderLineId"])
            status = int(float(old["MaxFulfillmentStatusId"])) if old else 0
            if status >= 3000 and not self._permitted(line, status):
                return self.failure(400, "ord::10008", "The requested line modification is not permitted")
        _merge(order, {k: v for k, v in body.items() if k not in ("OrderActions", "Actions")})
        if version is not None:
            order["_version"] = int(version)
        for line in order["OrderLine"]:
            line.setdefault("MinFulfillmentStatusId", "1000")
            line.setdefault("MaxFulfillmentStatusId", "1000")
            address = (line.get("ShipToAddress") or {}).get("Address")
            if address:
                line["ShipToAddress"]["AddressId"] = hashlib.md5(json.dumps(address).encode()).hexdigest()
            if line.get("IsCancelled") and int(float(line["MaxFulfillmentStatusId"])) < 3000:
                _cancel_line(line, line.get("CancelReason"))
            elif line.get("IsCancelled"):
                line["IsCancelled"] = False
                line["CancellationRequestStatus"] = "Requested"
        if stored is None:  # MAO adds rows of its own: header charges are prorated over the lines
            for charge in order.get("OrderChargeDetail", []):
                share = {**charge, "ChargeDetailId": "9" + hashlib.md5(str(charge).encode()).hexdigest()[:18]}
                share["HeaderChargeDetailId"] = charge["ChargeDetailId"]
                order["OrderLine"][0].setdefault("OrderLineChargeDetail", []).append(share)
        self._settle(order)
        self.orders[order_id] = order
        return self.good({"OrderId": order_id, "MinFulfillmentStatusId": order["MinFulfillmentStatusId"]})

    def _permitted(self, line: Json, status: int) -> bool:
        if line.get("IsCancelled"):
            return self.late_cancel and status < 3700
        return not {"Quantity", "UnitPrice", "ShipToAddress"} & line.keys()

    def cancel(self, order: Json, body: Json) -> Reply:
        if not (body.get("CancelReason") or {}).get("ReasonId"):
            return self.failure(400, "error.400", "CancelReason is required")
        if any(float(line["MaxFulfillmentStatusId"]) >= 3000 for line in order["OrderLine"]):
            text = "The requested order modification is not permitted at status Released"
            return self.failure(400, "ord::10007", text)
        for line in order["OrderLine"]:
            _cancel_line(line, body["CancelReason"])
        self._settle(order)
        return self.good({"OrderId": order["OrderId"]})

    def _settle(self, order: Json) -> None:
        statuses = [line["MaxFulfillmentStatusId"] for line in order["OrderLine"]] or ["1000"]
        alive = [status for status in statuses if not status.startswith("9000")] or ["9000"]
        order["MinFulfillmentStatusId"], order["MaxFulfillmentStatusId"] = min(alive), max(alive)
        order["IsCancelled"] = alive == ["9000"]
        order["IsOnHold"] = any(str(hold["StatusId"]) == "1000" for hold in order.get("OrderHold") or [])

    def reach(self, order_id: str, status: str) -> None:
        """The warehouse moves every line of the order."""
        for line in self.orders[order_id]["OrderLine"]:
            if line["MaxFulfillmentStatusId"] != "9000":
                line["MinFulfillmentStatusId"] = line["MaxFulfillmentStatusId"] = status
        self._settle(self.orders[order_id])

    def good(self, data: Any) -> Reply:
        shown = {k: v for k, v in data.items() if k != "_version"} if isinstance(data, dict) else data
        return Reply(200, envelope(success=True, data=shown))

    def failure(self, status: int, code: str, text: str) -> Reply:
        if code == "ord::10006" and self.unknown_as_200:
            status = 200
        return Reply(status, envelope(success=False, data=None, code=code, text=text))


def envelope(*, success: bool, data: Any, code: str = "", text: str = "", kind: str = "ERROR") -> Json:
    row = {"Type": kind, "Code": code, "Description": text, "ErrorCode": None, "BusinessKeys": None}
    return {
        "success": success,
        "header": None,
        "data": data,
        "messageKey": None if success else "error.400",
        "message": None if success else "Bad Request",
        "errors": [],
        "exceptions": [],
        "messages": {"Message": [row] if code else [], "Size": 1 if code else 0},
        "statusCode": "OK" if success else "BAD_REQUEST",
    }


def _merge(into: Json, new: Json) -> None:
    """Only what is sent changes; rows of child lists merge by their key."""
    for name, value in new.items():
        if name in _KEYS and isinstance(value, list):
            rows = into.setdefault(name, [])
            for row in value:
                key = _KEYS[name]
                known = next((old for old in rows if key in row and old.get(key) == row[key]), None)
                if known is None:
                    rows.append(known := {})
                _merge(known, row)
        elif isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def _cancel_line(line: Json, reason: Any) -> None:
    if float(line.get("Quantity") or 0) > 0:
        history = {"CancelQuantity": line["Quantity"], "CancelReason": reason}
        line.setdefault("OrderLineCancelHistory", []).append(history)
    line.update(Quantity=0, IsCancelled=True, MinFulfillmentStatusId="9000", MaxFulfillmentStatusId="9000")
    line["OrderLineChargeDetail"], line["OrderLineTaxDetail"] = [], []


def _projected(row: Any, template: Any) -> Any:
    if isinstance(row, list):
        return [_projected(one, template) for one in row]
    if not isinstance(template, dict) or not isinstance(row, dict):
        return row
    shown = {name: _projected(row[name], inner) for name, inner in template.items() if name in row}
    return {**shown, "Messages": None}
