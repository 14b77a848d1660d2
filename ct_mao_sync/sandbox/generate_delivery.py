"""Where and how a generated Order is shipped: one method or several, one address or several."""

from __future__ import annotations

from typing import Any

from .generate_catalog import PICKUP, SHIPPING_METHODS, Method, Region, price_in, random_id, reference
from .generate_lines import Draft
from .generate_money import Json, money


def address(draft: Draft, key: str) -> Json:
    """An invented address of the region, with the customer's invented e-mail."""
    person = dict(draft.rng.choice(draft.region.people))
    email = f"{key}.{draft.rng.randint(1, 9999)}@example.com"
    return {
        "id": random_id(draft.rng)[:8],
        "key": key,
        **person,
        "country": draft.region.country,
        "email": email,
    }


def _info(draft: Draft, method: Method) -> Json:
    price = money(price_in(draft.currency, method.price), draft.currency)
    return {
        "shippingMethodName": method.name,
        "price": price,
        "shippingRate": {"price": price, "tiers": []},
        "shippingMethod": reference("shipping-method", method.key),
        "deliveries": [],
        "shippingMethodState": "MatchesCart",
        "taxRate": draft.region.tax_rate(),
        "taxCategory": reference("tax-category", "standard"),
    }


def single_shipping(draft: Draft) -> None:
    home = address(draft, "ship")
    draft.order["shippingAddress"] = home
    draft.order["billingAddress"] = home if draft.rng.random() < 0.7 else address(draft, "bill")
    draft.order["shippingInfo"] = _info(draft, draft.rng.choice([*SHIPPING_METHODS, PICKUP]))


def custom_method(draft: Draft) -> None:
    """A shipping method of this Order only: a name, no reference."""
    info = draft.order.get("shippingInfo")
    if info:
        info.pop("shippingMethod", None)
        info["shippingMethodName"] = "Customer pickup (custom)"


def bare_address(draft: Draft) -> None:
    """The least that an address may hold."""
    if "shippingAddress" in draft.order:
        bare = {"lastName": "Nur-Nachname", "city": "Probestadt", "country": draft.region.country}
        draft.order["shippingAddress"] = bare


def multiple_shipping(draft: Draft) -> None:
    """shippingMode Multiple: each line goes to one or both of two addresses by different methods."""
    if draft.digital:
        return
    order, rng = draft.order, draft.rng
    for field in ("shippingInfo", "shippingAddress"):
        order.pop(field, None)
    order["shippingMode"] = "Multiple"
    home = address(draft, "home")
    shop = {
        "key": "store-17",
        "company": "Store 17 „Mitte“",
        "streetName": "Testplatz",
        "streetNumber": "17",
        "postalCode": "30326",
        "city": "Sampletown",
        "country": draft.region.country,
    }
    order["itemShippingAddresses"] = [home, shop]
    ways = [
        ("ship-home", home, _info(draft, rng.choice(SHIPPING_METHODS))),
        ("pickup-17", shop, _info(draft, PICKUP)),
    ]
    for key, where, info in ways:
        kind = "PICKUP" if key.startswith("pickup") else "SHIP"
        fields = {"fulfillmentType": kind, **({"storeId": "ST-17"} if kind == "PICKUP" else {})}
        custom = {"type": reference("type", "shipping"), "fields": fields}
        order["shipping"].append(
            {
                "shippingKey": key,
                "shippingInfo": info,
                "shippingAddress": where,
                "shippingCustomFields": custom,
            }
        )
    for line in [*order["lineItems"], *order["customLineItems"]]:
        _spread(draft, line, [(key, where["key"]) for key, where, _ in ways])


def _spread(draft: Draft, line: Json, ways: list[tuple[str, str]]) -> None:
    quantity = line["quantity"]
    first = draft.rng.choice([0, quantity, quantity // 2])
    shares = [(way, part) for way, part in zip(ways, (first, quantity - first), strict=True) if part]
    line["shippingDetails"] = {
        "targets": [
            {"addressKey": at, "quantity": part, "shippingMethodKey": key} for (key, at), part in shares
        ],
        "valid": True,
    }
    rate = line.pop("taxRate")
    line["perMethodTaxRate"] = [{"shippingMethodKey": key, "taxRate": rate} for (key, _), _ in shares]


def item_addresses(draft: Draft) -> None:
    """Single mode, yet lines go to addresses of their own."""
    order = draft.order
    if draft.digital or order["shippingMode"] == "Multiple":
        return
    order["itemShippingAddresses"] = [address(draft, "home"), address(draft, "aunt")]
    for line in draft.some_lines():
        first = draft.rng.randint(0, line["quantity"])
        parts = [("home", first), ("aunt", line["quantity"] - first)]
        targets = [{"addressKey": key, "quantity": part} for key, part in parts if part]
        line["shippingDetails"] = {"targets": targets, "valid": True}


def delivery_parents(order: Json) -> list[Json]:
    """The ShippingInfos whose deliveries count."""
    infos = [shipping["shippingInfo"] for shipping in order.get("shipping") or []]
    return [*infos, order["shippingInfo"]] if order.get("shippingInfo") else infos


def delivered(draft: Draft) -> None:
    """Everything delivered in one parcel per shipping method."""
    order = draft.order
    single = {"shippingKey": None, "shippingInfo": order.get("shippingInfo")}
    for shipping in order["shipping"] or [single]:
        info, key = shipping["shippingInfo"], shipping["shippingKey"]
        items: list[Json] = []
        for line in order["lineItems"]:
            targets: list[Any] = (line.get("shippingDetails") or {}).get("targets") or []
            mine = [t["quantity"] for t in targets if t.get("shippingMethodKey") == key]
            quantity = sum(mine) if key else line["quantity"]
            if quantity:
                items.append({"id": line["id"], "quantity": quantity})
        if not info or not items:
            continue
        number = draft.rng.randint(1, 10**9)
        tracking = {"trackingId": f"1ZTEST{number:010d}", "carrier": "UPS", "isReturn": False}
        parcel: Json = {
            "id": random_id(draft.rng),
            "key": f"PKG-{number}",
            "createdAt": "",
            "trackingData": tracking,
        }
        parcel["items"] = [dict(item) for item in items]
        delivery = {"id": random_id(draft.rng), "key": f"SHP-{number}", "createdAt": "", "items": items}
        info["deliveries"] = [{**delivery, "parcels": [parcel]}]


def external_rate(rate: Json, region: Region) -> Json:
    """The same rate as a tax engine of the shop would have set it: without an id."""
    return {
        **{k: v for k, v in rate.items() if k != "id"},
        "name": f"{region.country} tax engine {rate['amount']}",
    }
