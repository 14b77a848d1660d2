"""Lines of a generated Order: what is bought, at which price."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .generate_catalog import (
    BULK,
    BUNDLE,
    BUNDLE_PARTS,
    DIGITAL,
    GIFTS,
    IMPORT_RATE,
    PRODUCTS,
    Product,
    Region,
    document_id,
    price_in,
    random_id,
    reference,
)
from .generate_money import (
    Json,
    exact_amount,
    fraction_digits,
    high_precision_money,
    money,
    price_order,
    round_amount,
)


@dataclass(slots=True)
class Draft:
    """An Order in the making and what it is made from."""

    rng: random.Random
    order: Json
    region: Region
    currency: str
    digital: bool = False

    @property
    def lines(self) -> list[Json]:
        lines: list[Json] = self.order["lineItems"]
        return lines

    def some_lines(self) -> list[Json]:
        """A random choice of the lines that may be discounted or changed, at least one if there is any."""
        lines = [line for line in self.lines if line["priceMode"] != "ExternalTotal"]
        lines = [line for line in lines if line["lineItemMode"] == "Standard"]
        return self.rng.sample(lines, self.rng.randint(1, len(lines))) if lines else []

    def total(self) -> int:
        """The present total in minor units."""
        price_order(self.order)
        amount: int = self.order["totalPrice"]["centAmount"]
        return amount


def new_line(draft: Draft, product: Product, quantity: int, price: Json | None = None) -> Json:
    """A LineItem of a product, not yet part of the Order."""
    rng = draft.rng
    value = price or money(price_in(draft.currency, product.price), draft.currency)
    key = product.sku.lower().replace(".", "-")
    listed: Json = {"id": document_id("price", f"{product.sku}/{draft.currency}"), "value": value}
    if rng.random() < 0.3:
        listed["country"] = draft.region.country
    return {
        "id": random_id(rng),
        "productId": document_id("product", product.sku),
        "productKey": f"p-{key}",
        "name": {"en-US": product.name, "de-DE": f"{product.name} (DE)"},
        "productType": {"typeId": "product-type", "id": document_id("product-type", "main"), "version": 3},
        "productSlug": {"en-US": f"p-{key}"},
        "variant": {
            "id": 1,
            "sku": product.sku,
            "key": key,
            "prices": [listed],
            "images": [],
            "attributes": [],
            "assets": [],
        },
        "price": listed,
        "quantity": quantity,
        "discountedPricePerQuantity": [],
        "state": initial_state(quantity),
        "priceMode": "Platform",
        "lineItemMode": "Standard",
        "totalPrice": money(0, draft.currency),
        "perMethodTaxRate": [],
        "taxedPricePortions": [],
        "taxRate": draft.region.tax_rate(reduced=product.reduced),
    }


def initial_state(quantity: int) -> list[Json]:
    """All units of a line in the built-in state Initial."""
    return [{"quantity": quantity, "state": reference("state", "Initial")}]


def set_quantity(line: Json, quantity: int) -> None:
    line["quantity"] = quantity
    line["state"] = initial_state(quantity)


def standard_lines(draft: Draft) -> None:
    rng = draft.rng
    for product in rng.sample(PRODUCTS, rng.choice([1, 1, 2, 2, 3, 4, 6])):
        draft.lines.append(new_line(draft, product, rng.choice([1, 1, 1, 2, 3, 7])))


def many_lines(draft: Draft) -> None:
    if draft.digital:
        return
    for _ in range(draft.rng.randint(20, 45)):
        draft.lines.append(new_line(draft, draft.rng.choice(PRODUCTS), draft.rng.randint(1, 12)))


def digital_lines(draft: Draft) -> None:
    """Only gift cards and the like: nothing to ship, no shipping address."""
    draft.digital = True
    draft.lines[:] = [new_line(draft, draft.rng.choice(DIGITAL), draft.rng.choice([1, 2]))]
    for field in ("shippingInfo", "shippingAddress"):
        draft.order.pop(field, None)


def high_precision_line(draft: Draft) -> None:
    if draft.digital:
        return
    rng = draft.rng
    digits = fraction_digits(draft.currency) + rng.randint(1, 4)
    precise = rng.randint(1, 40 * 10 ** (digits - fraction_digits(draft.currency)))
    price = high_precision_money(precise, draft.currency, digits)
    draft.lines.append(new_line(draft, rng.choice(BULK), rng.choice([1, 3, 17, 250, 2500]), price))


def bundle_lines(draft: Draft) -> None:
    """A kit with a price and its parts at nothing, tied together by keys and a custom field."""
    if draft.digital:
        return
    kits = draft.rng.choice([1, 1, 2])
    bundle_type = reference("type", "line-bundle")
    key = f"bundle-{draft.rng.randint(1, 999)}"
    parent = new_line(draft, BUNDLE, kits)
    parent |= {"key": key, "custom": {"type": bundle_type, "fields": {"bundleRole": "parent"}}}
    draft.lines.append(parent)
    for index, product in enumerate(BUNDLE_PARTS, 1):
        child = new_line(draft, product, kits * index)
        child |= {"key": f"{key}-c{index}", "priceMode": "ExternalTotal"}
        child["custom"] = {"type": bundle_type, "fields": {"bundleRole": "child", "parent": key}}
        draft.lines.append(child)


def external_price(draft: Draft) -> None:
    for line in draft.some_lines()[:1]:
        line["priceMode"] = "ExternalPrice"


def external_total(draft: Draft) -> None:
    """The total was set from outside; price x quantity does not give it."""
    for line in draft.some_lines()[:1]:
        line["priceMode"] = "ExternalTotal"
        usual = round_amount(exact_amount(line["price"]["value"]) * line["quantity"])
        line["totalPrice"] = money(max(1, usual * draft.rng.randint(70, 105) // 100), draft.currency)


def mixed_tax(draft: Draft) -> None:
    """One line with the other kind of rate: included among excluded ones, or the reverse."""
    region = draft.region
    for line in draft.rng.sample(draft.lines, 1):
        rate = {**IMPORT_RATE, "subRates": []}
        line["taxRate"] = {**rate, "includedInPrice": not region.included, "country": region.country}


def gift_line(draft: Draft) -> None:
    if draft.digital:
        return
    product = draft.rng.choice(GIFTS)
    line = new_line(draft, product, 1)
    free = {
        "value": money(0, draft.currency),
        "includedDiscounts": [
            {"discount": reference("cart-discount", "gift-tote"), "discountedAmount": line["price"]["value"]}
        ],
    }
    line["lineItemMode"] = "GiftLineItem"
    line["discountedPricePerQuantity"] = [{"quantity": 1, "discountedPrice": free}]
    draft.lines.append(line)


def _custom_line(draft: Draft, slug: str, name: str, cent_amount: int, quantity: int) -> Json:
    return {
        "id": random_id(draft.rng),
        "key": slug,
        "name": {"en-US": name},
        "money": money(cent_amount, draft.currency),
        "slug": slug,
        "quantity": quantity,
        "discountedPricePerQuantity": [],
        "taxCategory": reference("tax-category", "standard"),
        "state": initial_state(quantity),
        "totalPrice": money(0, draft.currency),
        "perMethodTaxRate": [],
        "taxedPricePortions": [],
        "priceMode": "Standard" if cent_amount > 0 else "External",
        "taxRate": draft.region.tax_rate(),
    }


def custom_fee(draft: Draft) -> None:
    slug, name, price = draft.rng.choice(
        [("gift-wrap", "Gift wrap „Sterne“", 350), ("assembly", "Assembly", 2500), ("deposit", "Pfand", 25)]
    )
    quantity = draft.rng.choice([1, 1, 2, 3])
    fee = _custom_line(draft, slug, name, price_in(draft.currency, price), quantity)
    draft.order["customLineItems"].append(fee)


def negative_voucher(draft: Draft) -> None:
    """A voucher that takes at most half of what the lines cost."""
    draft.total()
    most = sum(line["totalPrice"]["centAmount"] for line in draft.lines) // 2
    if most < 1:
        return
    quantity = draft.rng.choice([1, 1, 2]) if most > 1 else 1
    amount = draft.rng.randint(1, max(1, most // quantity))
    draft.order["customLineItems"].append(
        _custom_line(draft, "goodwill-voucher", "Goodwill voucher", -amount, quantity)
    )
