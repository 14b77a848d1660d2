"""Imports go one way: each room uses only what stands to its right."""

from __future__ import annotations

import ast
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


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    own = room_of(".".join(("ct_mao_sync", *path.relative_to(PACKAGE).with_suffix("").parts)))
    if own in ("__init__", "__main__"):
        return
    for line, module in imports_of(path):
        other = room_of(module)
        where = f"{path}:{line} imports {module}"
        if other == own:
            continue
        if own == "sandbox":
            pytest.fail(f"{where}: the sandbox imports nothing of the rest")
        if other == "sandbox":
            assert own == "cli", f"{where}: only cli imports the sandbox"
            continue
        assert RANK[other] < RANK[own], f"{where}: {own} may not use {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_clock_asks_what_time_it_is(path: Path) -> None:
    relative = path.relative_to(PACKAGE)
    if relative.parts[0] == "sandbox" or str(relative) == "engine/clock.py":
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
            assert "time" not in names, f"{path}:{node.lineno} imports time"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            call = f"{node.value.id}.{node.attr}"
            assert call not in {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}, (
                f"{path}:{node.lineno} asks the system what time it is"
            )


def test_the_drawn_tree_of_errors_is_the_tree_of_classes() -> None:
    from ct_mao_sync import errors

    drawn = {
        line.replace("├─", "").replace("└─", "").split()[0]
        for line in (errors.__doc__ or "").splitlines()
        if "├─" in line or "└─" in line
    }

    assert drawn == {cls.__name__ for cls in errors.SyncError.__subclasses__()}
