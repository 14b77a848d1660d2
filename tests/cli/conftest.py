from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    found = World(tmp_path, monkeypatch)
    yield found
    found.close()
