"""`--from FILE|-`: messages of the other system as JSON lines. They make a run look at what they name."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ct_mao_sync.config import Config
from ct_mao_sync.engine.values import Nudges
from ct_mao_sync.errors import ConfigError, Problem
from ct_mao_sync.mapping.availability_messages import parse_messages
from ct_mao_sync.mapping.message_lines import (
    order_of_message,
    order_of_publication,
    parse_named_records,
)

log = logging.getLogger("ct_mao_sync.messages")

STDIN = "-"


def read_nudges(job: str, source: str, config: Config) -> Nudges:
    """What a file (`-`: standard input) says to this job. Raises ConfigError when it cannot be read."""
    name = "standard input" if source == STDIN else source
    try:
        with _opened(source) as lines:
            return PARSERS[job](config, lines, name)
    except OSError as error:
        raise ConfigError(
            [
                Problem(
                    "messages-unreadable",
                    f"{name} cannot be read: {error.strerror or type(error).__name__}",
                    "--from",
                    f"check the file, then: ct-mao-sync sync {job} --from FILE",
                )
            ]
        ) from None


@contextmanager
def _opened(source: str) -> Iterator[IO[bytes]]:
    if source == STDIN:
        yield sys.stdin.buffer
        return
    with Path(source).open("rb") as file:
        yield file


def _parse_availability(config: Config, lines: Iterable[bytes], file: str) -> Nudges:
    inventory = config.inventory
    views = frozenset(view for mode in inventory.modes if (view := getattr(inventory, f"{mode}_view")))
    found = parse_messages(lines, views=views, file=file)
    if found.other_views_count:
        log.warning(
            "%s: %d messages of other views than %s were passed over",
            file,
            found.other_views_count,
            " and ".join(repr(view) for view in sorted(views)),
        )
    return Nudges(found.nudges, found.faults, found)


def _parse_orders(config: Config, lines: Iterable[bytes], file: str) -> Nudges:
    found = parse_named_records(lines, order_of_message, file=file, what="no commercetools message")
    return Nudges(found.ids, found.faults)


def _parse_publications(config: Config, lines: Iterable[bytes], file: str) -> Nudges:
    found = parse_named_records(lines, order_of_publication, file=file, what="no published MAO order")
    return Nudges(found.ids, found.faults)


PARSERS: Mapping[str, Callable[[Config, Iterable[bytes], str], Nudges]] = {
    "orders": _parse_orders,
    "status": _parse_publications,
    "inventory": _parse_availability,
}
"""By job. What a job is told stays a nudge: its windows find the same without any message."""
