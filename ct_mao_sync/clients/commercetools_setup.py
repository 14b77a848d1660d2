"""The commercetools resources that `setup` makes: Channels, States, Types. One method per request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ct_mao_sync.clients.commercetools_query import ProjectQueries, Row, row_of
from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.errors import Problem, RecordRejected, VersionConflict


class CommercetoolsSetupClient:
    """Errors: those of `HttpClient.send`. `resource` is "channels", "states" or "types"."""

    def __init__(self, http: HttpClient, project_key: str) -> None:
        self.http = http
        self._project = ProjectQueries(http, project_key)

    def read_by_keys(self, resource: str, keys: Sequence[str]) -> list[Row]:
        """In no particular order; unknown keys are left out."""
        return self._project.read_in(f"/{resource}", "key in ({})", keys) if keys else []

    def read_initial_line_item_state(self) -> Row | None:
        """The built-in state that every unit begins in; None when the project shows none."""
        page = self._project.read_page("/states", 'type = "LineItemState" and key = "Initial"', None, 1)
        return page.results[0] if page.results else None

    def create(self, resource: str, draft: Mapping[str, Any]) -> Row:
        """Raises VersionConflict when there is one of that key by now."""
        try:
            return row_of(
                self.http.send("POST", f"{self._project.root}/{resource}", json=dict(draft), write=True)
            )
        except RecordRejected as error:
            context = error.problem.context
            if "DuplicateField" not in str(context.get("remote_code", "")):
                raise
            text = f"commercetools: there is one of the key {draft.get('key')!r} in /{resource} by now"
            raise VersionConflict(Problem("conflict", text, context=context)) from error

    def update(self, resource: str, id: str, version: int, actions: Sequence[Mapping[str, Any]]) -> Row:
        """All actions or none. Raises VersionConflict when `version` is not the present one."""
        path = f"{self._project.root}/{resource}/{quote(id, safe='')}"
        body = {"version": version, "actions": [dict(action) for action in actions]}
        return row_of(self.http.send("POST", path, json=body, write=True))
