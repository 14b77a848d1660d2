"""The sums of a commercetools Order, computed the way commercetools does: lines, taxes, order.

`price_order` derives every total of an Order from its facts (prices, discounted prices, tax rates, shipping
prices, the discount on the total). The generator and every order edit of the sandbox go through it, so that
an Order of the sandbox always adds up to the minor unit. Amounts are integers in minor units ("centAmount").

Rules (commercetools docs: carts, orders, taxes): line total = sum of group quantity x discounted unit price,
rounded half even; taxes per line (LineItemLevel), half even; portions of the Order joined by rate and name
and reduced in proportion by `discountOnTotalPrice`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_HALF_EVEN, ROUND_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any

Json = dict[str, Any]

_FRACTION_DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "KWD": 3, "BHD": 3, "TND": 3}


def fraction_digits(currency: str) -> int:
    """Default number of decimals of a currency (ISO 4217)."""
    return _FRACTION_DIGITS.get(currency, 2)


def money(cent_amount: int, currency: str) -> Json:
    """A centPrecision money; `cent_amount` in minor units."""
    return {
        "type": "centPrecision",
        "currencyCode": currency,
        "centAmount": cent_amount,
        "fractionDigits": fraction_digits(currency),
    }


def high_precision_money(precise_amount: int, currency: str, digits: int) -> Json:
    """A highPrecision money of `precise_amount` / 10^`digits`; `centAmount` is its rounded value."""
    exact = Fraction(precise_amount, 10 ** (digits - fraction_digits(currency)))
    return {
        "type": "highPrecision",
        "currencyCode": currency,
        "centAmount": round_amount(exact),
        "preciseAmount": precise_amount,
        "fractionDigits": digits,
    }


def exact_amount(value: Json) -> Fraction:
    """The amount of a money in minor units, exact also for highPrecision."""
    if value.get("type") == "highPrecision":
        digits = value["fractionDigits"] - fraction_digits(value["currencyCode"])
        return Fraction(value["preciseAmount"], 10**digits)
    return Fraction(value["centAmount"])


def round_amount(value: Fraction, rounding: str = ROUND_HALF_EVEN) -> int:
    """Round an exact amount to whole minor units."""
    if rounding == ROUND_HALF_EVEN:
        return round(value)  # Fraction rounds half to even
    with localcontext() as context:
        context.prec = 60
        return int(Decimal(value.numerator / Decimal(value.denominator)).to_integral_value(rounding))


def unit_price(line: Json) -> Json:
    """The price one unit is sold for before cart discounts: the product discount's, else the list price."""
    price: Json = line["price"]
    discounted = price.get("discounted")
    value: Json = discounted["value"] if discounted else price["value"]
    return value


def unit_groups(line: Json) -> list[tuple[int, Fraction]]:
    """(quantity, exact unit amount) groups of a line item or custom line item, after all discounts."""
    groups = line.get("discountedPricePerQuantity") or []
    if groups:
        return [(g["quantity"], exact_amount(g["discountedPrice"]["value"])) for g in groups]
    unit = line["money"] if "money" in line else unit_price(line)
    return [(line["quantity"], exact_amount(unit))]


def line_total(line: Json) -> int:
    """Total of a line in minor units; an ExternalTotal line keeps the total it was given."""
    if line.get("priceMode") == "ExternalTotal":
        return int(line["totalPrice"]["centAmount"])
    return round_amount(sum((q * unit for q, unit in unit_groups(line)), Fraction(0)))


def rate_of(tax_rate: Json) -> Fraction:
    """The rate as an exact fraction (JSON numbers are read by their decimal text)."""
    return Fraction(str(tax_rate["amount"]))


def taxed_price(amount: int, tax_rate: Json, currency: str, rounding: str = ROUND_HALF_EVEN) -> Json:
    """TaxedItemPrice of an amount that contains the tax or not, by `includedInPrice`."""
    rate = rate_of(tax_rate)
    if tax_rate["includedInPrice"]:
        net = round_amount(Fraction(amount) / (1 + rate), rounding)
        gross = amount
    else:
        net = amount
        gross = amount + round_amount(amount * rate, rounding)
    return _taxed(net, gross, _split_tax(gross - net, tax_rate), currency)


