"""The processes of a bench: the sandbox as a server, and `ct-mao-sync` measured from outside.

Only the standard library is imported here: the peak memory that the kernel reports for a child begins with
its parent's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICKS_PER_S = os.sysconf("SC_CLK_TCK")

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
workers = {workers}
overlap_seconds = {overlap_s}
settle_seconds = {settle_s}

[orders]
start_at = "2020-01-01T00:00:00Z"

[mapping.shipping_methods]
standard = "STD"
free = "STD"
express = "EXP"
freight = "FREIGHT"
pickup = "PICKUP"
"Customer pickup (custom)" = "PICKUP"
"""
SECRETS = {
    "CTP_CLIENT_SECRET": "sandbox-secret",
    "MAO_CLIENT_SECRET": "sandbox-secret",
    "MAO_PASSWORD": "sandbox-password",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One whole process, from fork to exit."""

    exit_code: int
    output: str
    wall_s: float
    cpu_s: float
    """user + system"""
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Server:
    """The sandbox, in a process of its own."""

    pid: int
    urls: Mapping[str, str]

    def seen(self) -> dict[str, int]:
        """Requests and writes so far, both sides."""
        url = f"{self.urls['manhattan']}/_sandbox/requests"
        with urllib.request.urlopen(url, timeout=30) as answer:
            document = json.load(answer)
        return {"requests": document["total"], "writes": sum(document["writes"].values())}

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


@contextmanager
def serving(folder: Path, *, count: int, seed: int, latency_ms: float) -> Iterator[Server]:
    """Runs until the block ends. Raises RuntimeError when it does not come up within two minutes."""
    ports = folder / "ports.json"
    command = [
        *(sys.executable, "-m", "ct_mao_sync.sandbox"),
        *(f"--count={count}", f"--seed={seed}", f"--latency={latency_ms}", f"--ports-file={ports}"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(2400):
            if ports.exists():
                break
            if process.poll() is not None:
                raise RuntimeError(f"the sandbox ended with {process.returncode}")
            time.sleep(0.05)
        else:
            raise RuntimeError("the sandbox did not come up")
        yield Server(process.pid, json.loads(ports.read_text()))
    finally:
        process.terminate()
        process.wait(timeout=10)


def environment() -> dict[str, str]:
    """As after an installation: with compiled modules, also where the present shell wants none written."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return inherited | SECRETS


def write_config(path: Path, server: Server, **values: Any) -> Path:
    path.write_text(CONFIG.format(**server.urls, **values), encoding="utf-8")
    return path


def measure(arguments: Sequence[str], folder: Path) -> Measured:
    """Runs `python -m ct_mao_sync`; stderr goes to the terminal."""
    output = folder / "stdout"
    with output.open("wb") as stdout:
        started_s = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "ct_mao_sync", *arguments], stdout=stdout, env=environment()
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - started_s
    process.returncode = os.waitstatus_to_exitcode(status)
    return Measured(
        exit_code=process.returncode,
        output=output.read_text(encoding="utf-8"),
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss / 1024,
    )
