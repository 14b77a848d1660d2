"""Taxes as commercetools gives them, never recomputed: one row per portion and sub-rate.

MAO's rows are unique per list by TaxCode + TaxTypeId + Jurisdiction + JurisdictionTypeId +
FulfillmentGroupId (DOC: order-pricing-tax). Amounts are integers in the currency's minor unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.money import allocate
from ct_mao_sync.mapping.source import OrderSource, row_id, short_hash
from ct_mao_sync.models.commercetools import TaxedPrice, TaxPortion, TaxRate

# Countries with sales tax; everywhere else it is VAT in MAO's words.
_SALES_TAX = frozenset({"US", "CA"})
# Below a hundredth of a percent the base of a difference says nothing.
_SMALLEST_RATE = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class TaxFact:
    """What is known of one rate: `name` as portions carry it; `informational` where the price has it in."""

    rate: Decimal
    name: str
    country: str
    jurisdiction: str
    jurisdiction_type: str
    informational: bool

    @property
    def tax_type(self) -> str:
        return "SALES" if self.country in _SALES_TAX else "VAT"


@dataclass(frozen=True, slots=True)
class TaxRow:
    """One row before it is rendered. `kind` is Item, Shipping, Charge or Adjust."""

    kind: str
    fact: TaxFact
    fulfillment_group_id: str
    tax_cent_amount: int
    taxable_cent_amount: int

    @property
    def tax_code(self) -> str:
        return tax_code(self.kind, self.fact.rate)

    @property
    def combination(self) -> tuple[str, ...]:
        fact = self.fact
        return (
            self.tax_code,
            fact.tax_type,
            fact.jurisdiction,
            fact.jurisdiction_type,
            self.fulfillment_group_id,
        )


@lru_cache(maxsize=1024)
def tax_code(kind: str, rate: Decimal) -> str:
    """`Shipping-0.19`: the kind of thing that is taxed, and the rate as a fraction."""
    return f"{kind}-{format(rate.normalize(), 'f') if rate else '0'}"


def tax_facts(rate: TaxRate) -> list[TaxFact]:
    """A rate as its portions will name it: each sub-rate, or the rate itself."""
    if not rate.sub_rates:
        return [_whole_fact(rate)]
    return [
        TaxFact(sub.amount, sub.name, rate.country, sub.name, "STATE", rate.included_in_price)
        for sub in rate.sub_rates
    ]


def map_item_taxes(
    source: OrderSource,
    what: str,
    kind: str,
    taxed: TaxedPrice | None,
    rate: TaxRate | None,
    fulfillment_group_id: str = "",
) -> list[TaxRow] | Rejection:
    """The rows of one item, shipping or charge. `what` names it for a person. Tax without a TaxRate is a
    Rejection `source-invalid`: whether the price includes it would be a guess."""
    if taxed is None:
        return []
    tax = taxed.tax_cent_amount
    if rate is None:
        if tax or any(portion.amount.cent_amount for portion in taxed.tax_portions):
            return source.reject("source-invalid", f"{what} has tax but no taxRate", field="taxRate")
        return []
    net = taxed.total_net.cent_amount
    if not taxed.tax_portions:
        return [TaxRow(kind, _whole_fact(rate), fulfillment_group_id, tax, net)]
    rows: dict[tuple[str, ...], TaxRow] = {}
    for portion in taxed.tax_portions:
        fact = _fact_of(rate, portion)
        row = TaxRow(kind, fact, fulfillment_group_id, portion.amount.cent_amount, net)
        same = rows.get(row.combination)
        if same:  # two portions of one rate and place: one row, over the same net
            row = replace(same, tax_cent_amount=same.tax_cent_amount + row.tax_cent_amount)
        rows[row.combination] = row
    return list(rows.values())


def split_tax_rows(rows: Sequence[TaxRow], quantities: Sequence[int]) -> list[list[TaxRow]]:
    """The rows of a line divided over its shares; each amount adds up exactly."""
    if len(quantities) == 1:
        return [list(rows)]
    shares: list[list[TaxRow]] = [[] for _ in quantities]
    for row in rows:
        taxes = allocate(row.tax_cent_amount, quantities)
        nets = allocate(row.taxable_cent_amount, quantities)
        for share, tax, net in zip(shares, taxes, nets, strict=True):
            share.append(replace(row, tax_cent_amount=tax, taxable_cent_amount=net))
    return shares


def map_adjustments(
    source: OrderSource, rows: Sequence[TaxRow], facts: Iterable[TaxFact]
) -> list[TaxRow] | Rejection:
    """Per rate and name the difference between the order's own portions and the sum of its items, shippings
    and charges: a discount on the total, and rounding. `facts` are all rates the order knows."""
    taxed = source.order.taxed_price
    if taxed is None:
        return []
    known = list(dict.fromkeys([*facts, *(row.fact for row in rows)]))
    differences = _differences(taxed, rows)
    if differences and not known:
        return source.reject("source-invalid", "it has tax but no taxRate", field="taxedPrice.taxPortions")
    plain: list[TaxRow] = []
    mixed: list[tuple[TaxFact, int]] = []
    for (rate, name), difference in differences.items():
        alike = _alike(known, rate, name)
        fact = replace(alike[0], rate=rate, name=name)
        if len({other.informational for other in alike}) > 1:
            mixed.append((fact, difference))
        elif difference:
            plain.append(_adjustment(source, fact, difference))
    if not mixed:
        return plain
    return plain + _split_mixed(source, mixed, [*rows, *plain])


def render_tax_rows(source: OrderSource, rows: Sequence[TaxRow], *scope: str) -> list[dict[str, Any]]:
    """MAO's rows. Equal combinations become one; where one is informational and the other is not, the
    latter is told apart by its TaxCode. The id follows from scope and combination."""
    combined = [(row.combination, row) for row in rows]
    kinds: dict[tuple[str, ...], set[bool]] = {}
    for combination, row in combined:
        kinds.setdefault(combination, set()).add(row.fact.informational)
    merged: dict[tuple[str, ...], TaxRow] = {}
    for combination, row in combined:
        if len(kinds[combination]) > 1 and not row.fact.informational:
            combination = (f"{combination[0]}-net", *combination[1:])
        same = merged.get(combination)
        if same:
            row = replace(
                same,
                tax_cent_amount=same.tax_cent_amount + row.tax_cent_amount,
                taxable_cent_amount=same.taxable_cent_amount + row.taxable_cent_amount,
            )
        merged[combination] = row
    money = source.currency.decimal
    rendered: list[dict[str, Any]] = []
    for combination, row in merged.items():
        own_scope = scope or (_SCOPES[row.kind],)
        tax = {
            "TaxDetailId": row_id("tax", *own_scope, short_hash("|".join(combination), 10)),
            "TaxTypeId": combination[1],
            "TaxCode": combination[0],
            "TaxRate": row.fact.rate,
            "TaxableAmount": money(row.taxable_cent_amount),
            "TaxAmount": money(row.tax_cent_amount),
            "Jurisdiction": combination[2],
            "JurisdictionTypeId": combination[3],
            "IsInformational": row.fact.informational,
        }
        if combination[4]:
            tax["FulfillmentGroupId"] = combination[4]
        rendered.append(tax)
    return rendered


_SCOPES = {"Shipping": "ship", "Charge": "charge", "Adjust": "adj"}


def _whole_fact(rate: TaxRate) -> TaxFact:
    place = f"{rate.country}-{rate.state}" if rate.state else rate.country
    level = "STATE" if rate.state else "COUNTRY"
    return TaxFact(rate.amount, rate.name, rate.country, place, level, rate.included_in_price)


def _fact_of(rate: TaxRate, portion: TaxPortion) -> TaxFact:
    facts = tax_facts(rate)
    if not rate.sub_rates:
        fact = facts[0]
    else:
        named = [fact for fact in facts if fact.name == portion.name and fact.rate == portion.rate]
        named = named or [fact for fact in facts if fact.name == portion.name]
        fact = named[0] if named else _whole_fact(rate)
    name = portion.name or fact.name
    if name == fact.name and portion.rate == fact.rate:
        return fact
    return replace(fact, rate=portion.rate, name=name)


def _differences(taxed: TaxedPrice, rows: Sequence[TaxRow]) -> dict[tuple[Decimal, str], int]:
    """Order's portions less the rows, by rate and name; mixed rates stay in, also when they are even."""
    if not taxed.tax_portions:
        # Old orders: the total is all there is. What rounding left goes to the rate with most tax.
        left = taxed.tax_cent_amount - sum(row.tax_cent_amount for row in rows)
        if not left:
            return {}
        largest = max(rows, key=lambda row: abs(row.tax_cent_amount), default=None)
        return {(largest.fact.rate, largest.fact.name) if largest else (Decimal(0), ""): left}
    order_names: dict[Decimal, dict[str, None]] = {}
    row_names: dict[Decimal, set[str]] = {}
    for portion in taxed.tax_portions:
        order_names.setdefault(portion.rate, {})[portion.name or ""] = None
    for row in rows:
        row_names.setdefault(row.fact.rate, set()).add(row.fact.name)
    # Names are matched where both sides use the same ones; otherwise the rate alone is compared.
    by_name = {rate: row_names.get(rate, set()) <= set(names) for rate, names in order_names.items()}
    differences: dict[tuple[Decimal, str], int] = {}

    def add(rate: Decimal, name: str, amount: int) -> None:
        if not by_name.get(rate, False):
            name = next(iter(order_names.get(rate, ())), "") or min(row_names.get(rate, {""}))
        differences[rate, name] = differences.get((rate, name), 0) + amount

    for portion in taxed.tax_portions:
        add(portion.rate, portion.name or "", portion.amount.cent_amount)
    for row in rows:
        add(row.fact.rate, row.fact.name, -row.tax_cent_amount)
    informational: dict[Decimal, set[bool]] = {}
    for row in rows:
        informational.setdefault(row.fact.rate, set()).add(row.fact.informational)
    return {
        key: amount for key, amount in differences.items() if amount or len(informational.get(key[0], ())) > 1
    }


