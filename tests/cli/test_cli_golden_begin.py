"""How the commands look that a person meets first: `init`, `demo`, `sandbox`; and `state`, met last."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from golden import Stage, Typed, at_both_widths

from ct_mao_sync.cli import demo
from ct_mao_sync.cli.main import COMMANDS
from ct_mao_sync.sandbox import __main__ as sandbox
from ct_mao_sync.state.store import Store

NEW = (
    *("init", "--non-interactive", "--project-key", "acme", "--region", "us-central1.gcp"),
    *("--organization", "ACME", "--mao-url", "https://acme.omni.test"),
    *("--mao-auth-url", "https://acme-auth.omni.test", "--start-at", "2026-11-01"),
)
ANSWERS = "acme\nus-central1.gcp\nhttps://acme.omni.test\nhttps://acme-auth.omni.test\nACME\n\n\n"


@at_both_widths
def test_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    for name in ("CTP_PROJECT_KEY", "CTP_API_URL", "MAO_API_URL", "MAO_AUTH_URL", "MAO_ORGANIZATION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("ct_mao_sync.cli.init._command", lambda: ["/opt/sync/bin/ct-mao-sync"])
    stage = Stage(tmp_path, monkeypatch)
    stage.config_path.unlink()
    typed = Typed(stage, width)

    typed("init", answer=ANSWERS)
    typed("init", "--systemd", f"{tmp_path}/units", "--cron", f"{tmp_path}/crontab")
    stage.config_path.unlink()
    typed(*NEW, "--systemd", f"{tmp_path}/new-units")
    typed(*NEW, code=2)
    typed(*NEW[:4], "--force", code=2)
    typed.check("init")


@at_both_widths
def test_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    stage = Stage(tmp_path, monkeypatch)
    for number in range(1, 4):
        stage.place(number)
    stage.sync()
    typed = Typed(stage, width)
    facts = Store.facts

    def some(store: Store) -> Any:
        """A further table must not change the file."""
        found = facts(store)
        return replace(found, rows={name: found.rows[name] for name in ("dead_letters", "processed", "runs")})

    monkeypatch.setattr(Store, "facts", some)

    typed("state", "backup", f"{tmp_path}/copy")
    typed("state", "backup", f"{tmp_path}/copy", code=2)
    typed("state", "check")
    typed("state", "prune", "--dry-run")
    stage.clock.advance(timedelta(days=40).total_seconds())
    typed("state", "prune", "--dry-run")
    typed("state", "prune")
    path = stage.application().config.state_path
    path.chmod(0o644)
    typed("state", "check", code=5)
    for file in tmp_path.glob(f"{path.name}-*"):
        file.unlink()
    path.write_bytes(b"not a database" * 500)
    typed("state", "check", code=5)
    typed.check("state")


@at_both_widths
def test_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    def introduce(*arguments: Any) -> str:
        signal.raise_signal(signal.SIGTERM)  # it is waited for afterwards
        return text(*arguments)

    text = sandbox.render_introduction
    monkeypatch.setattr(sandbox, "render_introduction", introduce)
    typed = Typed(Stage(tmp_path, monkeypatch), width)

    with signals_kept():
        typed("sandbox", "--count", "2", "--stock")
    typed("sandbox", "--count", "2", "--faults", "429=2", code=2)
    typed.check("sandbox")


@at_both_widths
def test_demo_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """What its commands print is theirs; that all of it ends well: test_cli_demo.py."""
    monkeypatch.setattr(demo, "_play", lambda show: demo._introduce(show))
    typed = Typed(Stage(tmp_path, monkeypatch), width)

    typed("demo", "--folder", f"{tmp_path}/tour")
    typed("demo", "--folder", str(tmp_path), code=2)
    typed.check("demo")


@at_both_widths
def test_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    typed = Typed(Stage(tmp_path, monkeypatch), width)
    for command in ("", *COMMANDS, *(f"errors {name}" for name in ("list", "show", "discard"))):
        typed(*command.split(), "--help")
    for name in ("backup", "check", "prune"):
        typed("state", name, "--help")
    typed("snyc", code=2)
    typed("sync", "order", code=2)
    typed.check("help")


@contextmanager
def signals_kept() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
