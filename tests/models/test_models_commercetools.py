"""Orders are read leniently; one that cannot be read does not hold back its page."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ct_mao_sync.errors import Rejection
from ct_mao_sync.models.commercetools import Money, Order, currency_fraction_digits, parse_orders


def document(**changes: Any) -> dict[str, Any]:
    order = {
        "id": "o-1",
        "version": 1,
        "orderNumber": "CT-1",
        "orderState": "Open",
        "createdAt": "2026-01-10T10:00:00.123Z",
        "lastModifiedAt": "2026-01-10T10:00:00.456Z",
        "totalPrice": {"currencyCode": "EUR", "centAmount": 100},
        "lineItems": [
            {
                "id": "l-1",
                "variant": {"sku": "A"},
                "price": {"value": {"currencyCode": "EUR", "centAmount": 100}},
                "quantity": 1,
                "totalPrice": {"currencyCode": "EUR", "centAmount": 100},
            }
        ],
    }
    return {**order, **changes}


def parse(**changes: Any) -> Order:
    (order,) = parse_orders([document(**changes)])
    assert isinstance(order, Order), order
    return order


def test_unknown_fields_and_unknown_enum_values_are_let_through() -> None:
    order = parse(orderState="Parked", brandNew={"a": 1}, shippingMode="Drone")
    assert (order.order_state, order.shipping_mode) == ("Parked", "Drone")


@pytest.mark.parametrize("field", ["customLineItems", "shipping", "discountCodes", "syncInfo", "lineItems"])
def test_null_stands_for_an_empty_list(field: str) -> None:
    order = parse(**{field: None})
    names = {"customLineItems": "custom_line_items", "discountCodes": "discount_codes"}
    names |= {"syncInfo": "sync_info", "lineItems": "line_items"}
    assert getattr(order, names.get(field, field)) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-10T10:00:00.123Z", datetime(2026, 1, 10, 10, 0, 0, 123000, UTC)),
        ("2026-01-10T10:00:00+00:00", datetime(2026, 1, 10, 10, 0, tzinfo=UTC)),
        ("2026-01-10T11:00:00+01:00", datetime(2026, 1, 10, 10, 0, tzinfo=UTC)),
        ("2026-01-10T10:00:00", datetime(2026, 1, 10, 10, 0, tzinfo=UTC)),
    ],
)
def test_moments_are_utc(text: str, expected: datetime) -> None:
    order = parse(createdAt=text)
    assert order.created_at == expected
    assert order.created_at.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize(("currency", "digits"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("XXX", 2)])
def test_old_money_without_fraction_digits_takes_those_of_its_currency(currency: str, digits: int) -> None:
    money = Money.model_validate({"currencyCode": currency, "centAmount": 12345})
    assert currency_fraction_digits(currency) == money.currency_digits == digits
    assert money.amount == Decimal(12345).scaleb(-digits)


def test_high_precision_money_is_exact() -> None:
    document = {
        "type": "highPrecision",
        "currencyCode": "USD",
        "centAmount": 1,
        "preciseAmount": 1234,
        "fractionDigits": 5,
    }
    money = Money.model_validate(document)
    assert money.amount == Decimal("0.01234")
    assert money.currency_digits == 2


def test_deliveries_of_both_shipping_modes_are_found() -> None:
    info = {
        "shippingMethodName": "S",
        "price": {"currencyCode": "EUR", "centAmount": 0},
        "deliveries": [{"id": "d-1", "key": "k"}],
    }
    entry = {"shippingKey": "a", "shippingInfo": info}
    assert [row.key for row in parse(shippingInfo=info).deliveries] == ["k"]
    assert [row.key for row in parse(shipping=[entry], shippingMode="Multiple").deliveries] == ["k"]


def test_the_label_is_the_number_else_the_id() -> None:
    assert parse().label == "CT-1"
    assert parse(orderNumber=None).label == "o-1"


def test_one_malformed_order_does_not_hold_back_the_page() -> None:
    bad = document(id="o-2", orderNumber="CT-2", customerEmail={"secret": "erika@example.org"})
    good_1, refused, good_2 = parse_orders([document(), bad, document(id="o-3")])
    assert isinstance(good_1, Order)
    assert isinstance(good_2, Order)
    assert isinstance(refused, Rejection)
    assert refused.code == "source-invalid"
    assert refused.field == "customerEmail"
    assert "CT-2" in refused.message
    assert "replay-errors --entity o-2" in refused.hint


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"totalPrice": {"currencyCode": "EUR", "centAmount": "erika@example.org"}}, "totalPrice.centAmount"),
        ({"lineItems": [{"id": "l", "quantity": "erika@example.org"}]}, "lineItems.0"),
        ({"shippingAddress": {"firstName": ["erika@example.org"]}}, "shippingAddress.firstName"),
        ({"createdAt": "erika@example.org"}, "createdAt"),
    ],
)
def test_a_refusal_names_the_field_and_never_the_value(changes: dict[str, Any], field: str) -> None:
    (refused,) = parse_orders([document(**changes)])
    assert isinstance(refused, Rejection)
    assert refused.field.startswith(field)
    assert "erika" not in str(refused.as_dict())


def test_what_is_no_order_at_all_is_refused_too() -> None:
    results: list[Any] = ["text", None, {}]
    assert all(isinstance(refused, Rejection) for refused in parse_orders(results))
