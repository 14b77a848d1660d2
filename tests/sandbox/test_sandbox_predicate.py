"""Query predicates: what they mean, and how they are refused."""

from __future__ import annotations

from typing import Any

import pytest

from ct_mao_sync.sandbox.predicate import PredicateError, id_order, parse_predicate
from ct_mao_sync.sandbox.predicate_fields import CHANNEL, ORDER

ORDER_DOCUMENT: dict[str, Any] = {
    "id": "6d6a6cc8-d165-42b8-88e0-ed44140e4b64",
    "version": 3,
    "orderNumber": 'CT-"1"',
    "createdAt": "2026-01-10T10:00:00.123Z",
    "lastModifiedAt": "2026-01-10T10:00:00.456Z",
    "orderState": "Open",
    "totalPrice": {"centAmount": 6497, "currencyCode": "EUR"},
    "store": {"typeId": "store", "key": "eu"},
    "lineItems": [
        {"quantity": 1, "variant": {"sku": "A"}, "taxRate": {"amount": 0.19, "includedInPrice": True}},
        {"quantity": 5, "variant": {"sku": "B"}, "taxRate": {"amount": 0.07, "includedInPrice": True}},
    ],
    "syncInfo": [],
    "shippingInfo": {"deliveries": [{"key": "mao-1", "parcels": [{"key": "mao-1-1"}]}]},
    "custom": {"fields": {"forExport": True, "tags": ["x", "y"]}},
}


def matches(predicate: str, document: Any = ORDER_DOCUMENT, **variables: Any) -> bool:
    given = {name: [value] if isinstance(value, str) else list(value) for name, value in variables.items()}
    return parse_predicate(predicate, ORDER, given).matches(document)


@pytest.mark.parametrize(
    "predicate",
    [
        'orderState = "Open"',
        'orderState != "Complete"',
        'orderState <> "Complete"',
        'orderState in ("Open","Confirmed")',
        'orderState not in ("Cancelled")',
        r'orderNumber = "CT-\"1\""',
        "version > 2 and version >= 3 and version < 4 and version <= 3",
        'totalPrice(centAmount = 6497 and currencyCode = "EUR")',
        'lineItems(variant(sku in ("B","C")))',
        'lineItems(variant(sku = "B") and quantity = 5)',
        "lineItems(taxRate(amount = 0.19))",
        "lineItems(taxRate(includedInPrice = true))",
        'shippingInfo(deliveries(parcels(key = "mao-1-1")))',
        'store(key = "eu")',
        "custom(fields(forExport = true))",
        'custom(fields(tags contains any ("x","z")))',
        'custom(fields(tags contains all ("x","y")))',
        "custom(fields(`forExport` = true))",
        "syncInfo is empty",
        "lineItems is not empty",
        "orderNumber is defined and paymentState is not defined",
        'not (orderState = "Cancelled")',
        'orderState = "Cancelled" or orderState = "Open" and version = 3',
        '(orderState = "Cancelled" or orderState = "Open") and version = 3',
        'NOT orderState = "Complete" AND version = 3',
    ],
)
def test_the_order_is_found_by(predicate: str) -> None:
    assert matches(predicate)


@pytest.mark.parametrize(
    "predicate",
    [
        'orderState = "open"',
        'lineItems(variant(sku = "A") and quantity = 5)',  # one element must satisfy both
        'syncInfo(channel(id = "x"))',
        'paymentState = "Paid"',
        "version > 3",
        'custom(fields(tags contains all ("x","z")))',
        'not (orderState = "Open" and version = 3)',
        '(orderState = "Cancelled" or orderState = "Open") and version = 4',
    ],
)
def test_the_order_is_not_found_by(predicate: str) -> None:
    assert not matches(predicate)


@pytest.mark.parametrize(
    "moment",
    ["2026-01-10T10:00:00.456Z", "2026-01-10T11:00:00.456+01:00", "2026-01-10T10:00:00.456000Z"],
)
def test_moments_are_compared_as_moments_in_any_form(moment: str) -> None:
    assert matches(f'lastModifiedAt = "{moment}"')
    assert matches(f'lastModifiedAt >= "{moment}" and lastModifiedAt <= "{moment}"')
    assert not matches(f'lastModifiedAt > "{moment}"')


def test_a_moment_without_milliseconds_is_before_one_with_them() -> None:
    assert matches('lastModifiedAt > "2026-01-10T10:00:00Z"')


def test_input_variables_stand_for_values_of_the_fields_kind() -> None:
    assert matches("lastModifiedAt >= :lo and version = :v", lo="2026-01-10T10:00:00Z", v="3")
    assert matches("orderState in :states", states=("Open", "Confirmed"))
    assert matches("orderState in (:a, :b)", a="Nope", b="Open")
    assert matches("orderNumber = :n", n='CT-"1"')


def test_ids_have_an_order_that_is_not_the_order_of_their_text() -> None:
    ids = [f"{n:08x}-0000-4000-8000-{(97 * n) % 251:012x}" for n in range(50)]
    assert sorted(ids, key=id_order) != sorted(ids)
    middle = sorted(ids, key=id_order)[24]
    found = [each for each in ids if matches(f'id > "{middle}"', {"id": each})]
    assert sorted(found, key=id_order) == sorted(ids, key=id_order)[25:]


def test_a_lower_bound_on_the_id_is_known_only_where_every_match_obeys_it() -> None:
    bound = "00000000-0000-4000-8000-000000000001"
    fields_and_bounds = {
        f'id > "{bound}"': bound,
        f'version = 1 and id > "{bound}"': bound,
        f'(version = 1) and (id > "{bound}")': bound,
        f'version = 1 or id > "{bound}"': "",
        f'not (id > "{bound}")': "",
        f'id >= "{bound}"': "",
        f'lineItems(id > "{bound}")': "",
    }
    assert {
        text: parse_predicate(text, ORDER, {}).after_id for text in fields_and_bounds
    } == fields_and_bounds


def test_arrays_of_texts_can_be_searched() -> None:
    channel = {"roles": ["OrderExport"]}
    assert parse_predicate('roles contains any ("OrderExport")', CHANNEL, {}).matches(channel)
    assert (
        parse_predicate('roles contains all ("OrderExport","Primary")', CHANNEL, {}).matches(channel) is False
    )


@pytest.mark.parametrize(
    ("predicate", "reason"),
    [
        ("", "empty"),
        ("bogus = 1", "The field 'bogus' does not exist."),
        ("lineItems(bogus = 1)", "The field 'bogus' does not exist."),
        ("orderState =", "Unexpected end of input, expected a value (line 1, column 13)"),
        ('orderState "Open"', "expected an operator"),
        ('orderState = "Open" or', "expected a field name"),
        ('(orderState = "Open"', "expected ')'"),
        ('orderState = "Open")', "expected end of input"),
        ("orderState = 'Open'", "Unexpected input"),
        ('version = "three"', "does not fit the field 'version'"),
        ("orderState = 5", "does not fit the field 'orderState'"),
        ('lastModifiedAt > "yesterday"', "does not fit the field 'lastModifiedAt'"),
        ('shippingInfo = "x"', "is an object"),
        ('orderState(x = "y")', "has no fields of its own"),
        ("version = :missing", "No value for the input variable 'missing'"),
        ("orderState is great", "'defined' or 'empty'"),
        ('orderState contains some ("x")', "'all' or 'any'"),
    ],
)
def test_a_predicate_is_refused_with_the_reason(predicate: str, reason: str) -> None:
    with pytest.raises(PredicateError) as refused:
        parse_predicate(predicate, ORDER, {})
    assert reason in str(refused.value)
