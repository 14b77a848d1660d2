"""One set of rules for every property: no dead-lines (machines are shared), the same examples each time.
No test leaves the logging of the next one as a command line set it up. And what costs time without proving
anything is done without: waiting for a disk, compiling the same modules in every process, and defending
token files against attackers."""

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from forks import Forks
from hypothesis import HealthCheck, settings

settings.register_profile(
    "project",
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("project"), max_examples=1000)
settings.load_profile("project")

# As after an installation, compiled modules are kept: a few hundred processes import the same ones.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 1_000_000_000
# Thousands of state files: a disk takes 30 times as long to make one, and a process that is killed leaves the
# same file on both.
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_MIN:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.fixture(autouse=True, scope="session")
def _weak_proofs() -> Iterator[None]:
    """Of the secret, in token files. Real processes make real ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ct_mao_sync.clients.token._PROOF_ROUNDS", 1)
        yield


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    started = Forks()
    yield started
    started.close()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    logger = logging.getLogger("ct_mao_sync")
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers[:], logger.propagate = handlers, propagate
    logger.setLevel(level)
