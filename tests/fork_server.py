"""Starts `ct-mao-sync` as often as it is told, without importing it again each time.

It has imported the whole product when the first command comes, and forks for each: what runs is a process of
its own, with its own folder, environment, output and signals, and ends as any other (tests/forks.py asks).
Commands are JSON lines on standard input, each answered by the process id; it ends with its standard input.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

import ct_mao_sync

_outputs: dict[int, Path] = {}


def import_everything() -> None:
    for module in pkgutil.walk_packages(ct_mao_sync.__path__, "ct_mao_sync."):
        if not module.name.startswith("ct_mao_sync.sandbox") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.freeze()


def reap(*_: object) -> None:
    """Tells how each process ended: a file beside its output, there at once and whole."""
    for pid, output in list(_outputs.items()):
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue  # two ended at once, and this was interrupted to tell of the other one
        if ended:
            del _outputs[pid]
            told = output.with_suffix(".telling")
            told.write_text(str(os.waitstatus_to_exitcode(status)))
            told.rename(output.with_suffix(".code"))


def become(command: dict[str, Any]) -> None:
    """What `subprocess` would have arranged for a new process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    output = Path(command["output"])
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["env"])
    for number, path, flags in (
        (0, Path(os.devnull), os.O_RDONLY),
        (1, output.with_suffix(".out"), os.O_WRONLY),
        (2, output.with_suffix(".err"), os.O_WRONLY),
    ):
        handle = os.open(path, flags)
        os.dup2(handle, number)
        os.close(handle)
    sys.argv = ["ct-mao-sync", *command["arguments"]]
    sys.path[:0] = command["path"]
    if command["before"]:
        module, function, argument = command["before"]
        getattr(importlib.import_module(module), function)(argument)


def serve() -> None:
    signal.signal(signal.SIGCHLD, reap)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        command = json.loads(line)
        # One that ends at once is not to be missed.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        pid = os.fork()
        if not pid:
            answers.detach()
            become(command)
            runpy.run_module("ct_mao_sync", run_name="__main__", alter_sys=True)
            sys.exit()
        _outputs[pid] = Path(command["output"])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        print(pid, file=answers, flush=True)


if __name__ == "__main__":
    import_everything()
    serve()
