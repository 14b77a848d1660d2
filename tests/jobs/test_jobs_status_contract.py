"""Every update of an order that the job sends is one that the vendor's own schema knows."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from status_bench import LINE_STATES, StatusBench

SCHEMA = Path(__file__).resolve().parents[3] / "shared/reference/ct-spec/ct-api-requests.strict.schema.json"
PLAIN: tuple[str, ...] = ()


@pytest.mark.skipif(not SCHEMA.exists(), reason="the vendor's schemas are not here (../shared)")
@pytest.mark.parametrize("features", [PLAIN, ("multiple_shipping",), ("item_addresses",)], ids=str)
def test_all_actions_of_a_long_life_are_valid(tmp_path: Path, features: tuple[str, ...]) -> None:
    bench = StatusBench(tmp_path, more=LINE_STATES, delivery_tracking=True)
    orders = (bench.place(number, *features) for number in range(1, 60))
    order = next(each for each in orders if max(line["quantity"] for line in each["lineItems"]) >= 5)
    life, name = bench.life, order["orderNumber"]
    assert bench.export().exit_code in (0, 3)
    bench.later(5)
    large = max(bench.sandbox.world.mao.orders[name]["OrderLine"], key=lambda line: line["Quantity"])[
        "OrderLineId"
    ]
    life.allocate(name)
    life.release(name)
    for package, tracking in (("P1", None), ("P1", None), ("P2", "1Z2")):
        bench.sync()
        life.ship(name, large, 1, package_id=package, tracking=tracking, eta="2026-11-27T12:00:00")
        bench.later()
    bench.sync()
    life.update_package(name, "P1", tracking="1Z1")
    life.ship(name, package_id="P3")
    bench.later()
    bench.sync()
    life.deliver(name)
    bench.later()
    bench.sync()

    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    document = {"$ref": "#/$defs/OrderUpdate", "$defs": schema["$defs"]}
    validator = jsonschema.Draft202012Validator(document, format_checker=jsonschema.FormatChecker())
    sent = set()
    for logged in bench.log.history:
        if logged.request.method == "POST" and logged.request.path.startswith("/sandbox/orders/"):
            body = json.loads(logged.request.body)
            sent |= {action["action"] for action in body["actions"]}
            errors = list(validator.iter_errors(body))
            assert not errors, max(errors, key=lambda error: len(error.absolute_path)).message
    deliveries = {"addDelivery", "setDeliveryItems", "addParcelToDelivery", "setParcelItems"}
    states = {"transitionLineItemState", "changeShipmentState", "changeOrderState"}
    assert sent >= deliveries | states | {"setParcelTrackingData", "setEstimatedDelivery"}
