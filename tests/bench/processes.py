"""The pieces that the benches share: the sandbox as a server, `ct-mao-sync` measured from outside, the table.

    with serving(folder, seed=1, latency_ms=50) as server:
        server.act("tests.bench.orders:fill", count=2000)    # a function of the bench, inside the server
        config = write_config(folder / "config.toml", server, workers=8, more="[orders]\\n…")
        ran = run_job(server, folder, config, "orders")

Only the standard library is imported here, and by the modules of the benches outside their functions: the
peak memory that the kernel reports for a child begins with its parent's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter
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
overlap_seconds = {mao_overlap_s}
settle_seconds = {mao_settle_s}

[sync]
workers = {workers}
overlap_seconds = {overlap_s}
settle_seconds = {settle_s}

{more}
"""
ORDERS_CONFIG = """\
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
"""For the orders that the sandbox generates."""
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

    process: subprocess.Popen[str]
    urls: Mapping[str, str]

    def act(self, call: str, **arguments: Any) -> Any:
        """Calls `module:function` inside the server with its sandbox, and gives what it returned (as JSON).
        Raises RuntimeError when the server died of it; it said why on the terminal."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"call": call, "arguments": arguments}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the sandbox died of {call}")
        return json.loads(answer)

    def requests(self) -> Counter[str]:
        """How many so far, both sides, by `service METHOD endpoint`."""
        rows = self._seen()["requests"]
        return Counter({f"{r['service']} {r['method']} {r['endpoint']}": r["count"] for r in rows})

    def writes(self) -> int:
        """How many so far, both sides."""
        return sum(self._seen()["writes"].values())

    def _seen(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.urls['manhattan']}/_sandbox/requests", timeout=30) as answer:
            return json.load(answer)  # type: ignore[no-any-return]

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of one job, as the process, its own report and the server saw it."""

    process: Measured
    report: dict[str, Any]
    by_endpoint: Counter[str]
    writes: int
    server_cpu_s: float

    @property
    def requests(self) -> int:
        return self.by_endpoint.total()


@contextmanager
def serving(folder: Path, *, seed: int, latency_ms: float) -> Iterator[Server]:
    """Runs until the block ends, empty at first. Raises RuntimeError when it does not come up."""
    ports = folder / "ports.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.server", str(ports), str(seed), str(latency_ms)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(1200):
            if ports.exists():
                break
            if process.poll() is not None:
                raise RuntimeError(f"the sandbox ended with {process.returncode}")
            time.sleep(0.05)
        else:
            raise RuntimeError("the sandbox did not come up")
        yield Server(process, json.loads(ports.read_text()))
    finally:
        process.kill()
        process.wait(timeout=10)


def environment() -> dict[str, str]:
    """As after an installation: with compiled modules, also where the present shell wants none written."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return inherited | SECRETS


def write_config(
    path: Path,
    server: Server,
    *,
    workers: int,
    overlap_s: int = 120,
    settle_s: int = 5,
    mao_overlap_s: int = 600,
    mao_settle_s: int = 60,
    more: str = "",
) -> Path:
    """`more` is TOML: the sections of the job."""
    text = CONFIG.format(
        **server.urls,
        workers=workers,
        overlap_s=overlap_s,
        settle_s=settle_s,
        mao_overlap_s=mao_overlap_s,
        mao_settle_s=mao_settle_s,
        more=more,
    )
    path.write_text(text, encoding="utf-8")
    return path


def run_job(server: Server, folder: Path, config: Path, job: str, *options: str) -> Ran:
    """One process of `sync JOB`. Raises SystemExit when it ended otherwise than done or with rejections."""
    requests, writes, cpu_s = server.requests(), server.writes(), server.cpu_s()
    process = measure(["--config", str(config), "--json", "sync", job, *options], folder)
    try:
        report = json.loads(process.output)["runs"][0]
    except (ValueError, LookupError):
        raise SystemExit(f"the run ended with {process.exit_code} and said: {process.output}") from None
    if process.exit_code not in (0, 3):
        raise SystemExit(f"the run ended with {process.exit_code}: {report['problem']}")
    return Ran(
        process,
        report,
        by_endpoint=server.requests() - requests,
        writes=server.writes() - writes,
        server_cpu_s=server.cpu_s() - cpu_s,
    )


def bench_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """The options that every bench has."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.bench {name}", description=description)
    parser.add_argument("--workers", type=int, default=8, help="requests in flight (8)")
    parser.add_argument("--latency", type=float, default=50.0, metavar="MS", help="of each answer (50)")
    parser.add_argument("--seed", type=int, default=1, help="of what the sandbox is filled with (1)")
    return parser


def median(values: Sequence[float], form: str) -> str:
    return form.format(statistics.median(values))


def print_table(rows: Sequence[tuple[str, str, str]]) -> None:
    """Rows of what, measured, aim."""
    rows = [("", "measured", "aim"), *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


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
