"""What the Import API accepts: import requests and containers (commercetools docs: Import API).

A body of the wrong shape refuses the whole request; a resource whose values break a rule fails alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from math import isfinite
from typing import Any

from .commercetools_errors import invalid_field, invalid_input, invalid_json
from .core import Json
from .predicate import parse_moment

RESOURCES_MAX = 20
_KEY = re.compile(r"[A-Za-z0-9_-]{2,256}\Z")
_CONTAINER_KEY = re.compile(r"[a-zA-Z0-9_-]{2,256}\Z")
_TTL = re.compile(r"(\d+)([dhm])\Z")
_SECONDS = {"d": 86_400, "h": 3600, "m": 60}
_TTL_S = (3600, 30 * 86_400)
_RESOURCE_TYPES = frozenset(
    {
        *("business-unit", "category", "customer", "discount-code", "inventory", "order", "order-patch"),
        *("price", "product", "product-draft", "product-selection", "product-tailoring", "product-type"),
        *("product-variant", "product-variant-patch", "standalone-price", "variant", "type"),
    }
)
_MEMBERS: dict[str, type | tuple[type, ...]] = {
    "key": str,
    "sku": str,
    "quantityOnStock": (int, float),
    "restockableInDays": (int, float),
    "expectedDelivery": str,
    "reservationExpirationInMinutes": (int, float),
    "supplyChannel": dict,
    "custom": dict,
}


def read_resources(body: Json) -> list[Json]:
    """The resources of an inventory import request; raises ApiError 400 when its shape is wrong."""
    _only_members(body, ("type", "resources"), "")
    if body.get("type") != "inventory":
        raise invalid_json("type: 'inventory' is expected")
    resources = body.get("resources")
    if not isinstance(resources, list):
        raise invalid_json("resources: Missing required value")
    if len(resources) > RESOURCES_MAX:
        raise invalid_input(
            f"The maximum number of resources is {RESOURCES_MAX}, the request has {len(resources)}."
        )
    for position, resource in enumerate(resources):
        where = f"resources[{position}]"
        if not isinstance(resource, dict):
            raise invalid_json(f"{where}: not an object")
        _only_members(resource, _MEMBERS, f"{where}.")
        for name, kind in _MEMBERS.items():
            value = resource.get(name)
            if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
                raise invalid_json(f"{where}.{name}: wrong type")
    return resources


def errors_of(resource: Json) -> list[Json]:
    """What is wrong with the values of one resource; empty when it can be processed."""
    errors = [
        {"code": "RequiredField", "message": f"A value is required for field '{name}'.", "field": name}
        for name in ("key", "sku", "quantityOnStock")
        if resource.get(name) is None
    ]
    key = resource.get("key")
    if key is not None and not _KEY.match(key):
        errors.append(_invalid("key", key))
    minutes = resource.get("reservationExpirationInMinutes")
    if minutes is not None and not 1 <= minutes <= 44_640:
        errors.append(_invalid("reservationExpirationInMinutes", minutes))
    for name in ("quantityOnStock", "restockableInDays", "reservationExpirationInMinutes"):
        value = resource.get(name)
        if value is not None and (not isfinite(value) or value != int(value) or abs(value) >= 2**63):
            errors.append(_invalid(name, value))
    expected = resource.get("expectedDelivery")
    if expected is not None and ("T" not in expected or parse_moment(expected) is None):
        errors.append(_invalid("expectedDelivery", expected))
    channel = resource.get("supplyChannel")
    if channel is not None and not _is_key_reference(channel, "channel"):
        errors.append(_invalid("supplyChannel", channel))
    custom = resource.get("custom")
    if custom is not None and not (
        set(custom) <= {"type", "fields"}
        and _is_key_reference(custom.get("type"), "type")
        and isinstance(custom.get("fields", {}), dict)
    ):
        errors.append(_invalid("custom", custom))
    return errors


def read_container(draft: Json, *, key: str | None = None) -> Json:
    """The members of a container from its draft; raises ApiError 400."""
    _only_members(draft, ("key", "resourceType", "retentionPolicy"), "")
    name = draft.get("key") if key is None else key
    if name is None:
        raise invalid_json("key: Missing required value")
    if not isinstance(name, str) or not _CONTAINER_KEY.match(name):
        raise invalid_field("key", name, "Allowed are 2 to 256 characters of [a-zA-Z0-9_-].")
    resource_type = draft.get("resourceType")
    if resource_type is not None and resource_type not in _RESOURCE_TYPES:
        raise invalid_json(f"resourceType: '{resource_type}' is not known")
    policy = draft.get("retentionPolicy") or {"strategy": "ttl", "config": {"timeToLive": "72h"}}
    container: Json = {"key": name, "retentionPolicy": policy}
    retention_s(policy)
    if resource_type is not None:
        container["resourceType"] = resource_type
    return container


def retention_s(policy: Any) -> int:
    """How long a container lives, 1 h to 30 d; raises ApiError 400."""
    if not isinstance(policy, dict) or policy.get("strategy") != "ttl":
        raise invalid_json("retentionPolicy.strategy: 'ttl' is expected")
    config = policy.get("config")
    text = config.get("timeToLive") if isinstance(config, dict) else None
    match = _TTL.match(text) if isinstance(text, str) else None
    if match is None:
        raise invalid_json("retentionPolicy.config.timeToLive: as 72h, 3d or 90m is expected")
    seconds = int(match[1]) * _SECONDS[match[2]]
    if not _TTL_S[0] <= seconds <= _TTL_S[1]:
        raise invalid_field("timeToLive", text, "It must be from 1h to 30d.")
    return seconds


def _only_members(document: Json, known: Collection[str], prefix: str) -> None:
    for name in document:
        if name not in known:
            raise invalid_json(f"{prefix}{name}: unknown field")


def _is_key_reference(value: Any, kind: str) -> bool:
    if not isinstance(value, dict) or set(value) != {"typeId", "key"} or value["typeId"] != kind:
        return False
    return isinstance(value["key"], str) and bool(_KEY.match(value["key"]))


def _invalid(field: str, value: Any) -> Json:
    message = f"The value '{value}' is not valid for field '{field}'."
    shown = str(value) if isinstance(value, float) and not isfinite(value) else value
    return {"code": "InvalidField", "message": message, "field": field, "invalidValue": shown}
