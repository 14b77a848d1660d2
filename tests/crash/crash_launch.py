"""A process that dies by its own hand: at its n-th SQL statement (`statement=17`), or by the kernel in the
middle of the write that makes a file longer than n bytes (`bytes=40000`), as when the power fails during a
commit; or at its first write into the outbox: before it, in the middle of it, after it (`outbox=half`).
"""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
from pathlib import Path
from typing import Any


def die_at_statement(number: int) -> None:
    connect, left = sqlite3.connect, number

    def count(_: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def connect_and_count(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*args, **options)
        connection.set_trace_callback(count)
        return connection

    sqlite3.connect = connect_and_count  # type: ignore[assignment]


def die_at_bytes(number: int) -> None:
    # Python ignores this signal; its default is to end the process on the spot.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, number))


def die_at_outbox(where: str) -> None:
    write = os.write

    def write_and_die(handle: int, data: Any) -> int:
        if not str(Path(f"/proc/self/fd/{handle}").readlink()).endswith("outbox.jsonl"):
            return write(handle, data)
        part = {"before": 0, "half": len(data) // 2, "after": len(data)}[where]
        write(handle, data[:part])
        os.kill(os.getpid(), signal.SIGKILL)
        return part

    os.write = write_and_die  # type: ignore[assignment]


def die(how: str) -> None:
    what, _, detail = how.partition("=")
    if what == "outbox":
        die_at_outbox(detail)
    else:
        {"statement": die_at_statement, "bytes": die_at_bytes}[what](int(detail))
