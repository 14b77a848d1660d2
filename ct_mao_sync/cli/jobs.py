"""The names of the jobs, in the order in which `sync all` runs them. Imports nothing: `--help` needs them."""

from __future__ import annotations

from collections.abc import Sequence

JOBS: Sequence[str] = ("orders", "status", "returns", "inventory")