def _split_tax(tax: int, tax_rate: Json) -> list[tuple[str, Any, int]]:
    """(name, rate, amount) per sub-rate; the last takes what rounding leaves, so that the sum is the tax."""
    sub_rates = tax_rate.get("subRates") or []
    if not sub_rates:
        return [(tax_rate["name"], tax_rate["amount"], tax)]
    whole = sum(Fraction(str(s["amount"])) for s in sub_rates)
    rows: list[tuple[str, Any, int]] = []
    left = tax
    for sub in sub_rates[:-1]:
        part = round_amount(tax * Fraction(str(sub["amount"])) / whole) if whole else 0
        rows.append((sub["name"], sub["amount"], part))
        left -= part
    rows.append((sub_rates[-1]["name"], sub_rates[-1]["amount"], left))
    return rows


def _taxed(net: int, gross: int, portions: Iterable[tuple[str, Any, int]], currency: str) -> Json:
    return {
        "totalNet": money(net, currency),
        "totalGross": money(gross, currency),
        "taxPortions": [
            {"rate": rate, "amount": money(amount, currency), "name": name} for name, rate, amount in portions
        ],
        "totalTax": money(gross - net, currency),
    }


def _portions(taxed: Json) -> Iterator[tuple[str, Any, int]]:
    for portion in taxed["taxPortions"]:
        yield portion["name"], portion["rate"], portion["amount"]["centAmount"]


def _joined(rows: Iterable[tuple[str, Any, int]]) -> list[tuple[str, Any, int]]:
    sums: dict[tuple[str, Any], int] = {}
    for name, rate, amount in rows:
        sums[name, rate] = sums.get((name, rate), 0) + amount
    return [(name, rate, amount) for (name, rate), amount in sums.items()]


class _Part:
    """One taxed amount of an Order: what it adds to the total, its rate and its taxes."""

    __slots__ = ("amount", "included", "taxed")

    def __init__(self, amount: int, tax_rate: Json, currency: str, rounding: str) -> None:
        self.amount = amount
        self.included: bool = tax_rate["includedInPrice"]
        self.taxed = taxed_price(amount, tax_rate, currency, rounding)


def _reduced(parts: Sequence[_Part], total: int, factor: Fraction, currency: str) -> Json:
    """Taxes of several parts together, reduced by `factor`; `total` is their reduced total."""
    inside = _joined(row for p in parts if p.included for row in _portions(p.taxed))
    outside = _joined(row for p in parts if not p.included for row in _portions(p.taxed))
    inside = [(n, r, round_amount(a * factor)) for n, r, a in inside]
    outside = [(n, r, round_amount(a * factor)) for n, r, a in outside]
    gross = total + sum(a for _, _, a in outside)
    portions = _joined([*inside, *outside])
    return _taxed(gross - sum(a for _, _, a in portions), gross, portions, currency)


def _amounts_by_method(line: Json) -> dict[str, int]:
    """What each shipping method carries of a line's total: units taken in order of the price groups."""
    quantities: dict[str, int] = {}
    for target in line["shippingDetails"]["targets"]:
        key = target["shippingMethodKey"]
        quantities[key] = quantities.get(key, 0) + target["quantity"]
    total = line["totalPrice"]["centAmount"]
    groups = unit_groups(line)
    if line.get("priceMode") == "ExternalTotal":
        groups = [(line["quantity"], Fraction(total, line["quantity"]))]
    units = [unit for quantity, unit in groups for unit in [unit] * quantity]
    amounts: dict[str, int] = {}
    taken = 0
    for position, (key, quantity) in enumerate(quantities.items()):
        last = position == len(quantities) - 1
        before = round_amount(sum(units[:taken], Fraction(0)))
        taken += quantity
        after = total if last else round_amount(sum(units[:taken], Fraction(0)))
        amounts[key] = after - before
    return amounts


