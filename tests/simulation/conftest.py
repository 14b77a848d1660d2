"""For every simulation."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _quick_and_silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Thousands of rejections are as expected, and the token file is proof against no attacker here."""
    monkeypatch.setattr("ct_mao_sync.clients.token._PROOF_ROUNDS", 1)
    logger = logging.getLogger("ct_mao_sync")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)
