"""How returns behave in the simulated Manhattan tenant; part of `core.SandboxSettings`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReturnSettings:
    """The returns and exchanges section of MAO's order configuration (DOC: how does return work)."""

    return_policy: str = "order"
    """Return Verification Policy: "order" (Receipt and Verification, one invoice when every line is done) or
    "line" (LineVerification only, one invoice for each line).
    """
    auto_resolve_variances: frozenset[str] = frozenset()
    """Variances that need nobody: any of "quantity", "item", "line" (what never came is cancelled); quantity
    and line only with policy "order".
    """
    auto_approve_returns: bool = False
    """A line whose receipt is not expected is Returned at once instead of waiting for approval."""
    return_center: str = "RC1"
    return_lines_max: int = 20
