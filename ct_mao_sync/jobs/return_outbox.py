"""The file that the payment service reads: JSON lines, appended, each safely on the disk before it counts.

Every event is in the state file first. The file is opened anew for each batch, so that a rotation between two
runs is followed. What a crash left between file and state is found in the file's tail: a whole line is not
written again, and a torn one is completed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from ct_mao_sync.errors import Problem, RunStopped
from ct_mao_sync.state.store import OutboxRow, Store

BATCH_LINES = 500
TAIL_BYTES = 1024 * 1024
"""More than a batch: a line is below 1 kB, but for returns of very many units in very many conditions."""
_MODE = 0o640


class Outbox:
    """Raises RunStopped `outbox-unwritable`; what was not written stays in the state file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def flush(self, store: Store) -> int:
        """Main thread, outside of any transaction. How many lines went out."""
        count = 0
        while rows := store.unwritten_outbox(BATCH_LINES):
            try:
                self._append(rows)
            except OSError as error:
                raise self._unwritable(error) from None
            store.outbox_written([row.key for row in rows])
            count += len(rows)
        return count

    def _append(self, rows: Sequence[OutboxRow]) -> None:
        is_new = not self.path.exists()
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            whole, torn = _tail(handle)
            known = {_key_of(line) for line in whole}
            lines = [row.line.encode("utf-8") for row in rows if row.key not in known]
            _write_all(handle, _continued(torn, lines))
            os.fsync(handle)
        finally:
            os.close(handle)
        if is_new:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _unwritable(self, error: OSError) -> RunStopped:
        return RunStopped(
            Problem(
                "outbox-unwritable",
                f"the outbox {self.path} cannot be written: {error.strerror or type(error).__name__}; "
                "its lines are kept and written by the next run",
                "returns.outbox",
                f"check folder, space and permissions: ls -ld {self.path.parent} {self.path}; "
                f"df -h {self.path.parent} ; then: ct-mao-sync sync returns",
                {"path": str(self.path)},
            )
        )


def _tail(handle: int) -> tuple[list[bytes], bytes]:
    """The whole lines at the end of the file, and the beginning of one that has no end."""
    size = os.fstat(handle).st_size
    if not size:
        return [], b""
    begin = max(0, size - TAIL_BYTES)
    *whole, torn = os.pread(handle, size - begin, begin).split(b"\n")
    return whole[1:] if begin else whole, torn


def _continued(torn: bytes, lines: Sequence[bytes]) -> bytes:
    """The lines, after what there is of one already: the first that begins so is only completed; where none
    does, the torn one is at least ended."""
    begun = next((line for line in lines if line.startswith(torn)), None) if torn else None
    parts = [b""] if torn and begun is None else []
    if begun is not None:
        parts = [begun[len(torn) :]]
    return b"".join(part + b"\n" for part in [*parts, *(line for line in lines if line is not begun)])


def _key_of(line: bytes) -> str:
    try:
        document = json.loads(line)
    except ValueError:
        return ""
    key = document.get("key") if isinstance(document, dict) else None
    return key if isinstance(key, str) else ""


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