def _alike(known: Sequence[TaxFact], rate: Decimal, name: str) -> list[TaxFact]:
    """The facts that speak for a portion: of its rate and name, else of its rate, else all."""
    same_rate = [fact for fact in known if fact.rate == rate]
    return [fact for fact in same_rate if fact.name == name] or same_rate or list(known)


def _split_mixed(
    source: OrderSource, mixed: Sequence[tuple[TaxFact, int]], rows: Sequence[TaxRow]
) -> list[TaxRow]:
    """Rates that are included in some prices and not in others: as much is added on top as the order's
    gross demands, the rest is informational."""
    taxed = source.order.taxed_price
    assert taxed is not None  # the only caller has looked
    gross = taxed.total_gross.cent_amount
    on_top = sum(row.tax_cent_amount for row in rows if not row.fact.informational)
    missing = gross - source.order.total_price.cent_amount - on_top
    shares = allocate(missing, [abs(difference) for _, difference in mixed])
    made: list[TaxRow] = []
    for (fact, difference), share in zip(mixed, shares, strict=True):
        for informational, amount in ((False, share), (True, difference - share)):
            if amount:
                made.append(_adjustment(source, replace(fact, informational=informational), amount))
    return made


def _adjustment(source: OrderSource, fact: TaxFact, tax_cent_amount: int) -> TaxRow:
    taxable = 0
    if fact.rate >= _SMALLEST_RATE:
        base = Decimal(tax_cent_amount) / fact.rate
        step = 10 ** (source.currency.digits - source.currency.decimals)
        taxable = int((base / step).quantize(Decimal(1), ROUND_HALF_EVEN)) * step
    return TaxRow("Adjust", fact, "", tax_cent_amount, taxable)
