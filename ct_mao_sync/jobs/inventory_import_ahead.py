"""What became of the imports of a full container, read by workers while the next one is still written to.
What is not done by then, or cannot be read, is left to the end of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

from ct_mao_sync.clients.commercetools_import import ImportClient, Operation
from ct_mao_sync.engine.clock import Clock

LOOK_EVERY_S = 1.0
"""Between two looks whether the last import of a container is done."""


class ImportsAhead:
    """Asked by the main thread."""

    def __init__(self, client: ImportClient, *, clock: Clock, submit: Callable[..., Future[Any]]) -> None:
        self._client = client
        self._clock = clock
        self._submit = submit
        self._full: tuple[str, int, str] | None = None
        """Container, how many imports it has, and the id of its newest operation."""
        self._look_at_s = 0.0
        self._look: Future[Operation | None] | None = None
        self._pages: list[Future[list[Operation]]] = []

    def container_is_full(self, container: str, count: int, newest: str) -> None:
        self._full, self._look = (container, count, newest), None
        self._look_at_s = self._clock.monotonic() + LOOK_EVERY_S

    def operations(self) -> Iterator[Operation]:
        """Of one page that was read since, open ones among them; never waits."""
        self._look_whether_done()
        page = next((each for each in self._pages if each.done()), None)
        if page is not None:
            self._pages.remove(page)
            if page.exception() is None:
                yield from page.result()

    def rest(self) -> Iterator[Operation]:
        """Of all pages that were asked for and not given yet: waits for them, and asks for no others."""
        pages, self._pages = self._pages, []
        self._full = self._look = None
        for page in pages:
            if page.exception() is None:
                yield from page.result()

    def _look_whether_done(self) -> None:
        if self._full is None:
            return
        container, count, newest = self._full
        if self._look is None:
            if self._clock.monotonic() >= self._look_at_s:
                self._look = self._submit(self._client.read_operation, newest)
        elif self._look.done():
            failed = self._look.exception() is not None
            operation = None if failed else self._look.result()
            self._look, self._look_at_s = None, self._clock.monotonic() + LOOK_EVERY_S
            if failed or operation is None:
                self._full = None
            elif not operation.is_open:
                self._full = None
                pages = self._client.pages_of(count)
                self._pages += [self._submit(self._client.read_page, container, each) for each in pages]
