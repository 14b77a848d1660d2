"""Does a commercetools Order add up? An independent reading of its own arithmetic, in minor units.

Written apart from the generator on purpose: it works on any Order and shares no code with what it checks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

_DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "KWD": 3, "BHD": 3, "TND": 3}
_WHOLE = Decimal(1)


def order_sums(order: Mapping[str, Any]) -> list[str]:
    """Every violation of the Order's own arithmetic, as readable lines; empty when it adds up.

    Exact wherever commercetools' rule is exact; one unit of slack per portion where a discount on the total
    is spread over tax portions, because the order of rounding there is not documented.
    """
    return _Check(order).violations()


def _digits(currency: str) -> int:
    return _DIGITS.get(currency, 2)


def _exact(money: Mapping[str, Any]) -> Decimal:
    if money.get("type") == "highPrecision":
        shift = money["fractionDigits"] - _digits(money["currencyCode"])
        return Decimal(money["preciseAmount"]).scaleb(-shift)
    return Decimal(money["centAmount"])


def _rounded(value: Decimal) -> int:
    return int(value.quantize(_WHOLE, ROUND_HALF_EVEN))


def _cents(money: Mapping[str, Any]) -> int:
    return int(money["centAmount"])


def _tax(taxed: Mapping[str, Any]) -> int:
    return _cents(taxed["totalGross"]) - _cents(taxed["totalNet"])


class _Check:
    def __init__(self, order: Mapping[str, Any]) -> None:
        self.order = order
        self.found: list[str] = []
        self.exact_tax = (
            order.get("taxMode", "Platform") in ("Platform", "External")
            and order.get("taxRoundingMode", "HalfEven") == "HalfEven"
            and order.get("taxCalculationMode", "LineItemLevel") == "LineItemLevel"
        )
        # (taxed price, tax rate) of every part that adds to the total
        self.parts: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
        self.complete = True

    def violations(self) -> list[str]:
        self._currencies(self.order, "order")
        total = 0
        for kind in ("lineItems", "customLineItems"):
            for index, line in enumerate(self.order.get(kind) or []):
                total += self._line(line, f"{kind}[{index}]", custom=kind == "customLineItems")
        infos = self._shipping_infos()
        shipping_parts = len(self.parts)
        for where, info in infos:
            total += self._shipping(info, where)
        discounted = self._discount_on_total()
        self._same("totalPrice", _cents(self.order["totalPrice"]), total - discounted)
        self._order_taxes(total, discounted)
        shipped = self.order.get("taxedShippingPrice")
        if shipped:
            self._taxed("taxedShippingPrice", shipped)
            if not discounted and self.complete:
                taxes = [taxed for taxed, _ in self.parts[shipping_parts:]]
                for field in ("totalNet", "totalGross"):
                    expected = sum(_cents(t[field]) for t in taxes)
                    self._same(f"taxedShippingPrice.{field}", _cents(shipped[field]), expected)
        return self.found

    def _same(self, where: str, actual: int, expected: int, slack: int = 0) -> None:
        if abs(actual - expected) > slack:
            self.found.append(f"{where}: {actual}, expected {expected}")

    def _currencies(self, value: Any, where: str) -> None:
        currency = self.order["totalPrice"]["currencyCode"]
        if isinstance(value, Mapping):
            if "centAmount" in value:
                if value.get("currencyCode") != currency:
                    self.found.append(f"{where}: currency {value.get('currencyCode')}, order in {currency}")
                high = value.get("type") == "highPrecision"
                digits = value.get("fractionDigits", _digits(currency))
                if (digits <= _digits(currency)) if high else (digits != _digits(currency)):
                    self.found.append(f"{where}: fractionDigits {digits} in {currency}")
                if high:
                    self._same(f"{where}.centAmount", _cents(value), _rounded(_exact(value)))
                return
            for key, inner in value.items():
                if key not in ("custom", "variant"):  # other currencies and precisions may live there
                    self._currencies(inner, f"{where}.{key}")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            for index, inner in enumerate(value):
                self._currencies(inner, f"{where}[{index}]")

    def _line(self, line: Mapping[str, Any], where: str, *, custom: bool) -> int:
        quantity = line["quantity"]
        groups = line.get("discountedPricePerQuantity") or []
        if groups:
            self._same(f"{where}.discountedPricePerQuantity", sum(g["quantity"] for g in groups), quantity)
            expected = sum(
                (g["quantity"] * _exact(g["discountedPrice"]["value"]) for g in groups), Decimal(0)
            )
        elif custom:
            expected = quantity * _exact(line["money"])
        else:
            price = line["price"]
            unit = price["discounted"]["value"] if price.get("discounted") else price["value"]
            expected = quantity * _exact(unit)
        total = _cents(line["totalPrice"])
        if line.get("lineItemMode") == "GiftLineItem":
            self._same(f"{where}.totalPrice of a gift", total, 0)
        if line.get("priceMode") != "ExternalTotal":
            self._same(f"{where}.totalPrice", total, _rounded(expected))
        if line.get("state"):
            self._same(f"{where}.state", sum(s["quantity"] for s in line["state"]), quantity)
        targets = (line.get("shippingDetails") or {}).get("targets")
        if targets:
            self._same(f"{where}.shippingDetails", sum(t["quantity"] for t in targets), quantity)
        self._line_taxes(line, where, total)
        return total

    def _line_taxes(self, line: Mapping[str, Any], where: str, total: int) -> None:
        taxed = line.get("taxedPrice")
        rates = {r["shippingMethodKey"]: r["taxRate"] for r in line.get("perMethodTaxRate") or []}
        portions = line.get("taxedPricePortions") or []
        if taxed is None:
            self.complete = False
            return
        self._taxed(f"{where}.taxedPrice", taxed)
        if portions and rates:
            amount = 0
            for row in portions:
                rate = rates[row["shippingMethodKey"]]
                key = f"{where}.taxedPricePortions[{row['shippingMethodKey']}]"
                base = _cents(row["taxedPrice"]["totalGross" if rate["includedInPrice"] else "totalNet"])
                amount += base
                self._part(row["taxedPrice"], rate, base, key)
            self._same(f"{where}.taxedPricePortions", amount, total)
            for field in ("totalNet", "totalGross"):
                expected = sum(_cents(row["taxedPrice"][field]) for row in portions)
                self._same(f"{where}.taxedPrice.{field}", _cents(taxed[field]), expected)
        elif line.get("taxRate"):
            self._part(taxed, line["taxRate"], total, f"{where}.taxedPrice")
        else:
            self.complete = False

    def _part(self, taxed: Mapping[str, Any], rate: Mapping[str, Any], amount: int, where: str) -> None:
        self._taxed(where, taxed)
        self.parts.append((taxed, rate))
        share = Decimal(str(rate["amount"]))
        net, gross = _cents(taxed["totalNet"]), _cents(taxed["totalGross"])
        if rate["includedInPrice"]:
            self._same(f"{where}.totalGross", gross, amount)
            if self.exact_tax:
                self._same(f"{where}.totalNet", net, _rounded(amount / (1 + share)))
        else:
            self._same(f"{where}.totalNet", net, amount)
            if self.exact_tax:
                self._same(f"{where}.totalGross", gross, amount + _rounded(amount * share))

    def _taxed(self, where: str, taxed: Mapping[str, Any]) -> None:
        portions = taxed.get("taxPortions")
        if portions:
            self._same(f"{where}.taxPortions", sum(_cents(p["amount"]) for p in portions), _tax(taxed))
            names = [(p.get("name"), p["rate"]) for p in portions]
            if len(set(names)) != len(names):
                self.found.append(f"{where}.taxPortions: a rate and name occurs twice")
        if taxed.get("totalTax"):
            self._same(f"{where}.totalTax", _cents(taxed["totalTax"]), _tax(taxed))

    def _shipping_infos(self) -> list[tuple[str, Mapping[str, Any]]]:
        if self.order.get("shippingMode") == "Multiple":
            rows = self.order.get("shipping") or []
            return [(f"shipping[{s['shippingKey']}]", s["shippingInfo"]) for s in rows]
        info = self.order.get("shippingInfo")
        return [("shippingInfo", info)] if info else []

    def _shipping(self, info: Mapping[str, Any], where: str) -> int:
        amount = _cents(info["discountedPrice"]["value"] if info.get("discountedPrice") else info["price"])
        if info.get("taxedPrice") and info.get("taxRate"):
            self._part(info["taxedPrice"], info["taxRate"], amount, f"{where}.taxedPrice")
        else:
            self.complete = False
        return amount

    def _discount_on_total(self) -> int:
        discount = self.order.get("discountOnTotalPrice")
        if not discount:
            return 0
        amount = _cents(discount["discountedAmount"])
        included = sum(_cents(d["discountedAmount"]) for d in discount["includedDiscounts"])
        self._same("discountOnTotalPrice.includedDiscounts", included, amount)
        return amount

    def _order_taxes(self, total: int, discounted: int) -> None:
        taxed = self.order.get("taxedPrice")
        if not taxed:
            return
        self._taxed("taxedPrice", taxed)
        net, gross = _cents(taxed["totalNet"]), _cents(taxed["totalGross"])
        after = total - discounted
        if self.order.get("taxMode") == "Disabled":
            self._same("taxedPrice.totalNet", net, after)
            self._same("taxedPrice.totalGross", gross, after)
            return
        kinds = {bool(rate["includedInPrice"]) for _, rate in self.parts}
        if not self.complete or not kinds:
            return
        if kinds == {True}:
            self._same("taxedPrice.totalGross", gross, after)
        if kinds == {False}:
            self._same("taxedPrice.totalNet", net, after)
        factor = Decimal(after) / Decimal(total) if total else _WHOLE
        sums: dict[tuple[Any, str], Decimal] = defaultdict(Decimal)
        outside: dict[tuple[Any, str], Decimal] = defaultdict(Decimal)
        for part, rate in self.parts:
            for portion in part.get("taxPortions") or []:
                key = (portion.get("name"), str(portion["rate"]))
                sums[key] += _cents(portion["amount"])
                if not rate["includedInPrice"]:
                    outside[key] += _cents(portion["amount"])
        if not sums:
            return
        slack = len(sums) if discounted else 0
        shown = {(p.get("name"), str(p["rate"])): _cents(p["amount"]) for p in taxed.get("taxPortions") or []}
        if shown and set(shown) != set(sums):
            self.found.append(
                f"taxedPrice.taxPortions: {sorted(map(str, set(shown) ^ set(sums)))} on one side only"
            )
        for key, amount in shown.items():
            slack_each = 1 if discounted else 0
            self._same(f"taxedPrice.taxPortions{key}", amount, _rounded(sums[key] * factor), slack_each)
        expected = after + sum(_rounded(amount * factor) for amount in outside.values())
        self._same("taxedPrice.totalGross", gross, expected, slack)
