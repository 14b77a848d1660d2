"""Every body that the returns job sends is one that commercetools documents.

The bodies are those of two simulated days: every action that the job knows, with faults, crashes and other
writers.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from test_simulation_returns import simulate

SCHEMA = Path(__file__).resolve().parents[3] / "shared/reference/ct-spec/ct-api-requests.strict.schema.json"
SEEDS = (3, 4)
ACTIONS = {"addReturnInfo", "setReturnInfo", "setReturnShipmentState", "setReturnPaymentState"}


def test_every_body_is_what_commercetools_documents(tmp_path_factory: pytest.TempPathFactory) -> None:
    if not SCHEMA.exists():
        pytest.skip("the vendor's schemas are not here (../shared/reference/ct-spec)")
    jsonschema = pytest.importorskip("jsonschema")
    document = json.loads(SCHEMA.read_text(encoding="utf-8"))
    order_update = {
        "$schema": document.get("$schema"),
        "$ref": "#/$defs/OrderUpdate",
        "$defs": document["$defs"],
    }
    validator = jsonschema.Draft202012Validator(order_update)
    seen: Counter[str] = Counter()

    for seed in SEEDS:
        for body in _bodies(simulate(tmp_path_factory.mktemp("day"), seed)):
            validator.validate(body)
            seen.update(action["action"] for action in body["actions"])

    assert seen.keys() >= ACTIONS


def _bodies(world: Any) -> list[Any]:
    return [
        json.loads(logged.request.body)
        for logged in world.sandbox.world.request_log.history
        if logged.request.service == "commercetools"
        and logged.request.method == "POST"
        and "/orders/" in logged.request.path
    ]