def _price_line(line: Json, currency: str, mode: str, rounding: str) -> list[_Part] | None:
    """Total and taxes of one line; None when a line that should be taxed has no rate."""
    line["totalPrice"] = money(line_total(line), currency)
    line["taxedPricePortions"] = []
    line.pop("taxedPrice", None)
    if mode == "Disabled":
        line.pop("taxRate", None)
        return []
    rates = {row["shippingMethodKey"]: row["taxRate"] for row in line.get("perMethodTaxRate") or []}
    if rates:
        parts = []
        for key, amount in _amounts_by_method(line).items():
            part = _Part(amount, rates[key], currency, rounding)
            parts.append(part)
            line["taxedPricePortions"].append({"shippingMethodKey": key, "taxedPrice": part.taxed})
        line["taxedPrice"] = _reduced(parts, line["totalPrice"]["centAmount"], Fraction(1), currency)
        return parts
    if "taxRate" not in line:
        return None
    part = _Part(line["totalPrice"]["centAmount"], line["taxRate"], currency, rounding)
    line["taxedPrice"] = part.taxed
    return [part]


def shipping_infos(order: Json) -> list[Json]:
    """Every ShippingInfo of an Order: one in Single mode, one per shippingKey in Multiple mode."""
    if order.get("shippingMode") == "Multiple":
        return [shipping["shippingInfo"] for shipping in order.get("shipping") or []]
    return [order["shippingInfo"]] if order.get("shippingInfo") else []


def _price_shipping(info: Json, currency: str, mode: str, rounding: str) -> tuple[int, list[_Part] | None]:
    charged = info["discountedPrice"]["value"] if info.get("discountedPrice") else info["price"]
    amount = int(charged["centAmount"])
    info.pop("taxedPrice", None)
    if mode == "Disabled":
        info.pop("taxRate", None)
        return amount, []
    if "taxRate" not in info:
        return amount, None
    part = _Part(amount, info["taxRate"], currency, rounding)
    info["taxedPrice"] = part.taxed
    return amount, [part]


def price_order(order: Json) -> None:
    """Compute every total and tax of an Order in place from its prices, discounts and tax rates.

    `order["totalPrice"]["currencyCode"]` names the currency. A line or shipping without a tax rate (no
    shipping address yet) leaves the Order without `taxedPrice`. ExternalAmount taxes come from a tax engine
    of the shop, which here rounds up: nobody can compute them again (commercetools docs: TaxMode).
    """
    currency = order["totalPrice"]["currencyCode"]
    mode = order.get("taxMode", "Platform")
    rounding = ROUND_UP if mode == "ExternalAmount" else ROUND_HALF_EVEN
    parts: list[_Part] = []
    complete = True
    total = 0
    for line in [*order["lineItems"], *order["customLineItems"]]:
        taxes = _price_line(line, currency, mode, rounding)
        total += line["totalPrice"]["centAmount"]
        complete = complete and taxes is not None
        parts.extend(taxes or [])
    shipping_parts: list[_Part] = []
    shipping_total = 0
    infos = shipping_infos(order)
    for info in infos:
        amount, taxes = _price_shipping(info, currency, mode, rounding)
        shipping_total += amount
        complete = complete and taxes is not None
        shipping_parts.extend(taxes or [])
    total += shipping_total
    parts.extend(shipping_parts)

    discount = order.get("discountOnTotalPrice")
    discounted = discount["discountedAmount"]["centAmount"] if discount else 0
    factor = Fraction(total - discounted, total) if total else Fraction(1)
    reduced_total = total - discounted
    order["totalPrice"] = money(reduced_total, currency)
    for field in ("taxedPrice", "taxedShippingPrice"):
        order.pop(field, None)
    if discount:
        discount.pop("discountedNetAmount", None)
        discount.pop("discountedGrossAmount", None)
    if mode == "Disabled":
        nothing = [("Disabled tax calculation", 0, 0)]
        order["taxedPrice"] = _taxed(reduced_total, reduced_total, nothing, currency)
        return
    if not complete:
        return
    order["taxedPrice"] = _reduced(parts, reduced_total, factor, currency)
    if infos and mode != "ExternalAmount":
        reduced_shipping = round_amount(shipping_total * factor)
        order["taxedShippingPrice"] = _reduced(shipping_parts, reduced_shipping, factor, currency)
    if discount:
        whole = _reduced(parts, total, Fraction(1), currency)
        for field, taken in (("totalNet", "discountedNetAmount"), ("totalGross", "discountedGrossAmount")):
            less = whole[field]["centAmount"] - order["taxedPrice"][field]["centAmount"]
            discount[taken] = money(less, currency)
