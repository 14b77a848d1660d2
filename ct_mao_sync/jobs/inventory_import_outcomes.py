"""What becomes of an entry that is imported, as outcomes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from ct_mao_sync.clients.commercetools_import import VALIDATION_FAILED, ImportFault, Operation
from ct_mao_sync.engine.values import Outcome
from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.inventory_entry import split_entity
from ct_mao_sync.state.imports import EntryMark, PendingImport


@dataclass(frozen=True, slots=True)
class Accepted:
    """Outcome state: the import is under way; `mark` is what the entry will be."""

    row: PendingImport
    mark: EntryMark


@dataclass(frozen=True, slots=True)
class Ended:
    """Outcome state: the import is over; `mark` is what the entry is now, None when nothing was imported."""

    mark: EntryMark | None = None


@dataclass(frozen=True, slots=True)
class Unsent:
    """Outcome state: it was to be imported and was not sent."""


def refused_import(entity: str, errors: Sequence[ImportFault], state: str = VALIDATION_FAILED) -> Outcome:
    told = "; ".join(fault.message or fault.code for fault in errors) or f"the import ended as {state}"
    rejection = Rejection(
        "target-refused",
        f"inventory entry {entity}: commercetools refused to import it: {told}",
        field=errors[0].field if errors else "",
        hint=f"correct what it names, then: {_replay(entity)}",
        context={"remote": "commercetools", "remote_code": errors[0].code if errors else state},
    )
    return _ended(entity, rejection, target_failure=True)


def lost_import(entity: str, operation: Operation | None) -> Outcome:
    waits = f"; it waits for {', '.join(operation.unresolved)}" if operation and operation.unresolved else ""
    rejection = Rejection(
        "import-lost",
        f"inventory entry {entity}: commercetools has not said within 24 h what became of its import{waits}",
        hint=f"it is compared again by itself; at once: {_replay(entity)}",
        context={"remote": "commercetools"},
    )
    return _ended(entity, rejection)


def _ended(entity: str, rejection: Rejection, *, target_failure: bool = False) -> Outcome:
    return Outcome(
        entity,
        label_of(entity),
        "rejected",
        rejection=rejection,
        target_failure=target_failure,
        attempted=True,
        state=Ended(),
    )


def _replay(entity: str) -> str:
    return f"ct-mao-sync replay-errors --job inventory --entity {shlex.quote(entity)}"


def label_of(entity: str) -> str:
    sku, channel_key = split_entity(entity)
    return f"{sku} ({channel_key})" if channel_key else sku
