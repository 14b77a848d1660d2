"""What we read of a commercetools Order. Lenient: unknown fields and enum values are let through, lists
and amounts that old orders lack are filled in; what is there must have the right shape.

Attribute names are the API's own in snake_case (`line_item.total_price` is `totalPrice`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    TypeAdapter,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from ct_mao_sync.errors import Rejection

# ISO 4217: currencies whose minor unit is not a hundredth.
_FRACTION_DIGITS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


def currency_fraction_digits(currency_code: str) -> int:
    """Digits of a currency's minor unit (ISO 4217): JPY 0, EUR 2, KWD 3."""
    return _FRACTION_DIGITS.get(currency_code, 2)


def _as_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _or_empty(value: Any) -> Any:
    return () if value is None else value


_T = TypeVar("_T")
_Moment = Annotated[datetime, AfterValidator(_as_utc)]
# Old and hand-made orders carry null, or nothing, for an empty list.
_Rows = Annotated[tuple[_T, ...], BeforeValidator(_or_empty)]


class _Read(BaseModel):
    # Built when the first order is read: a run that finds none need not wait for it.
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, defer_build=True
    )


class Money(_Read):
    """CentPrecisionMoney or HighPrecisionMoney. `cent_amount` is always in the currency's minor unit,
    for high precision the rounded value."""

    currency_code: str
    cent_amount: int
    precise_amount: int | None = None
    fraction_digits: int | None = None

    @property
    def currency_digits(self) -> int:
        """Digits of the currency's own minor unit, the unit of `cent_amount`."""
        if self.fraction_digits is None or self.precise_amount is not None:
            return currency_fraction_digits(self.currency_code)
        return self.fraction_digits

    @property
    def amount(self) -> Decimal:
        """The exact amount in whole currency units."""
        if self.precise_amount is not None and self.fraction_digits is not None:
            return Decimal(self.precise_amount).scaleb(-self.fraction_digits)
        return Decimal(self.cent_amount).scaleb(-self.currency_digits)


class Keyed(_Read):
    key: str | None = None


class Reference(_Read):
    """A reference by id or, for stores and business units, by key; `obj` when it was expanded."""

    type_id: str = ""
    id: str = ""
    key: str | None = None
    obj: Keyed | None = None


class SubRate(_Read):
    name: str
    amount: Decimal


class TaxRate(_Read):
    name: str = ""
    amount: Decimal
    included_in_price: bool
    country: str = ""
    state: str | None = None
    sub_rates: _Rows[SubRate] = ()


class TaxPortion(_Read):
    name: str | None = None
    rate: Decimal
    amount: Money


class TaxedPrice(_Read):
    """Net, gross and portions of an order, an item or a shipping."""

    total_net: Money
    total_gross: Money
    tax_portions: _Rows[TaxPortion] = ()

    @property
    def tax_cent_amount(self) -> int:
        return self.total_gross.cent_amount - self.total_net.cent_amount


class MethodTaxedPrice(_Read):
    shipping_method_key: str
    taxed_price: TaxedPrice | None = None


class MethodTaxRate(_Read):
    shipping_method_key: str
    tax_rate: TaxRate | None = None


class DiscountPortion(_Read):
    """One discount and what it takes off: per unit on items, in all on shipping and on the total."""

    discount: Reference
    discounted_amount: Money


class DiscountedPrice(_Read):
    value: Money
    included_discounts: _Rows[DiscountPortion] = ()


class DiscountedPriceForQuantity(_Read):
    quantity: int
    discounted_price: DiscountedPrice


class DiscountOnTotalPrice(_Read):
    discounted_amount: Money
    included_discounts: _Rows[DiscountPortion] = ()


class PriceTier(_Read):
    minimum_quantity: int
    value: Money


class ProductDiscountedPrice(_Read):
    value: Money


class Price(_Read):
    value: Money
    discounted: ProductDiscountedPrice | None = None
    tiers: _Rows[PriceTier] = ()


class ProductVariant(_Read):
    sku: str | None = None


class ItemShippingTarget(_Read):
    address_key: str = ""
    quantity: int
    shipping_method_key: str | None = None


class ItemShippingDetails(_Read):
    targets: _Rows[ItemShippingTarget] = ()


class _Item(_Read):
    """What line items and custom line items have in common."""

    id: str
    quantity: int
    total_price: Money
    discounted_price_per_quantity: _Rows[DiscountedPriceForQuantity] = ()
    tax_rate: TaxRate | None = None
    taxed_price: TaxedPrice | None = None
    per_method_tax_rate: _Rows[MethodTaxRate] = ()
    taxed_price_portions: _Rows[MethodTaxedPrice] = ()
    shipping_details: ItemShippingDetails | None = None


class LineItem(_Item):
    variant: ProductVariant = ProductVariant()
    price: Price
    price_mode: str = "Platform"
    line_item_mode: str = "Standard"
    inventory_mode: str | None = None
    supply_channel: Reference | None = None


class CustomLineItem(_Item):
    money: Money
    slug: str = ""


