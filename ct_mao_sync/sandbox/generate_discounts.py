"""Discounts of a generated Order: on lines, on shipping, on the total; by code or given directly."""

from __future__ import annotations

from fractions import Fraction

from .generate_catalog import CODES, random_id, reference
from .generate_lines import Draft, set_quantity
from .generate_money import (
    Json,
    exact_amount,
    fraction_digits,
    high_precision_money,
    money,
    round_amount,
    shipping_infos,
    unit_price,
)


def money_like(exact: Fraction, like: Json) -> Json:
    """An amount in minor units as a money of the same precision as `like`, rounded half even."""
    if like.get("type") != "highPrecision":
        return money(round_amount(exact), like["currencyCode"])
    currency, digits = like["currencyCode"], like["fractionDigits"]
    precise = round_amount(exact * 10 ** (digits - fraction_digits(currency)))
    return high_precision_money(precise, currency, digits)


def _groups(line: Json) -> list[Json]:
    """The price groups of a line, made from its one unit price when there is none yet."""
    groups: list[Json] = line["discountedPricePerQuantity"]
    if not groups:
        price = {"value": unit_price(line), "includedDiscounts": []}
        groups.append({"quantity": line["quantity"], "discountedPrice": price})
    return groups


def _discount_line(line: Json, steps: list[tuple[Json, Fraction]]) -> None:
    """Takes shares off every unit, one after the other. Each step's amount is rounded by itself, the price
    once at the end: the amounts need not add up to the difference, as on the platform.
    """
    for group in _groups(line):
        price = group["discountedPrice"]
        value = price["value"]
        exact = exact_amount(value)
        for discount, share in steps:
            taken = exact * share
            exact -= taken
            row = {"discount": discount, "discountedAmount": money_like(taken, value)}
            price["includedDiscounts"] = [*price["includedDiscounts"], row]
        price["value"] = money_like(exact, value)


def product_discount(draft: Draft) -> None:
    for line in draft.some_lines():
        if line["discountedPricePerQuantity"]:
            continue
        share = Fraction(draft.rng.choice([5, 20, 33, 50]), 100)
        value = line["price"]["value"]
        discounted = {
            "value": money_like(exact_amount(value) * (1 - share), value),
            "discount": reference("product-discount", "sale"),
        }
        line["price"] = {**line["price"], "discounted": discounted}
        line["variant"] = {**line["variant"], "prices": [line["price"]]}


def multi_buy(draft: Draft) -> None:
    """Three for two: units of one line at different prices."""
    for line in draft.some_lines()[:1]:
        if line["discountedPricePerQuantity"]:
            continue
        if line["quantity"] < 3:
            set_quantity(line, draft.rng.choice([3, 4, 6, 7]))
        free = line["quantity"] // 3
        unit = unit_price(line)
        whole = {"discount": reference("cart-discount", "3-for-2"), "discountedAmount": unit}
        nothing = money_like(Fraction(0), unit)
        line["discountedPricePerQuantity"] = [
            {
                "quantity": line["quantity"] - free,
                "discountedPrice": {"value": unit, "includedDiscounts": []},
            },
            {"quantity": free, "discountedPrice": {"value": nothing, "includedDiscounts": [whole]}},
        ]


def cart_discount(draft: Draft) -> None:
    key, percent = draft.rng.choice([("save-15", 15), ("welcome-5", 5), ("green-10", 10)])
    for line in draft.some_lines():
        _discount_line(line, [(reference("cart-discount", key), Fraction(percent, 100))])


def stacked_discounts(draft: Draft) -> None:
    first = (reference("cart-discount", "staff-7"), Fraction(7, 100))
    second = (reference("cart-discount", "loyal-3"), Fraction(3, 100))
    third = (reference("cart-discount", "save-15"), Fraction(15, 100))
    for line in draft.some_lines():
        _discount_line(line, [first, second, third][: draft.rng.randint(2, 3)])


def zero_discount(draft: Draft) -> None:
    """A discount that applied and took nothing; real shops have them."""
    for line in draft.some_lines()[:1]:
        _discount_line(line, [(reference("cart-discount", "welcome-5"), Fraction(0))])


def shipping_discount(draft: Draft) -> None:
    for info in shipping_infos(draft.order):
        share = draft.rng.choice([Fraction(1), Fraction(1), Fraction(1, 3)])
        amount = info["price"]["centAmount"]
        taken = round_amount(amount * share)
        info["discountedPrice"] = {
            "value": money(amount - taken, draft.currency),
            "includedDiscounts": [
                {
                    "discount": reference("cart-discount", "free-shipping"),
                    "discountedAmount": money(taken, draft.currency),
                }
            ],
        }


def _direct(draft: Draft, value: Json, target: Json) -> Json:
    """A discount given to this Order alone; the reference to it."""
    given = {"id": random_id(draft.rng), "value": value, "target": target}
    draft.order["directDiscounts"].append(given)
    return {"typeId": "direct-discount", "id": given["id"]}


def direct_discount(draft: Draft) -> None:
    """A discount that an agent gave to some lines; such an Order has no discount codes."""
    value = {"type": "relative", "permyriad": 1250}
    discount = _direct(draft, value, {"type": "lineItems", "predicate": "1 = 1"})
    for line in draft.some_lines():
        _discount_line(line, [(discount, Fraction(125, 1000))])


def discount_on_total(draft: Draft) -> None:
    """One or two discounts on the total; direct ones where the Order has direct discounts already."""
    total = draft.total()
    if total < 10:
        return
    amounts = [draft.rng.choice([total // 10, min(total // 2, draft.rng.randint(1, 3000))])]
    if draft.rng.random() < 0.3:
        amounts.append(max(1, total // 50))
    rows = []
    for key, cent_amount in zip(["total-10", "loyal-3"], amounts, strict=False):
        amount = money(cent_amount, draft.currency)
        discount = reference("cart-discount", key)
        if draft.order["directDiscounts"]:
            absolute = {"type": "absolute", "money": [amount]}
            discount = _direct(draft, absolute, {"type": "totalPrice"})
        rows.append({"discount": discount, "discountedAmount": amount})
    draft.order["discountOnTotalPrice"] = {
        "discountedAmount": money(sum(amounts), draft.currency),
        "includedDiscounts": rows,
    }


def discount_code(draft: Draft) -> None:
    """A code whose cart discounts take a share of some lines."""
    if draft.order["directDiscounts"]:
        return
    code = draft.rng.choice(sorted(CODES))
    percent = {"SAVE15": 15, "WELCOME": 5, "GRÜN10": 10}[code]
    for line in draft.some_lines():
        _discount_line(line, [(reference("cart-discount", CODES[code][0]), Fraction(percent, 100))])
    used = {"discountCode": reference("discount-code", code), "state": "MatchesCart"}
    draft.order["discountCodes"].append(used)
