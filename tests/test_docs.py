"""README, --help and the code agree."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "ct_mao_sync"


def codes_in_code() -> set[str]:
    """Every literal that is given to a Problem, a Rejection, a Failure or `reject` as its code."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name not in ("Problem", "Rejection", "Failure", "reject", "_problem"):
                continue
            values = [*node.args, *(k.value for k in node.keywords if k.arg == "code")]
            found |= {
                value.value
                for value in values
                if isinstance(value, ast.Constant)
                and isinstance(value.value, str)
                and re.fullmatch(
                    r"[a-z0-9]+(-[a-z0-9]+)+|unreachable|timeout|unauthorized|forbidden", value.value
                )
            }
    return found


def test_every_error_code_is_in_the_readme() -> None:
    missing = {code for code in codes_in_code() if f"`{code}`" not in README}

    assert not missing


def test_every_command_is_in_the_readme_and_has_help() -> None:
    from ct_mao_sync.cli.main import COMMANDS

    for name, (_, _, text) in COMMANDS.items():
        assert f"`{name}" in README or f"ct-mao-sync {name}" in README, name
        assert text.endswith(".")


def test_every_option_has_a_help_text() -> None:
    import click

    from ct_mao_sync.cli.main import COMMANDS, cli

    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None and command.help
        commands = command.commands.values() if isinstance(command, click.Group) else [command]
        for each in commands:
            for parameter in each.params:
                if isinstance(parameter, click.Option):
                    assert parameter.help, f"{name}: {parameter.name}"


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in re.findall(r"^make ([a-z ]+)", README, flags=re.MULTILINE):
        for target in line.split("#")[0].split():
            assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


@pytest.mark.parametrize("word", ["shared/", "reference/", "/work", "farm-"])
def test_the_project_names_nothing_outside_itself(word: str) -> None:
    assert word not in README
