"""What a remote said when it refused: its codes and its words, in one shape for both systems."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONTEXT_LENGTH_MAX = 300
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer. `message` is the remote's own text and may echo personal data: it goes into
    `context["remote_message"]` and nowhere else."""

    codes: tuple[str, ...] = ()
    message: str = ""
    stale: bool = False
    """The record moved on since it was read."""
    current_version: int | None = None
    resource_indexes: tuple[int, ...] = ()
    """Import API: which resources of the request it is about."""

    def context(self) -> dict[str, str | int]:
        found: dict[str, str | int] = {}
        if self.codes:
            found["remote_code"] = one_line(",".join(self.codes))
        if self.message:
            found["remote_message"] = one_line(self.message)
        if self.current_version is not None:
            found["current_version"] = self.current_version
        if self.resource_indexes:
            found["resource_index"] = ",".join(map(str, self.resource_indexes))
        return found


def parse_commercetools_refusal(body: Any) -> Refusal:
    """commercetools docs, error handling: `{statusCode, message, errors: [{code, message, …}]}`, and for
    OAuth `{error, error_description}`. Anything else gives an empty Refusal."""
    if not isinstance(body, Mapping):
        return Refusal()
    codes: list[str] = []
    version: int | None = None
    indexes: set[int] = set()
    errors = body.get("errors")
    for error in errors if isinstance(errors, list) else ():
        if not isinstance(error, Mapping):
            continue
        if code := text_of(error.get("code")):
            codes.append(code)
        found = error.get("currentVersion")
        if version is None and isinstance(found, int) and not isinstance(found, bool):
            version = found
        index = error.get("resourceIndex")
        if isinstance(index, int) and not isinstance(index, bool):
            indexes.add(index)
    if not codes and (code := text_of(body.get("error"))):
        codes.append(code)
    return Refusal(
        codes=tuple(dict.fromkeys(codes)),
        message=text_of(body.get("message")) or text_of(body.get("error_description")),
        stale="ConcurrentModification" in codes,
        current_version=version,
        resource_indexes=tuple(sorted(indexes)),
    )


def text_of(value: Any) -> str:
    """The text of a JSON string or number; "" for everything else."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


def one_line(text: str) -> str:
    """Foreign text for a context value: one line, at most 300 characters."""
    line = _BLANKS.sub(" ", text).strip()
    return line if len(line) <= CONTEXT_LENGTH_MAX else line[: CONTEXT_LENGTH_MAX - 1] + "…"