class Address(_Read):
    key: str | None = None
    country: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    street_name: str | None = None
    street_number: str | None = None
    additional_street_info: str | None = None
    postal_code: str | None = None
    city: str | None = None
    region: str | None = None
    state: str | None = None
    company: str | None = None
    department: str | None = None
    building: str | None = None
    apartment: str | None = None
    p_o_box: str | None = None
    phone: str | None = None
    mobile: str | None = None
    email: str | None = None
    additional_address_info: str | None = None


class Delivery(_Read):
    id: str = ""
    key: str | None = None


class ShippingInfo(_Read):
    shipping_method_name: str = ""
    price: Money
    discounted_price: DiscountedPrice | None = None
    tax_rate: TaxRate | None = None
    taxed_price: TaxedPrice | None = None
    shipping_method: Reference | None = None
    deliveries: _Rows[Delivery] = ()


class Shipping(_Read):
    """One shipping of an order in shippingMode Multiple."""

    shipping_key: str
    shipping_info: ShippingInfo
    shipping_address: Address | None = None


class DiscountCode(_Read):
    code: str = ""
    cart_discounts: _Rows[Reference] = ()


class DiscountCodeReference(_Read):
    id: str = ""
    obj: DiscountCode | None = None


class DiscountCodeInfo(_Read):
    discount_code: DiscountCodeReference


class PaymentMethodInfo(_Read):
    payment_interface: str | None = None
    method: str | None = None


class Transaction(_Read):
    id: str
    type: str
    amount: Money
    state: str = "Initial"
    interaction_id: str | None = None
    timestamp: _Moment | None = None


class Payment(_Read):
    amount_planned: Money | None = None
    payment_method_info: PaymentMethodInfo = PaymentMethodInfo()
    transactions: _Rows[Transaction] = ()


class PaymentReference(_Read):
    """A payment of the order; `obj` when the query expanded `paymentInfo.payments[*]`."""

    id: str
    obj: Payment | None = None


class PaymentInfo(_Read):
    payments: _Rows[PaymentReference] = ()


class SyncInfo(_Read):
    channel: Reference
    external_id: str | None = None
    synced_at: _Moment | None = None


class Order(_Read):
    """A commercetools Order, as far as it is mapped."""

    id: str
    version: int
    order_number: str | None = None
    purchase_order_number: str | None = None
    customer_email: str | None = None
    store: Reference | None = None
    country: str | None = None
    locale: str | None = None
    order_state: str
    shipment_state: str | None = None
    payment_state: str | None = None
    inventory_mode: str | None = None
    created_at: _Moment
    last_modified_at: _Moment
    total_price: Money
    taxed_price: TaxedPrice | None = None
    discount_on_total_price: DiscountOnTotalPrice | None = None
    discount_codes: _Rows[DiscountCodeInfo] = ()
    line_items: _Rows[LineItem] = ()
    custom_line_items: _Rows[CustomLineItem] = ()
    billing_address: Address | None = None
    shipping_address: Address | None = None
    item_shipping_addresses: _Rows[Address] = ()
    shipping_mode: str | None = None
    shipping_key: str | None = None
    shipping_info: ShippingInfo | None = None
    shipping: _Rows[Shipping] = ()
    payment_info: PaymentInfo | None = None
    sync_info: _Rows[SyncInfo] = ()

    @property
    def label(self) -> str:
        """What a person calls the order: its number, else its id."""
        return self.order_number or self.id

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """Every Delivery of the order, in either shippingMode."""
        of_single = self.shipping_info.deliveries if self.shipping_info else ()
        return of_single + tuple(row for entry in self.shipping for row in entry.shipping_info.deliveries)


_ORDERS = TypeAdapter(list[Order], config=ConfigDict(defer_build=True))


def parse_orders(results: Sequence[Mapping[str, Any]]) -> list[Order | Rejection]:
    """The orders of one page, in its order. A malformed one becomes a Rejection `source-invalid` that
    names the order and the field, never the value, and does not hold back the others."""
    if not results:
        return []
    try:
        return list(_ORDERS.validate_python(list(results)))
    except ValidationError:
        return [_parse_order(result) for result in results]


def _parse_order(result: Mapping[str, Any]) -> Order | Rejection:
    try:
        return Order.model_validate(result)
    except ValidationError as refused:
        first = refused.errors(include_url=False, include_context=False, include_input=False)[0]
        path = ".".join(str(step) for step in first["loc"])
    document: Mapping[str, Any] = result if isinstance(result, Mapping) else {}
    texts = [text for text in (document.get("orderNumber"), document.get("id")) if isinstance(text, str)]
    label, entity = next(iter(texts), "without id"), next(reversed(texts), "ID")
    return Rejection(
        code="source-invalid",
        message=f"order {label}: {path or 'the document'} is not what commercetools documents "
        f"({first['type'].replace('_', ' ')})",
        field=path,
        hint="look at the order in commercetools; once it is corrected: "
        f"ct-mao-sync replay-errors --entity {entity}",
    )
