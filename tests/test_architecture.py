"""Imports go one way: each room uses only what stands to its right."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "ct_mao_sync"

# cli → ops → jobs → clients | state → engine → mapping → models → config → errors
RANK = {
    "cli": 8,
    "ops": 7,
    "jobs": 6,
    "clients": 5,
    "state": 5,
    "engine": 4,
    "mapping": 3,
    "models": 2,
    "config": 1,
    "errors": 0,
}


def room_of(module: str) -> str:
    """`ct_mao_sync.config_sections` belongs to config."""
    part = module.split(".")[1] if "." in module else ""
    return "config" if part.startswith("config") else part


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level == 1:
                continue  # within the same room
            assert node.level == 0, f"{path}:{node.lineno}: leaves its room by a relative import"
            found.append((node.lineno, node.module or ""))
    return [(line, name) for line, name in found if name.split(".")[0] == "ct_mao_sync" and "." in name]


FILES = sorted(PACKAGE.rglob("*.py"))


def room_of_file(path: Path) -> str:
    return room_of(".".join(("ct_mao_sync", *path.relative_to(PACKAGE).with_suffix("").parts)))


ROOMS = sorted({room_of_file(path) for path in FILES} - {"__init__", "__main__"})


def files_of(room: str) -> list[Path]:
    return [path for path in FILES if room_of_file(path) == room]


def test_every_room_is_known() -> None:
    assert {*ROOMS} == {*RANK, "sandbox"}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_one_way(room: str) -> None:
    wrong = [
        f"{path}:{line} imports {module}: {reason}"
        for path in files_of(room)
        for line, module in imports_of(path)
        if (reason := refused(room, room_of(module)))
    ]

    assert not wrong, "\n".join(wrong)


def refused(own: str, other: str) -> str:
    """Why a file of one room may not use another; empty when it may."""
    if other == own:
        return ""
    if own == "sandbox":
        return "the sandbox imports nothing of the rest"
    if other == "sandbox":
        return "" if own == "cli" else "only cli imports the sandbox"
    return "" if RANK[other] < RANK[own] else f"{own} may not use {other}"


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "sandbox"])
def test_only_the_clock_asks_what_time_it_is(room: str) -> None:
    wrong = [
        f"{path}:{line} {what}"
        for path in files_of(room)
        if path.relative_to(PACKAGE) != Path("engine/clock.py")
        for line, what in questions_of_time(path)
    ]

    assert not wrong, "\n".join(wrong)


def questions_of_time(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import) and "time" in {alias.name for alias in node.names}:
            yield node.lineno, "imports time"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            call = f"{node.value.id}.{node.attr}"
            if call in {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}:
                yield node.lineno, "asks the system what time it is"


def test_the_drawn_tree_of_errors_is_the_tree_of_classes() -> None:
    from ct_mao_sync import errors

    drawn = {
        line.replace("├─", "").replace("└─", "").split()[0]
        for line in (errors.__doc__ or "").splitlines()
        if "├─" in line or "└─" in line
    }

    assert drawn == {cls.__name__ for cls in errors.SyncError.__subclasses__()}
