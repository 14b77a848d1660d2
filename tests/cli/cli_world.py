"""Two independent servers, a folder with a configuration, and the command line to run against them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import click.testing
from independent_commercetools import Commercetools
from independent_manhattan import Manhattan
from shop_orders import PERSONAL

from ct_mao_sync.cli.main import cli
from ct_mao_sync.engine.clock import SystemClock

CONFIG: Mapping[str, Mapping[str, Any]] = {
    "commercetools": {
        "project_key": "acme",
        "client_id": "env:CTP_CLIENT_ID",
        "client_secret": "env:CTP_CLIENT_SECRET",
    },
    "manhattan": {
        "client_id": "env:MAO_CLIENT_ID",
        "client_secret": "env:MAO_CLIENT_SECRET",
        "username": "env:MAO_USERNAME",
        "password": "env:MAO_PASSWORD",
        "organization": "ACME",
    },
    "sync": {"request_timeout_seconds": 2, "retry_seconds": 1, "workers": 4, "settle_seconds": 0},
    "orders": {"start_at": "2026-11-01T00:00:00Z"},
    "mapping": {"shipping_methods": {"Standard": "STD", "Express": "EXP"}},
}
MISSING = object()


@dataclass
class Ran:
    """What one command line did."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def said(self) -> str:
        """The text as if the terminal had no end."""
        return " ".join(self.text.split())

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class World:
    def __init__(self, folder: Path, monkeypatch: Any) -> None:
        self.folder = folder
        self.shop = Commercetools()
        self.mao = Manhattan()
        self.env = {
            "CTP_CLIENT_ID": "ctp-client",
            "CTP_CLIENT_SECRET": Commercetools.SECRET,
            "MAO_CLIENT_ID": "mao-client",
            "MAO_CLIENT_SECRET": Manhattan.SECRET,
            "MAO_USERNAME": "sync@acme",
            "MAO_PASSWORD": Manhattan.PASSWORD,
        }
        self.everything = ""
        self.config_path = folder / "config.toml"
        self.state_path = folder / "state.sqlite3"
        self.configure()
        # Real pauses, a tenth as long: back-off is tested elsewhere.
        sleep = SystemClock.sleep
        monkeypatch.setattr(SystemClock, "sleep", lambda clock, s: sleep(clock, s / 10))

    def close(self) -> None:
        self.shop.server.close()
        self.mao.server.close()

    def configure(self, **changes: Any) -> None:
        """`section__key=value` over the defaults; MISSING leaves a key out."""
        config = {name: dict(section) for name, section in CONFIG.items()}
        config["commercetools"] |= {"auth_url": self.shop.server.url, "api_url": self.shop.server.url}
        config["manhattan"] |= {"auth_url": self.mao.server.url, "api_url": self.mao.server.url}
        config["state"] = {"path": str(self.state_path)}
        for path, value in changes.items():
            section, _, key = path.partition("__")
            config.setdefault(section, {})[key] = value
        self.config_path.write_text(
            "\n".join(
                f"[{name}]\n" + "\n".join(f"{k} = {toml(v)}" for k, v in section.items() if v is not MISSING)
                for name, section in config.items()
            ),
            encoding="utf-8",
        )

    def run(self, *arguments: str, terminal_width: int = 100) -> Ran:
        """In this process."""
        runner = click.testing.CliRunner(
            env={
                **self.env,
                "CT_MAO_SYNC_CONFIG": str(self.config_path),
                "COLUMNS": str(terminal_width),
            }
        )
        done = runner.invoke(cli, arguments, prog_name="ct-mao-sync")
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return self._ran(Ran(done.exit_code, done.stdout, done.stderr))

    def process(self, *arguments: str, **env: str) -> Ran:
        """As a person types it."""
        done = subprocess.run(
            [sys.executable, "-m", "ct_mao_sync", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.env, **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return self._ran(Ran(done.returncode, done.stdout, done.stderr))

    def _ran(self, ran: Ran) -> Ran:
        """Whatever was run: nobody's data, no secret, no crash, and only commands that exist."""
        self.everything += ran.text
        assert not unknown_commands(ran.text), f"{unknown_commands(ran.text)} in:\n{ran.text}"
        assert not self.leaks(ran.text), f"{self.leaks(ran.text)} in:\n{ran.text}"
        assert "Traceback" not in ran.text, ran.text
        return ran

    def leaks(self, text: str) -> list[str]:
        tokens = [*self.shop.tokens, *self.mao.tokens]
        secrets = [Commercetools.SECRET, Manhattan.SECRET, Manhattan.PASSWORD]
        return [value for value in (*PERSONAL, *secrets, *tokens) if value.lower() in text.lower()]

    def sync(self, *arguments: str) -> Ran:
        return self.run("sync", "orders", *arguments)

    def letters(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.run("errors", "list", "--json").json
        return found

    def clear(self) -> None:
        """Forget the requests so far."""
        self.shop.server.calls.clear()
        self.mao.server.calls.clear()

    @property
    def calls(self) -> list[Any]:
        return [*self.shop.server.calls, *self.mao.server.calls]

    @property
    def requests(self) -> int:
        """All but those for tokens."""
        return sum("oauth" not in call.path for call in self.calls)

    @property
    def writes(self) -> int:
        return len(self.shop.writes()) + len(self.mao.writes())


def unknown_commands(text: str) -> list[str]:
    """Commands that a text tells a person to type and that would not be understood."""
    found = []
    said = " ".join(text.split())
    for name, rest in re.findall(r"ct-mao-sync ([a-z][a-z-]*)((?:(?!ct-mao-sync)[^;|)\"'`])*)", said):
        command = cli.get_command(click.Context(cli), name)
        words = rest.split()
        if isinstance(command, click.Group) and words:
            command = command.get_command(click.Context(command), words[0])
        options = {o for p in command.params for o in p.opts} | {"--help"} if command else set()
        wanted = [word.rstrip(".,:") for word in words if word.startswith("--")]
        if command is None or not options.issuperset(wanted):
            found.append(f"{name}{rest}")
    return found


def toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)
