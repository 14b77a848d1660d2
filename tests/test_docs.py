"""README, --help and the code agree."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from ct_mao_sync.cli.main import COMMANDS, cli

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


ERROR_CODES = README.split("### Error codes")[1].split("\n### ")[0]


def test_every_error_code_is_in_the_readme() -> None:
    missing = {code for code in codes_in_code() if f"`{code}`" not in ERROR_CODES}

    assert not missing


def test_every_error_code_of_the_readme_can_happen() -> None:
    """In the table, or in the list of what a run ends with."""
    table = set(re.findall(r"^\| `([a-z-]+)`", ERROR_CODES, flags=re.MULTILINE))
    ends = ERROR_CODES.split("The run itself can end with:")[1].split("\n\n")[0]
    named = table | set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", ends))
    literals = {
        node.value
        for path in PACKAGE.rglob("*.py")
        if "sandbox" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    assert not named - literals


def commands() -> dict[str, click.Command]:
    """ "errors list" and the like, each with its command."""
    found: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {each}": inner for each, inner in command.commands.items()}
    return found


def options_of(command: click.Command) -> set[str]:
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}


def test_every_command_is_in_the_readme_and_has_help() -> None:
    assert all(text.endswith(".") for _, _, text in COMMANDS.values())
    for name, command in commands().items():
        assert f"`{name}" in README or f"ct-mao-sync {name}" in README, name
        assert command.help, name


def test_every_option_is_in_the_readme() -> None:
    missing = {
        f"{name} {option}"
        for name, command in commands().items()
        for option in options_of(command)
        if option.startswith("--") and option not in README
    }

    assert not missing


def unknown_words(text: str) -> list[str]:
    """What a text tells a person to type and that would not be understood: commands with their options."""
    found = []
    known = commands()
    for line in text.splitlines():
        for said in line.split("ct-mao-sync ")[1:]:
            words = re.split(r"[;|)`…]| #| \(|\. ", said)[0].split()
            words = [word.strip("\"',.:[]") for word in words]
            while words and words[0].startswith("--"):
                words = words[2:]  # `--config FILE` before the command
            if not words or not re.fullmatch(r"[a-z][a-z-]*", words[0]):
                continue
            name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
            command = known.get(name)
            unknown = [w for w in words if w.startswith("--") and command and w not in options_of(command)]
            if command is None or [w for w in unknown if w not in ("--help", "--version")]:
                found.append(said.strip())
    return found


def test_commands_in_the_code_blocks_of_the_readme_exist() -> None:
    blocks = re.findall(r"```.*?```", README, flags=re.DOTALL)

    assert not unknown_words("\n".join(re.findall(r"^\$ (ct-mao-sync .*)", "\n".join(blocks), re.MULTILINE)))


def test_commands_and_options_in_the_table_of_the_readme_exist() -> None:
    table = README.split("## Operating")[1].split("\n\n")[1]
    cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    said = [
        part for cell in cells for part in re.findall(r"`([^`]+)`", cell) if not part.startswith(("-", "…"))
    ]

    assert len(said) > 15
    assert not unknown_words("\n".join(f"ct-mao-sync {part}" for part in said))


def test_every_command_shows_examples_that_would_be_understood() -> None:
    for name, command in commands().items():
        told = command.epilog or ""
        assert "Example" in told, name
        assert not unknown_words(told), name


def test_every_option_has_a_help_text() -> None:
    for name, command in commands().items():
        for parameter in command.params:
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
