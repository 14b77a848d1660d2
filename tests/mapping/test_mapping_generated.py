"""Thousands of shapes of orders: whatever a shop produces arrives exactly, or is refused with a reason."""

from __future__ import annotations

import copy
import json
import random
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from mapping_orders import ANY_METHOD, assert_same_money, assert_unique_rows, mapping_of

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.order import MappedOrder
from ct_mao_sync.models.json import digest, dump_json
from ct_mao_sync.sandbox.generate import generate_orders

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SEEDS = (1, 2)


@cache
def orders_of(currency: str, seed: int) -> tuple[dict[str, Any], ...]:
    return tuple(generate_orders(seed, 60, NOW, currencies=(currency,)))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("currency", ["EUR", "USD", "JPY", "KWD"])
def test_every_generated_order_arrives_exactly(currency: str, seed: int) -> None:
    mapped_count = 0
    for document in orders_of(currency, seed):
        mapped = mapping_of(document, ANY_METHOD)
        if isinstance(mapped, Rejection):
            # The generator also makes addresses without a street, which nobody can ship to.
            assert "missing address" in mapped.message, f"seed {seed}: {mapped}"
            continue
        mapped_count += 1
        sent = json.loads(dump_json(mapped.payload), parse_float=Decimal)
        assert_same_money(document, sent)
        assert_unique_rows(sent)
        quantities: dict[str, int] = {}
        for line in sent["OrderLine"]:
            item = line["AlternateOrderLineId"]
            quantities[item] = quantities.get(item, 0) + line["Quantity"]
            assert line["OrderLineId"][:36] == item
        assert quantities == {line["id"]: line["quantity"] for line in document["lineItems"]}
    assert mapped_count >= 50


@pytest.mark.parametrize("currency", ["EUR", "USD"])
def test_mapping_an_order_twice_gives_one_digest(currency: str) -> None:
    for document in orders_of(currency, 1):
        first, second = mapping_of(document, ANY_METHOD), mapping_of(document, ANY_METHOD)
        if isinstance(first, MappedOrder) and isinstance(second, MappedOrder):
            assert digest(first.payload) == digest(second.payload)


def test_another_price_gives_another_digest() -> None:
    document = next(
        order for order in orders_of("EUR", 1) if isinstance(mapping_of(order, ANY_METHOD), MappedOrder)
    )
    changed = copy.deepcopy(document)
    changed["lineItems"][0]["variant"]["sku"] += "-X"
    first, second = mapping_of(document, ANY_METHOD), mapping_of(changed, ANY_METHOD)
    assert isinstance(first, MappedOrder)
    assert isinstance(second, MappedOrder)
    assert digest(first.payload) != digest(second.payload)


@pytest.mark.parametrize("field", ["totalPrice", "taxedPrice"])
def test_an_order_whose_total_is_off_by_one_unit_is_refused(field: str) -> None:
    refused = 0
    for document in orders_of("EUR", 1):
        if not document.get(field) or isinstance(mapping_of(document, ANY_METHOD), Rejection):
            continue
        wrong = copy.deepcopy(document)
        amount = wrong["totalPrice"] if field == "totalPrice" else wrong["taxedPrice"]["totalGross"]
        amount["centAmount"] += 1
        mapped = mapping_of(wrong, ANY_METHOD)
        assert isinstance(mapped, Rejection)
        assert mapped.code == "totals-mismatch"
        refused += 1
    assert refused >= 40


@pytest.mark.parametrize("seed", range(4))
def test_no_damaged_document_raises(seed: int) -> None:
    """Fields are removed, emptied and exchanged at random: a value comes back, never an exception."""
    rng = random.Random(f"damage/{seed}")
    for document in orders_of("EUR", 1) + orders_of("USD", 2):
        damaged = copy.deepcopy(document)
        for _ in range(rng.randint(1, 4)):
            damage(damaged, rng)
        mapped = mapping_of(damaged, ANY_METHOD)
        if isinstance(mapped, Rejection):
            assert "\n" not in mapped.message
            assert "ct-mao-sync replay-errors --entity" in mapped.hint


def damage(document: dict[str, Any], rng: random.Random) -> None:
    node: Any = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = rng.choice(keys)
        child = node[key]
        if isinstance(child, dict | list) and child and rng.random() < 0.8:
            node = child
            continue
        replacements: list[Any] = [None, "", [], {}, 0, -1, 10**30, Decimal("1E-25"), "x" * 300, True]
        if rng.random() < 0.4:
            del node[key]
        else:
            node[key] = rng.choice(replacements)
        return
