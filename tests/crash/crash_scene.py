"""The real `ct-mao-sync` against the sandbox in another process, and what both leave behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from forks import Forked, Forks

HERE = Path(__file__).parent
STATE = "ct-mao-sync.sqlite3"
SEED = 5
ORDERS = 12
KILLED = -9
REJECTED = 3
"""Exit code of an undisturbed run: some generated orders are set aside."""
DONE = (0, REJECTED)
"""Of a run after a kill: 0 when the killed one had set them aside already."""

CONFIG = """\
[commercetools]
project_key = "sandbox"
client_id = "sandbox-client"
client_secret = "env:CTP_CLIENT_SECRET"
auth_url = "{commercetools}"
api_url = "{commercetools}"
import_url = "{commercetools}"

[manhattan]
api_url = "{manhattan}"
auth_url = "{manhattan}"
client_id = "omnicomponent.1.0.0"
client_secret = "env:MAO_CLIENT_SECRET"
username = "sync@acme"
password = "env:MAO_PASSWORD"
organization = "ACME"

[sync]
workers = 4
page_size = {page_size}
retry_seconds = 10

[orders]
start_at = "2026-11-01T00:00:00Z"

[mapping.shipping_methods]
standard = "STD"
free = "STD"
freight = "FREIGHT"
pickup = "PICKUP"
"Customer pickup (custom)" = "PICKUP"
"""
SECRETS = {
    "CTP_CLIENT_SECRET": "sandbox-secret",
    "MAO_CLIENT_SECRET": "sandbox-secret",
    "MAO_PASSWORD": "sandbox-password",
}


def environment() -> dict[str, str]:
    return {**os.environ, **SECRETS, "PYTHONPATH": str(HERE.parent.parent)}


class Server:
    """The process of `crash_server.py`; `forks` starts those that it kills."""

    def __init__(self, forks: Forks) -> None:
        self.forks = forks
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "crash_server.py")],
            cwd=HERE.parent.parent,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.urls: dict[str, str] = self._answer()

    def do(self, what: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["ok"]

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server of the crash tests ended"
        return json.loads(line)


@dataclass(frozen=True, slots=True)
class Ended:
    exit_code: int
    stdout: str
    stderr: str
    elapsed_s: float


class Machine:
    """One installation: a folder with its configuration and its state."""

    def __init__(self, folder: Path, server: Server, *, page_size: int = 5) -> None:
        self.folder = folder
        self.server = server
        folder.mkdir(parents=True, exist_ok=True)
        config = CONFIG.format(**server.urls, page_size=page_size)
        (folder / "config.toml").write_text(config, encoding="utf-8")

    def start(self, *arguments: str, launch: str = "") -> Forked:
        """`launch`: a way to die that `crash_launch.py` knows."""
        process = self.server.forks.start(
            *(arguments or ("sync", "orders")),
            folder=self.folder,
            env=environment(),
            before=("crash_launch", "die", launch) if launch else None,
            path=[HERE],
        )
        self.server.do("name", pid=process.pid)
        return process

    def run(self, *arguments: str, launch: str = "", timeout_s: float = 60) -> Ended:
        return wait_for(self.start(*arguments, launch=launch), timeout_s)

    def names(self) -> set[str]:
        """The files in the folder, as far as they stay: SQLite removes its companions at the end."""
        return {path.name for path in self.folder.iterdir()}

    def state(self) -> dict[str, Any]:
        """What the state file says, without times and run ids."""
        # Not read-only: only a writer takes SQLite's companion files away again.
        with sqlite3.connect(self.folder / STATE) as db:
            db.row_factory = sqlite3.Row
            assert [row[0] for row in db.execute("PRAGMA integrity_check")] == ["ok"]
            checkpoints = db.execute("SELECT pass, watermark, since, until, cursor FROM checkpoints")
            # Not the versions: the platform may raise them by more than one.
            sent = "SELECT entity, mao_order_id, base IS NULL, sending, cancelling FROM sent"
            letters = "SELECT entity, code, version, state FROM dead_letters"
            found = {
                "checkpoints": {row["pass"]: dict(row) for row in checkpoints},
                "keys": {row["entity"]: row["digest"] for row in db.execute("SELECT * FROM processed")},
                "sent": {row["entity"]: tuple(row)[1:] for row in db.execute(sent)},
                "dead_letters": {row["entity"]: tuple(row)[1:] for row in db.execute(letters)},
            }
        db.close()
        return found

    def watermark(self) -> datetime:
        [checkpoint] = self.state()["checkpoints"].values()
        return datetime.fromisoformat(checkpoint["watermark"])

    def copy_to(self, folder: Path) -> Machine:
        shutil.copytree(self.folder, folder)
        twin = Machine.__new__(Machine)
        twin.folder, twin.server = folder, self.server
        return twin


def wait_for(process: Forked, timeout_s: float = 60) -> Ended:
    started_s = time.monotonic()
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate(timeout=10)
        raise AssertionError(f"still running after {timeout_s} s: {stdout}{stderr}") from None
    assert process.returncode is not None
    return Ended(process.returncode, stdout, stderr, time.monotonic() - started_s)


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Both systems and the state after everything was done."""

    world: dict[str, Any]
    state: dict[str, Any]
    names: set[str]

    @classmethod
    def of(cls, machine: Machine) -> Aftermath:
        names = machine.names()
        return cls(machine.server.do("look"), machine.state(), names)


