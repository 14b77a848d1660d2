"""One server for all tests of a process; every test begins by setting its world."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_scene import ORDERS, REJECTED, SEED, Aftermath, Later, Machine, Server
from forks import Forks


@pytest.fixture(scope="session")
def server(forks: Forks) -> Iterator[Server]:
    running = Server(forks)
    yield running
    running.close()


@pytest.fixture(scope="session")
def undisturbed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    """The first export without any accident."""
    server.do("reset", seed=SEED, count=ORDERS)
    twin = Machine(tmp_path_factory.mktemp("undisturbed") / "machine", server)
    ended = twin.run()
    assert ended.exit_code == REJECTED, ended.stderr
    after = Aftermath.of(twin)
    assert len(after.world["writes"]["save"]) > 5 and after.state["dead_letters"]
    return after


@pytest.fixture
def machine(server: Server, undisturbed: Aftermath, tmp_path: Path) -> Iterator[Machine]:
    """A fresh installation; the shop has a dozen orders, MAO none of them."""
    server.do("reset", seed=SEED, count=ORDERS)
    yield Machine(tmp_path / "machine", server)
    server.do("latency", seconds=0)
    server.do("hold", kind="")


@pytest.fixture(scope="session")
def later(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Later:
    return Later(server, tmp_path_factory.mktemp("later"))
