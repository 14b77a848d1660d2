"""Entries written one by one with the version that was read: a conflict is read and planned again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ct_mao_sync.clients.commercetools_inventory import CommercetoolsInventoryClient
from ct_mao_sync.engine.values import Outcome, Plan
from ct_mao_sync.errors import RecordRejected, Rejection
from ct_mao_sync.mapping.inventory_writes import CreateEntry, UpdateEntry
from ct_mao_sync.state.imports import EntryMark


@dataclass(frozen=True, slots=True)
class Finished:
    """Outcome state: the entry is in line."""

    mark: EntryMark
    written: bool


def write_entry(client: CommercetoolsInventoryClient, plan: Plan) -> Outcome:
    """One request. `plan.state` is what the entry will be then. Raises VersionConflict and the like."""
    (write,) = plan.writes
    try:
        row = _write(client, write)
    except RecordRejected as error:
        problem = error.problem
        told = problem.context.get("remote_message") or problem.message
        return Outcome(
            plan.entity,
            plan.label,
            "rejected",
            rejection=Rejection(
                "target-refused",
                f"{write.subject}: commercetools refused to {write.action} it: {told}",
                hint="correct what it names, then: "
                f"ct-mao-sync replay-errors --job inventory --entity {shlex.quote(plan.entity)}",
                context=problem.context,
            ),
            target_failure=True,
        )
    version = row.get("version")
    mark = replace(plan.state.mark, version=version if isinstance(version, int) else None)
    done = f"{write.action} {write.subject}"
    return Outcome(
        plan.entity,
        plan.label,
        "written",
        reason=done,
        state=Finished(mark, written=True),
        writes=(f"{done}: {write.summary}",),
    )


def _write(client: CommercetoolsInventoryClient, write: Any) -> Mapping[str, Any]:
    if isinstance(write, CreateEntry):
        return client.create_entry(write.body)
    assert isinstance(write, UpdateEntry)
    address = {"key": write.key} if write.key else {"entry_id": write.entry_id}
    return client.update_entry(write.version, write.actions, **address)
