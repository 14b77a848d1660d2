"""Which order is which in MAO."""

from __future__ import annotations

import pytest
from mapping_orders import LINE_ID, ORDER_ID, order_document

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.identity import candidate_order_ids, order_id_of, order_line_id
from ct_mao_sync.models.commercetools import ItemShippingTarget, Order


def order(**changes: object) -> Order:
    return Order.model_validate(order_document(**changes))


@pytest.mark.parametrize(
    ("template", "changes", "expected"),
    [
        ("{orderNumber}", {}, "CT-1"),
        ("{orderNumber}", {"orderNumber": None}, ORDER_ID),
        ("{id}", {}, ORDER_ID),
        ("WEB-{orderNumber}", {}, "WEB-CT-1"),
        ("{store}_{orderNumber}", {"store": {"typeId": "store", "key": "de"}}, "de_CT-1"),
    ],
)
def test_the_template_makes_the_order_id(template: str, changes: dict[str, object], expected: str) -> None:
    assert order_id_of(template, order(**changes)) == expected


@pytest.mark.parametrize("number", ["A/1", "Ä1", "x" * 51, "A 1", "A#1", "A1\n"])
def test_a_number_that_mao_cannot_take_is_refused(number: str) -> None:
    refused = order_id_of("{orderNumber}", order(orderNumber=number))
    assert isinstance(refused, Rejection)
    assert refused.code == "payload-invalid"
    assert "orders.order_id" in refused.hint


def test_candidates_are_every_valid_name_once() -> None:
    assert candidate_order_ids(order(), "{orderNumber}") == ("CT-1", ORDER_ID)
    assert candidate_order_ids(order(), "W-{id}") == (f"W-{ORDER_ID}", "CT-1", ORDER_ID)
    assert candidate_order_ids(order(orderNumber="A/1"), "{orderNumber}") == (ORDER_ID,)


def test_a_line_id_leads_back_to_its_line_item() -> None:
    home = ItemShippingTarget(address_key="home", quantity=1, shipping_method_key="std")
    other = ItemShippingTarget(address_key="home", quantity=5, shipping_method_key="exp")
    assert order_line_id(LINE_ID, None) == LINE_ID
    assert order_line_id(LINE_ID, home)[:36] == LINE_ID
    assert len(order_line_id(LINE_ID, home)) == 36 + 1 + 8
    assert order_line_id(LINE_ID, home) != order_line_id(LINE_ID, other)
    more = home.model_copy(update={"quantity": 9})
    assert order_line_id(LINE_ID, home) == order_line_id(LINE_ID, more)
