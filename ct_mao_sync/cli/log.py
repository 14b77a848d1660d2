"""Log lines on stderr: human by default, JSON on request; never a secret."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime

from ct_mao_sync.mapping.redact import redact

_EXTRA = ("job", "run", "entity", "label", "code", "correlation_id", "remote", "status", "ms", "count")
_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


class _Redacting(logging.Formatter):
    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def clean(self, text: str) -> str:
        return redact(text, {}, self._secrets)

    def trace(self, record: logging.LogRecord) -> str:
        """Where it happened; of the exception only its type and a redacted text."""
        if not record.exc_info or record.exc_info[1] is None:
            return ""
        error = record.exc_info[1]
        frames = "".join(traceback.format_tb(error.__traceback__))
        return f"{frames}{type(error).__name__}: {self.clean(str(error))}"

    def extra(self, record: logging.LogRecord) -> dict[str, object]:
        found = {name: getattr(record, name, None) for name in _EXTRA}
        return {
            name: self.clean(value) if isinstance(value, str) else value
            for name, value in found.items()
            if value not in (None, "")
        }


class HumanLines(_Redacting):
    """`21:04:05Z warning orders: sku-unmapped: order CT-1: …`"""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%SZ")
        job = getattr(record, "job", "")
        where = f"{job}: " if job else ""
        line = f"{moment} {record.levelname.lower()} {where}{self.clean(record.getMessage())}"
        trace = self.trace(record)
        return f"{line}\n{trace}" if trace else line


class JsonLines(_Redacting):
    def format(self, record: logging.LogRecord) -> str:
        trace = self.trace(record)
        return json.dumps(
            {
                "at": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": self.clean(record.getMessage()),
                **self.extra(record),
                **({"trace": trace} if trace else {}),
            },
            ensure_ascii=False,
        )


def set_up_logging(*, log_format: str, verbose: int, secrets: Iterable[str] = ()) -> None:
    """May be called again once the secrets are known."""
    root = logging.getLogger("ct_mao_sync")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(secrets) if log_format == "json" else HumanLines(secrets))
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[min(verbose, len(_LEVELS) - 1)])
    root.propagate = False
