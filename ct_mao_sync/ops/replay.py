"""What a replay did to the dead letters that it took up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ct_mao_sync.engine.rows import DeadLetter
from ct_mao_sync.state.store import Store


@dataclass(slots=True)
class ReplayChanges:
    """`fixed` have left the queue; `same` wait for the reason they had; the others have another one now."""

    fixed: int = 0
    same: Counter[str] = field(default_factory=Counter)
    """By code."""
    other: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(code before, code now) -> how many."""

    @property
    def tried(self) -> int:
        return self.fixed + self.same.total() + self.other.total()

    def as_dict(self) -> dict[str, object]:
        return {
            "tried": self.tried,
            "fixed": self.fixed,
            "still_rejected": dict(self.same),
            "new_code": [
                {"before": before, "now": now, "count": count}
                for (before, now), count in self.other.most_common()
            ],
        }


def read_changes(store: Store, letters: Iterable[DeadLetter]) -> ReplayChanges:
    """How letters that were replayed stand now."""
    by_job: dict[str, dict[str, DeadLetter]] = {}
    for letter in letters:
        by_job.setdefault(letter.job, {})[letter.entity] = letter
    changes = ReplayChanges()
    for job, before in by_job.items():
        now: Mapping[str, DeadLetter] = store.waiting(job, before)
        for entity, letter in before.items():
            left = now.get(entity)
            if left is None:
                changes.fixed += 1
            elif left.code == letter.code:
                changes.same[left.code] += 1
            else:
                changes.other[letter.code, left.code] += 1
    return changes
