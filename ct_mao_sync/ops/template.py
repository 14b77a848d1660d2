"""A configuration out of `config.example.toml`: every key with its comment, some of them filled in. Pure, but
for `read_template`."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from typing import Any

from ct_mao_sync.config_faults import suggestion
from ct_mao_sync.errors import ConfigError, Problem

_HEADER = re.compile(r"\[([A-Za-z_.]+)\]")
_LINE = re.compile(r'(?P<off># )?(?P<key>"[^"]+"|[\w-]+) = (?P<rest>.*)')
_COMMENT_COLUMN = 47
# Tables whose keys the user names.
_FREE_TABLES = frozenset(
    {
        "orders.static",
        "orders.extended",
        "status.line_states",
        "status.shipment_states",
        "status.order_states",
        "status.carriers",
        "returns.disposition",
        "mapping.locations",
        "mapping.uom",
        "mapping.shipping_methods",
        "mapping.custom_line_items",
        "mapping.currency_decimals",
    }
)


def read_template() -> str:
    return files("ct_mao_sync").joinpath("config.example.toml").read_text(encoding="utf-8")


def parse_assignment(text: str) -> tuple[str, Any]:
    """`section.key=value` as typed; a value that is no TOML is a text. Raises ConfigError."""
    name, equals, value = text.partition("=")
    if not equals or "." not in name:
        raise _unknown(text, 'write section.key=value, for instance orders.sync_channel="OMS"')
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def fill_in(template: str, values: Mapping[str, Any]) -> str:
    """The template with these keys set, by their dotted names; all else, comments included, stays. A key of a
    free table is added to it. Raises ConfigError for a key that the template does not have."""
    lines = template.split("\n")
    for name, value in values.items():
        _set(lines, name, render_toml(value))
    return "\n".join(lines)


def render_toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return json.dumps(value.isoformat().replace("+00:00", "Z"))
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {render_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(render_toml(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _set(lines: list[str], name: str, text: str) -> None:
    sections = {match[1]: index for index, line in enumerate(lines) if (match := _HEADER.match(line))}
    section = max((each for each in sections if name.startswith(f"{each}.")), key=len, default="")
    if not section:
        known = suggestion(name.partition(".")[0], (), sections)
        raise _unknown(name, f"no such section; {known}")
    key = name[len(section) + 1 :].strip('"')
    first = sections[section] + 1
    after = (index for index in sorted(sections.values()) if index >= first)
    end = next(after, len(lines))
    keys = []
    for index in range(first, end):
        match = _LINE.match(lines[index])
        if match is None:
            continue
        keys.append(match["key"].strip('"'))
        if keys[-1] == key:
            lines[index] = _with_value(f"{_key(key)} = {text}", match["rest"])
            return
    if section not in _FREE_TABLES:
        raise _unknown(name, f"no such key in [{section}]; {suggestion(key, (section,), keys)}")
    while end > first and not lines[end - 1].strip():
        end -= 1
    lines.insert(end, f"{_key(key)} = {text}")


def _with_value(assignment: str, rest: str) -> str:
    """Keeps the comment, and its column where there is room."""
    comment = rest[rest.rindex(" # ") + 1 :] if " # " in rest else ""
    return f"{assignment:{_COMMENT_COLUMN - 1}} {comment}".rstrip() if comment else assignment


def _key(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key) and "-" not in key else json.dumps(key, ensure_ascii=False)


def _unknown(name: str, hint: str) -> ConfigError:
    return ConfigError([Problem("config-invalid", f"--set {name}: is not a key", name, hint)])
