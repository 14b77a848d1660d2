"""commercetools orders made by hand: small, consistent to the cent, with VAT in the price."""

from __future__ import annotations

import uuid
from typing import Any

Json = dict[str, Any]
NAMESPACE = uuid.UUID("5d1f2f0e-6d0c-4f0e-9a52-5b7a0c9d3e11")
PERSON = {
    "firstName": "Wilhelmina",
    "lastName": "Zanderbrück",
    "streetName": "Kirschblütenallee",
    "streetNumber": "1742",
    "postalCode": "01067",
    "city": "Dresden",
    "country": "DE",
    "phone": "+49 351 5550187",
    "email": "w.zanderbrueck@post.example",
}
PERSONAL = ("Wilhelmina", "Zanderbr", "Kirschbl", "5550187", "zanderbrueck@")


def uid(name: str) -> str:
    return str(uuid.uuid5(NAMESPACE, name))


def money(cents: int, currency: str = "EUR") -> Json:
    return {"type": "centPrecision", "currencyCode": currency, "centAmount": cents, "fractionDigits": 2}


def taxed(gross: int) -> Json:
    tax = round(gross * 19 / 119)
    portion = {"rate": 0.19, "name": "DE 19%", "amount": money(tax)}
    return {
        "totalNet": money(gross - tax),
        "totalGross": money(gross),
        "taxPortions": [portion],
        "totalTax": money(tax),
    }


RATE = {"name": "DE 19%", "amount": 0.19, "includedInPrice": True, "country": "DE", "subRates": []}


def line(number: str, sku: str, quantity: int, cents: int) -> Json:
    return {
        "id": uid(f"{number}/{sku}"),
        "productId": uid(sku),
        "name": {"de": "Ding"},
        "variant": {"id": 1, "sku": sku, "prices": [], "attributes": []},
        "price": {"id": uid(f"price {sku}"), "value": money(cents)},
        "quantity": quantity,
        "discountedPricePerQuantity": [],
        "state": [],
        "priceMode": "Platform",
        "lineItemMode": "Standard",
        "totalPrice": money(cents * quantity),
        "taxRate": RATE,
        "taxedPrice": taxed(cents * quantity),
        "taxedPricePortions": [],
        "perMethodTaxRate": [],
    }


def order(
    number: str,
    *lines: tuple[str, int, int],
    method: str = "Standard",
    payment_state: str = "Paid",
    created_at: str = "2026-11-20T10:00:00.000Z",
) -> Json:
    """`lines` are (sku, quantity, unit price in cents); shipping costs 4.90."""
    rows = [line(number, *row) for row in lines or (("SKU-A", 2, 1999),)]
    found = {
        "type": "Order",
        "id": uid(number),
        "orderNumber": number,
        "createdAt": created_at,
        "customerEmail": PERSON["email"],
        "orderState": "Open",
        "paymentState": payment_state,
        "shipmentState": "Pending",
        "taxMode": "Platform",
        "taxCalculationMode": "LineItemLevel",
        "shippingMode": "Single",
        "shipping": [],
        "syncInfo": [],
        "lineItems": rows,
        "customLineItems": [],
        "discountCodes": [],
        "shippingAddress": dict(PERSON),
        "billingAddress": dict(PERSON),
        "shippingInfo": {
            "shippingMethodName": method,
            "price": money(490),
            "shippingRate": {"price": money(490), "tiers": []},
            "taxRate": RATE,
            "taxedPrice": taxed(490),
            "deliveries": [],
        },
    }
    return add_up(found)


def add_up(found: Json) -> Json:
    """Totals from lines and shipping, as the platform would after an order edit."""
    for row in found["lineItems"]:
        cents = row["price"]["value"]["centAmount"] * row["quantity"]
        row["totalPrice"], row["taxedPrice"] = money(cents), taxed(cents)
    gross = sum(row["totalPrice"]["centAmount"] for row in found["lineItems"]) + 490
    tax = sum(row["taxedPrice"]["totalTax"]["centAmount"] for row in found["lineItems"])
    tax += found["shippingInfo"]["taxedPrice"]["totalTax"]["centAmount"]
    portion = {"rate": 0.19, "name": "DE 19%", "amount": money(tax)}
    found["totalPrice"] = money(gross)
    found["taxedShippingPrice"] = found["shippingInfo"]["taxedPrice"]
    found["taxedPrice"] = {
        "totalNet": money(gross - tax),
        "totalGross": money(gross),
        "taxPortions": [portion],
        "totalTax": money(tax),
    }
    return found
