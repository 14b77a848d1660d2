"""Both systems and a copy of the state, for commands that only look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ct_mao_sync.clients.commercetools import CommercetoolsClient
from ct_mao_sync.clients.commercetools_import import ImportClient
from ct_mao_sync.clients.manhattan import ManhattanClient
from ct_mao_sync.config import Config
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.engine.compare import Redact
from ct_mao_sync.engine.job import Job
from ct_mao_sync.engine.run import RunOptions
from ct_mao_sync.state.store import Store


@dataclass(frozen=True, slots=True)
class Reading:
    """The clients refuse to send a write, and what a job keeps of its reading goes into the copy."""

    run: str
    """Begins the correlation ids of its requests."""
    config: Config
    clock: Clock
    store: Store
    redact: Redact
    build_job: Callable[[str, RunOptions], Job]
    commercetools: Callable[[], CommercetoolsClient]
    manhattan: Callable[[], ManhattanClient]
    import_api: Callable[[], ImportClient | None]
    """None where the configuration has no address of it."""
    requests_sent: Callable[[], int]
