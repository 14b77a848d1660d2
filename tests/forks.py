"""Real processes of `ct-mao-sync`, without the half second that each would take to import itself.

For tests that need a process (to kill it, to have two of them) and many of them. That a new interpreter does
the same is proved where it is the point: tests/cli/test_cli_process.py, test_cli_run.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
OUTPUTS = (".out", ".err")


class Forks:
    """The process of fork_server.py."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="forks-")
        self._count = 0
        self._server = subprocess.Popen(
            [sys.executable, str(HERE / "fork_server.py")],
            cwd=HERE.parent,
            env={**os.environ, "PYTHONPATH": str(HERE.parent)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(
        self,
        *arguments: str,
        folder: Path,
        env: Mapping[str, str],
        before: tuple[str, str, str] | None = None,
        path: Sequence[Path] = (),
    ) -> Forked:
        """`before`: a module (found on `path`), a function of it and its argument, called in the new process
        before the command line."""
        self._count += 1
        output = Path(self._folder.name) / f"{self._count}"
        for suffix in OUTPUTS:
            output.with_suffix(suffix).touch()
        command = {
            "arguments": arguments,
            "folder": str(folder),
            "env": dict(env),
            "output": str(output),
            "before": before,
            "path": [str(each) for each in path],
        }
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(command) + "\n")
        self._server.stdin.flush()
        return Forked(int(self._server.stdout.readline()), output)

    def close(self) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(timeout=10)
        self._folder.cleanup()


class Forked:
    """Like `subprocess.Popen`, as far as tests use it."""

    def __init__(self, pid: int, output: Path) -> None:
        self.pid = pid
        self.args = f"ct-mao-sync, process {pid}"
        self.returncode: int | None = None
        self._output = output

    def poll(self) -> int | None:
        if self.returncode is None:
            with contextlib.suppress(FileNotFoundError):
                self.returncode = int(self._output.with_suffix(".code").read_text())
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float) -> tuple[str, str]:
        until = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.002)
        out, err = (self._output.with_suffix(suffix).read_text("utf-8") for suffix in OUTPUTS)
        return out, err
