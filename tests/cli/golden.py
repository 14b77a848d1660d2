"""What a command prints, compared letter by letter with a file under `tests/cli/golden/`.

Everything is on a simulated clock against the sandbox, so that the text is the same each time. After a change
that is meant: GOLDEN=write pytest tests/cli, and look at the difference before it is committed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click.testing
import pytest
from jobs.orders_bench import Bench

from ct_mao_sync.cli.main import cli
from ct_mao_sync.sandbox.commercetools_orders import edit_order

FOLDER = Path(__file__).parent / "golden"
WIDTHS = (60, 120)


class Stage(Bench):
    """A shop, an OMS, a state file, and the command line on their clock."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        super().__init__(folder, **settings)
        monkeypatch.setattr(
            "ct_mao_sync.cli.wiring.open_application", lambda path, env=None: self.application()
        )

    def run(self, *arguments: str, width: int = 100, answer: str | None = None) -> click.testing.Result:
        """One command in this process."""
        runner = click.testing.CliRunner(env={"COLUMNS": str(width), "NO_COLOR": "1"})
        done = runner.invoke(
            cli, ["--config", str(self.config_path), *arguments], prog_name="ct-mao-sync", input=answer
        )
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    def edit(self, number: int, change: Callable[[dict[str, Any]], Any]) -> None:
        """The shop changes an order."""
        order = next(o for o in self.sandbox.world.ct.orders.values() if o["orderNumber"] == f"CT-{number}")
        edit_order(self.sandbox.world, order["id"], change)

    def check(self, name: str, *arguments: str, code: int = 0) -> None:
        """The command's stdout at every width. Only the last line of a run stays one line, for grep."""
        for width in WIDTHS:
            done = self.run(*arguments, width=width)
            assert done.exit_code == code, done.output
            wide = [line for line in done.stdout.splitlines() if len(line) > width and "  read " not in line]
            assert not wide, done.stdout
            check_golden(f"{name}-{width}", f"$ ct-mao-sync {' '.join(arguments)}\n{done.stdout}")


def check_golden(name: str, text: str) -> None:
    path = FOLDER / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        FOLDER.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"{path} is not there; make it with GOLDEN=write"
    assert text == path.read_text(encoding="utf-8")
