"""Progress, completion, plain text: how every command behaves on a terminal and off it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from cli_world import World
from golden import stays_one
from shop_orders import order

from ct_mao_sync.cli import progress
from ct_mao_sync.cli.progress import Telling, render_line
from ct_mao_sync.cli.render import wrap


def test_a_line_of_progress_has_a_bar_where_the_end_is_known() -> None:
    assert render_line("orders", 30, None, "written 7", 9, 80) == "orders: 30  written 7"
    line = render_line("orders", 50, 100, "written 7", 60, 80)
    assert line == "orders: 50 of 100  [############............]  written 7  60 s left"
    assert render_line("orders", 100, 100, "written 7", 60, 80).count("#") == 24
    assert render_line("orders", 0, 0, "", 1, 80).startswith("orders: 0 of 0")


@pytest.mark.parametrize("width", [10, 20, 40, 60])
def test_a_line_of_progress_fits_a_narrow_terminal(width: int) -> None:
    line = render_line("inventory", 12_345, 99_999, "written 1234, rejected 12", 600, width)

    assert len(line) <= width
    assert line.startswith("inventory"[:width])


@pytest.mark.parametrize("on_terminal", [True, False])
def test_short_work_shows_nothing_and_long_work_says_that_it_goes_on(
    on_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now_s = [0.0]
    monkeypatch.setattr(progress.SystemClock, "monotonic", lambda clock: now_s[0])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: on_terminal, raising=False)
    logged: list[str] = []
    monkeypatch.setattr(progress.log, "warning", lambda text, *args, **_: logged.append(text % args))
    tell = Telling("orders", 1000)

    tell(1, "")
    assert capsys.readouterr().err == "" and logged == []
    for second in range(2, 181):
        now_s[0] = float(second)
        tell(second, "")
    shown = capsys.readouterr().err
    tell.clear()

    assert (shown.count("\r") > 100, len(logged)) == ((True, 0) if on_terminal else (False, 3))
    assert capsys.readouterr().err == ("\r\x1b[K" if on_terminal else "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_and_options(shell: str) -> None:
    def asked(words: str, word_number: int, **more: str) -> str:
        env = {**os.environ, "COMP_WORDS": words, "COMP_CWORD": str(word_number), **more}
        done = subprocess.run(
            [sys.executable, "-c", "from ct_mao_sync.cli.main import main; main()"],
            env={**env, "_CT_MAO_SYNC_COMPLETE": f"{shell}_complete"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    assert "reconcile" in asked("ct-mao-sync rec", 1, **({"COMP_CWORD": "rec"} if shell == "fish" else {}))
    source = subprocess.run(
        [sys.executable, "-c", "from ct_mao_sync.cli.main import main; main()"],
        env={**os.environ, "_CT_MAO_SYNC_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert "_CT_MAO_SYNC_COMPLETE" in source


def test_no_command_that_looks_prints_colours_or_moves_the_cursor(world: World) -> None:
    world.shop.put(order("CT-1"))
    world.shop.put(order("CT-2", method="Drone"))
    world.sync()
    for arguments in (
        ["overview"],
        ["report"],
        ["errors", "list"],
        ["trace", "CT-2"],
        ["reconcile", "orders"],
    ):
        assert "\x1b" not in world.run(*arguments).text
        for width in (40, 60, 120):
            out = world.run(*arguments, terminal_width=width).out
            assert all(len(line) <= width or stays_one(line) for line in out.splitlines()), out


@pytest.mark.parametrize(
    ("hint", "command"),
    [
        ("add 'a b' to x; then: ct-mao-sync replay-errors --code sku-unmapped", None),
        (
            "if it is right: ct-mao-sync replay-errors --code cancel-limit --allow-cancel ; else wait",
            "ct-mao-sync replay-errors --code cancel-limit --allow-cancel",
        ),
        ("ct-mao-sync sync inventory --sku 'A; B, C' --dry-run, then look", None),
        ('settle it (ct-mao-sync errors discard 12 --reason "…")', None),
        (
            "check the space: df -h /srv/sync; then: ct-mao-sync sync returns",
            "ct-mao-sync sync returns",
        ),
        ("the container ct-mao-sync is not there yet, and nothing is missing for it to be made", ""),
    ],
)
def test_a_command_in_a_text_is_never_broken_in_two(hint: str, command: str | None) -> None:
    if command is None:
        command = hint[hint.index("ct-mao-sync") :].removesuffix(", then look").removesuffix(")")

    lines = wrap(hint, width=30, indent="  ", hang="    ").splitlines()

    assert any(command in line for line in lines)
    assert all(len(line) <= 30 or line.strip(" ;,()") == command for line in lines)
    assert " ".join(line.strip() for line in lines) == hint
