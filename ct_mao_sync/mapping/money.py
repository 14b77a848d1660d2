"""Amounts as integers in the currency's minor unit, and how they are rounded, split and written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from ct_mao_sync.models.commercetools import Money, Order

# Far above any real price, far below what Decimal's 28 digits or MAO could hold.
_LARGEST_CENT_AMOUNT = 10**15


@dataclass(frozen=True, slots=True)
class Currency:
    """The currency of one order: `digits` of its minor unit, `decimals` that MAO takes (never more)."""

    code: str
    digits: int
    decimals: int

    def decimal(self, cent_amount: int) -> Decimal:
        """The amount in whole units, with as many digits as MAO takes; more only where it does not fit."""
        surplus = self.digits - self.decimals
        if surplus:
            whole, rest = divmod(cent_amount, 10**surplus)
            if not rest:
                return Decimal(whole).scaleb(-self.decimals)
        return Decimal(cent_amount).scaleb(-self.digits)

    def fits(self, amount: Decimal) -> bool:
        """Does MAO take the amount without rounding it?"""
        return amount == round(amount, self.decimals)

    def round_price(self, amount: Decimal) -> int:
        """A price in whole units, possibly more precise than the currency, as a cent amount that MAO takes;
        half to even."""
        rounded = int(amount.scaleb(self.decimals).quantize(Decimal(1), ROUND_HALF_EVEN))
        return int(rounded * 10 ** (self.digits - self.decimals))

    def floor_price(self, cent_amount: int, quantity: int) -> int:
        """The largest unit price MAO takes that, times quantity, is not above the cent amount."""
        step = 10 ** (self.digits - self.decimals)
        return int(cent_amount // (quantity * step) * step)


def map_currency(order: Order, decimals: int | None) -> Currency:
    """The order's currency; `decimals` of the configuration, None where it says nothing."""
    digits = order.total_price.currency_digits
    return Currency(
        order.total_price.currency_code, digits, digits if decimals is None else min(digits, decimals)
    )


def find_foreign_money(order: Order) -> str | None:
    """The path of an amount that cannot be added to the others: in another currency, of another minor unit,
    or absurdly large; None when there is none."""
    code = order.total_price.currency_code
    digits = order.total_price.currency_digits
    if order.total_price.precise_amount is not None:
        return "totalPrice"
    for path, money in _monies(order):
        if (
            money.currency_code != code
            or abs(money.cent_amount) > _LARGEST_CENT_AMOUNT
            or (money.precise_amount is None and money.currency_digits != digits)
            or (money.precise_amount is not None and not 0 <= (money.fraction_digits or 0) <= 20)
        ):
            return path
    return None


def _monies(order: Order) -> Iterator[tuple[str, Money]]:
    yield "totalPrice", order.total_price
    if order.taxed_price:
        yield "taxedPrice.totalNet", order.taxed_price.total_net
        yield "taxedPrice.totalGross", order.taxed_price.total_gross
        for portion in order.taxed_price.tax_portions:
            yield "taxedPrice.taxPortions", portion.amount
    if order.discount_on_total_price:
        yield "discountOnTotalPrice.discountedAmount", order.discount_on_total_price.discounted_amount
        for discount in order.discount_on_total_price.included_discounts:
            yield "discountOnTotalPrice.includedDiscounts", discount.discounted_amount
    for line in order.line_items:
        yield "lineItems.price.value", line.price.value
        if line.price.discounted:
            yield "lineItems.price.discounted.value", line.price.discounted.value
        for tier in line.price.tiers:
            yield "lineItems.price.tiers.value", tier.value
    for custom in order.custom_line_items:
        yield "customLineItems.money", custom.money
    for name, items in (("lineItems", order.line_items), ("customLineItems", order.custom_line_items)):
        for item in items:
            yield f"{name}.totalPrice", item.total_price
            taxed_prices = [item.taxed_price, *(row.taxed_price for row in item.taxed_price_portions)]
            for taxed in taxed_prices:
                if taxed:
                    yield f"{name}.taxedPrice.totalNet", taxed.total_net
                    yield f"{name}.taxedPrice.totalGross", taxed.total_gross
                    for portion in taxed.tax_portions:
                        yield f"{name}.taxedPrice.taxPortions", portion.amount
            for group in item.discounted_price_per_quantity:
                for discount in group.discounted_price.included_discounts:
                    yield f"{name}.discountedPricePerQuantity", discount.discounted_amount
    infos = [entry.shipping_info for entry in order.shipping]
    if order.shipping_info:
        infos.append(order.shipping_info)
    for info in infos:
        yield "shippingInfo.price", info.price
        if info.taxed_price:
            yield "shippingInfo.taxedPrice.totalNet", info.taxed_price.total_net
            yield "shippingInfo.taxedPrice.totalGross", info.taxed_price.total_gross
            for portion in info.taxed_price.tax_portions:
                yield "shippingInfo.taxedPrice.taxPortions", portion.amount
        if info.discounted_price:
            yield "shippingInfo.discountedPrice.value", info.discounted_price.value
            for discount in info.discounted_price.included_discounts:
                yield "shippingInfo.discountedPrice.includedDiscounts", discount.discounted_amount


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Integers in proportion to the weights that add up to `total` exactly; the same for the same input.
    Weights are not negative; when all are 0 the first takes everything."""
    whole = sum(weights)
    if not whole:
        return [total if index == 0 else 0 for index in range(len(weights))]
    sign, size = (-1, -total) if total < 0 else (1, total)
    shares: list[int] = []
    weight_so_far = given = 0
    for weight in weights:
        weight_so_far += weight
        due = size * weight_so_far // whole
        shares.append(sign * (due - given))
        given = due
    return shares