WATERMARK_SLACK_S = 2.0
"""The watermark is the server's clock, which stands still, less the time one request took."""


def assert_same(found: Aftermath, undisturbed: Aftermath) -> None:
    """Nothing lost, nothing doubled, nothing left over: each order once, as in the undisturbed history."""
    apart = differences(_history(found), _history(undisturbed))
    assert not apart, "\n".join(apart)
    shop_ids = [order["AlternateOrderId"] for order in found.world["oms"].values()]
    assert len(set(shop_ids)) == len(shop_ids), "one shop order, several MAO orders"
    for name, checkpoint in found.state["checkpoints"].items():
        assert (checkpoint["since"], checkpoint["until"], checkpoint["cursor"]) == (None, None, None), name
        expected = undisturbed.state["checkpoints"][name]["watermark"]
        late = datetime.fromisoformat(checkpoint["watermark"]) - datetime.fromisoformat(expected)
        assert abs(late.total_seconds()) < WATERMARK_SLACK_S, f"the watermark of {name}"


def _history(after: Aftermath) -> dict[str, Any]:
    """All that must be equal."""
    return {
        "oms": {order_id: _told(order) for order_id, order in after.world["oms"].items()},
        "shop": {order_id: _acknowledged(order) for order_id, order in after.world["shop"].items()},
        "writes": after.world["writes"],
        "keys": after.state["keys"],
        "sent": after.state["sent"],
        "dead_letters": after.state["dead_letters"],
        "passes": sorted(after.state["checkpoints"]),
        "files": sorted(after.names),
    }


def differences(found: Any, expected: Any, path: str = "") -> list[str]:
    """Where two documents differ, one line each."""
    if isinstance(found, dict) and isinstance(expected, dict):
        names = {**expected, **found}
        pairs = [(f"{path}/{name}", found.get(name), expected.get(name)) for name in names]
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        pairs = [(f"{path}/{index}", *pair) for index, pair in enumerate(zip(found, expected, strict=True))]
    else:
        return [] if found == expected else [f"{path}: {found!r}, expected {expected!r}"]
    return [line for inner, one, other in pairs for line in differences(one, other, inner)]


# Ids that MAO draws for its own rows depend on the order in which saves arrive.
_DRAWN = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ROW_IDS = frozenset({"QuantityDetailId", "ChargeDetailId", "TaxDetailId"})


def _told(value: Any, name: str = "") -> Any:
    """A MAO document without what depends on the order of saves."""
    if isinstance(value, dict):
        return {member: _told(inner, member) for member, inner in value.items()}
    if isinstance(value, list):
        return [_told(inner) for inner in value]
    if name in _ROW_IDS and isinstance(value, str) and _DRAWN.fullmatch(value):
        return "drawn"
    return value


def _acknowledged(order: dict[str, Any]) -> tuple[Any, ...]:
    synced = [row["externalId"] for row in order.get("syncInfo", ())]
    return order["orderState"], synced


class Later:
    """An hour after the first export: customers have changed, cancelled and placed orders."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._machine = Machine(folder / "exported", server)
        server.do("reset", seed=SEED, count=ORDERS)
        assert self._machine.run().exit_code == REJECTED
        server.do("pass_time", seconds=3600)
        server.do("live", seed=77)
        server.do("keep", name="later")
        twin = self.machine(folder / "undisturbed")
        assert twin.run().exit_code == 0
        self.undisturbed = Aftermath.of(twin)
        writes = self.undisturbed.world["writes"]
        assert len(writes["save"]) > 3 and len(writes["cancel"]) == 2

    def machine(self, folder: Path) -> Machine:
        """A copy of the machine, and the world as it was then."""
        self._server.do("restore", name="later")
        return self._machine.copy_to(folder)
