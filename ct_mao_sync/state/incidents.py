"""What operators have been told of. Several processes look at once; one of them claims each message."""

from __future__ import annotations

from datetime import datetime, timedelta

from ct_mao_sync.engine.rows import Incident, from_text, from_text_or_none, to_text
from ct_mao_sync.state.database import StateFile

TRIES_MAX = 5
_AGAIN_AFTER = timedelta(minutes=1)


class Incidents(StateFile):
    def incidents(self) -> dict[str, Incident]:
        """Key -> incident, of all that are not over."""
        return {
            row["key"]: Incident(
                row["key"], from_text(row["since"]), row["message"], from_text_or_none(row["told_at"])
            )
            for row in self._rows("SELECT * FROM incidents ORDER BY since, key")
        }

    def claim_incident(self, key: str, message: str, *, at: datetime) -> bool:
        """True for the one process that is to tell it now. An incident that could not be told is claimed
        again later, TRIES_MAX times in all."""
        with self.atomic():
            new = self._write(
                "INSERT OR IGNORE INTO incidents (key, since, message, tries, tried_at) "
                "VALUES (?, ?, ?, 1, ?)",
                [key, to_text(at), message, to_text(at)],
            )
            return bool(new) or self._claim_again(key, "told_at IS NULL", at)

    def incident_told(self, key: str, *, at: datetime) -> None:
        self._write(
            "UPDATE incidents SET told_at = ?, tries = 0, tried_at = '' WHERE key = ?", [to_text(at), key]
        )

    def claim_resolution(self, key: str, *, at: datetime) -> bool:
        """True for the one process that is to tell now that it is over. One that nobody was told of is
        forgotten in silence, and so is one whose end could not be told TRIES_MAX times."""
        with self.atomic():
            self._write(
                "DELETE FROM incidents WHERE key = ? AND (told_at IS NULL OR tries >= ?)", [key, TRIES_MAX]
            )
            return self._claim_again(key, "told_at IS NOT NULL", at)

    def forget_incident(self, key: str) -> None:
        self._write("DELETE FROM incidents WHERE key = ?", [key])

    def _claim_again(self, key: str, condition: str, at: datetime) -> bool:
        claimed = self._write(
            f"UPDATE incidents SET tries = tries + 1, tried_at = ? "
            f"WHERE key = ? AND {condition} AND tries < ? AND tried_at < ?",
            [to_text(at), key, TRIES_MAX, to_text(at - _AGAIN_AFTER)],
        )
        return bool(claimed)
