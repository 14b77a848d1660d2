"""What a command prints, compared letter by letter with a file under `tests/cli/golden/`.

Everything is on a simulated clock against the sandbox, so that the text is the same each time; what is not,
is made the same by `settled`. After a change that is meant: GOLDEN=write pytest tests/cli, and look at the
difference before it is committed.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click.testing
import pytest
from jobs.orders_bench import Bench

from ct_mao_sync.cli import render
from ct_mao_sync.cli.main import cli
from ct_mao_sync.cli.wiring import Application
from ct_mao_sync.engine.clock import SystemClock
from ct_mao_sync.sandbox.commercetools_orders import edit_order

FOLDER = Path(__file__).parent / "golden"
WIDTHS = (60, 120)
UNSETTLED = {
    r"(?m)^\d\d:\d\d:\d\dZ (?=info|warning|error)": "hh:mm:ssZ ",
    r"\b[\d.]+ (?:B|kB|MB|GB)\b": "120 kB",
    r"\bschema \d+": "schema 9",
    r"(process|ps -p) \d+": r"\1 4711",
    r"127\.0\.0\.1:\d+": "127.0.0.1:9999",
}
COPIED = ("ct-mao-sync ", "mv ", "rm -f ", "chmod ", "systemctl ", "useradd ", '"', "Error: ")
wrap = render.wrap
at_both_widths = pytest.mark.parametrize("width", WIDTHS)


class Screen:
    """A terminal on which commands are typed, on the clock of a bench."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench = bench
        monkeypatch.setattr("ct_mao_sync.cli.wiring.open_application", lambda *_: self._application())
        monkeypatch.setattr(SystemClock, "now", lambda _: bench.clock.now())

    def _application(self) -> Application:
        application = self.bench.application()
        application.rng = random.Random(1)  # of every pause
        return application

    def run(self, *arguments: str, width: int = 100, answer: str | None = None) -> click.testing.Result:
        """One command in this process."""
        env = {"CT_MAO_SYNC_CONFIG": str(self.bench.config_path), "COLUMNS": str(width), "NO_COLOR": "1"}
        runner = click.testing.CliRunner(env=env)
        # As click reckons by itself on a terminal: two columns are left free, and 100 are enough for a text.
        of_help = min(width, 100) - 2
        done = runner.invoke(cli, arguments, prog_name="ct-mao-sync", input=answer, terminal_width=of_help)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    def check(self, name: str, *arguments: str, code: int = 0) -> None:
        """A command that can be typed twice, at every width."""
        for width in WIDTHS:
            typed = Typed(self, width)
            typed(*arguments, code=code)
            typed.check(name)


class Typed:
    """Commands typed one after the other at one width, and all that they printed."""

    def __init__(self, screen: Screen, width: int) -> None:
        self._screen = screen
        self._width = width
        self._text = ""

    def __call__(self, *arguments: str, code: int = 0, answer: str | None = None) -> None:
        folder = self._screen.bench.config_path.parent
        with pytest.MonkeyPatch.context() as patch:
            # Where a line ends must not depend on the length of a path.
            patch.setattr(render, "wrap", lambda text, **how: wrap(settled(text, folder), **how))
            done = self._screen.run(*arguments, width=self._width, answer=answer)
        assert done.exit_code == code, done.output
        self.add(f"$ ct-mao-sync {' '.join(arguments)}", done.output, code)

    def add(self, typed: str, printed: str, code: int = 0) -> None:
        folder = self._screen.bench.config_path.parent
        typed, printed = settled(typed, folder), settled(printed, folder)
        wide = [line for line in printed.splitlines() if len(line) > self._width and not stays_one(line)]
        assert not wide, "\n".join(wide)
        told = f"[exit code {code}]\n" if code else ""
        self._text += f"{typed}\n{printed}{told}"

    def check(self, name: str) -> None:
        """Against the file of this name and width."""
        path = FOLDER / f"{name}-{self._width}.txt"
        if os.environ.get("GOLDEN") == "write":
            FOLDER.mkdir(exist_ok=True)
            path.write_text(self._text, encoding="utf-8")
        assert path.is_file(), f"{path} is not there; make it with GOLDEN=write"
        assert self._text == path.read_text(encoding="utf-8")


class Stage(Bench, Screen):
    """A shop, an OMS, a state file, and the command line on their clock."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        Bench.__init__(self, folder, **settings)
        Screen.__init__(self, self, monkeypatch)

    def edit(self, number: int, change: Callable[[dict[str, Any]], Any]) -> None:
        """The shop changes an order."""
        edit_order(self.sandbox.world, self.order_id(number), change)

    def order_id(self, number: int) -> str:
        """In the shop."""
        orders = self.sandbox.world.ct.orders.values()
        return next(str(order["id"]) for order in orders if order["orderNumber"] == f"CT-{number}")


def settled(printed: str, folder: Path) -> str:
    """Without what differs from one run or machine to the next: where the test keeps its files, how large
    they are and of which schema, when a line was logged, which port was free."""
    printed = printed.replace(str(folder), "/srv/sync")
    for pattern, same in UNSETTLED.items():
        printed = re.sub(pattern, same, printed)
    return printed


def stays_one(line: str) -> bool:
    """Lines of the log and the last line of a run are for grep, a command and JSON are to be copied, and how
    a wrong command line is told is click's affair."""
    is_for_grep = "  read " in line or line.startswith("hh:mm:ssZ ")
    return is_for_grep or line.lstrip(" #").startswith(COPIED)
