"""config.example.toml is the reference of every key: it says what the model says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ct_mao_sync.config import load_config
from ct_mao_sync.config_sections import CURRENCY_DECIMALS, Sections

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
TEXT = EXAMPLE.read_text(encoding="utf-8")
# Shown although another value, or none, is the default: the reader has to fill them in.
GIVEN_AS_EXAMPLE = {
    "commercetools.region",
    "manhattan.username",
    "manhattan.password",
}


def fields() -> Iterator[tuple[str, str, Any]]:
    for section, field in Sections.model_fields.items():
        model = field.annotation
        assert isinstance(model, type) and issubclass(model, BaseModel)
        for key, inner in model.model_fields.items():
            yield section, key, inner


def lines_of_sections() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    section = ""
    for line in TEXT.splitlines():
        if match := re.match(r"\[([a-z_.]+)\]", line):
            section = match[1]
            found.setdefault(section, []).append(line)
        elif section:
            found[section].append(line)
    return found


def test_the_example_loads_when_its_secrets_are_there() -> None:
    env = dict.fromkeys(re.findall(r'"env:([A-Z_]+)"', TEXT), "x" * 8)

    config = load_config(EXAMPLE, env)

    assert config.commercetools.project_key == "my-shop"


@pytest.mark.parametrize(
    ("section", "key", "field"), [pytest.param(*f, id=f"{f[0]}.{f[1]}") for f in fields()]
)
def test_a_key_of_the_model_is_in_the_example_with_its_default_and_a_comment(
    section: str, key: str, field: Any
) -> None:
    raw = tomllib.loads(TEXT)
    lines = lines_of_sections()

    if f"{section}.{key}" in lines:
        shown = raw[section].get(key, {})
        assert "#" in lines[f"{section}.{key}"][0], "the section has a comment"
        assert shown == field.get_default(call_default_factory=True)
        return
    written = [line for line in lines[section] if re.match(rf"(# )?{key} = ", line)]
    assert len(written) == 1
    assert re.search(r"\s# \S", written[0]), "the key has a comment"
    if field.is_required() or f"{section}.{key}" in GIVEN_AS_EXAMPLE:
        assert "required" in written[0]
    elif field.default is None:
        assert written[0].startswith("# ")
    else:
        default = field.get_default(call_default_factory=True)
        value = raw[section][key]
        if isinstance(default, timedelta):
            value = timedelta(**{{"m": "minutes", "h": "hours"}[value[-1]]: int(value[:-1])})
        assert (tuple(value) if isinstance(value, list) else value) == default


def test_the_example_has_no_key_that_the_model_lacks() -> None:
    known = {(section, key) for section, key, _ in fields()}

    extra = [
        f"{section}.{key}"
        for section, table in tomllib.loads(TEXT).items()
        for key in table
        if (section, key) not in known
    ]

    assert extra == []


def test_the_commented_examples_of_tables_are_valid_too(tmp_path: Path) -> None:
    """Whoever takes the mark away must not meet an error."""
    env = dict.fromkeys(re.findall(r'"env:([A-Z_]+)"', TEXT), "x" * 8)
    path = tmp_path / "c.toml"
    path.write_text(re.sub(r'^# (?=("[\w.-]+"|[\w-]+) = )', "", TEXT, flags=re.MULTILINE), encoding="utf-8")

    config = load_config(path, env)

    assert config.orders.start_at is not None
    assert config.mapping.locations == {"DC-ATL": "dc-atlanta", "DC-DARK": ""}
    assert config.mapping.shipping_methods["pickup"].delivery == "PickUpAtStore"
    assert config.status.carriers["UPSN"].name == "UPS"
    assert dict(config.mapping.currency_decimals) == dict(CURRENCY_DECIMALS)
