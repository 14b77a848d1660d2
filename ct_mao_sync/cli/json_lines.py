"""JSON for machines that is written as it comes: a document with one long list, or one line for each row."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any

import click


class JsonList:
    """One document with a list of any length, which is never held in memory; `add_members` go after it.
    Does nothing unless `is_wanted`."""

    def __init__(self, is_wanted: bool, name: str) -> None:
        self.is_wanted = is_wanted
        self._name = name
        self._count = 0
        self._members: dict[str, Any] = {}

    def __enter__(self) -> JsonList:
        if self.is_wanted:
            click.echo(f'{{"{self._name}": [', nl=False)
        return self

    def add(self, row: Any) -> None:
        if self.is_wanted:
            click.echo(f"{',' if self._count else ''}\n  {dumps(row)}", nl=False)
            self._count += 1

    def add_members(self, **members: Any) -> None:
        self._members |= members

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_wanted:
            end = "\n]" if self._count else "]"
            rest = "".join(f",\n{json.dumps(name)}: {dumps(value)}" for name, value in self._members.items())
            click.echo(f"{end}{rest}}}")


def dumps(row: Any) -> str:
    return json.dumps(row, ensure_ascii=False, default=str)
