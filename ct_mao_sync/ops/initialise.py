"""What `init` decides: the values of a first configuration, and what its units have to know."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any, Literal

from ct_mao_sync.config import Config
from ct_mao_sync.errors import ConfigError, Problem
from ct_mao_sync.ops.units import STATE_DIR, Installation

SecretsFrom = Literal["env", "files", "systemd"]
CREDENTIALS = {
    "commercetools.client_id": "CTP_CLIENT_ID",
    "commercetools.client_secret": "CTP_CLIENT_SECRET",
    "manhattan.client_id": "MAO_CLIENT_ID",
    "manhattan.client_secret": "MAO_CLIENT_SECRET",
    "manhattan.username": "MAO_USERNAME",
    "manhattan.password": "MAO_PASSWORD",
}
"""Key -> its environment variable; in lower case the name of its file."""
SYSTEMD_FOLDER = "${CREDENTIALS_DIRECTORY}"
_API_URL = re.compile(r"https://api\.([a-z0-9.-]+)\.commercetools\.com/?")


@dataclass(frozen=True, slots=True)
class Answers:
    """What is asked for, all else has a default. `secrets`: where they are taken from."""

    project_key: str
    region: str
    mao_url: str
    mao_auth_url: str
    organization: str
    start_at: datetime
    location_view: str
    secrets: SecretsFrom


def region_of(api_url: str) -> str:
    """Out of the address that the Merchant Center shows as CTP_API_URL; "" when it is no region's."""
    match = _API_URL.fullmatch(api_url)
    return match[1] if match else ""


def values_of(answers: Answers) -> dict[str, Any]:
    """Dotted key -> value."""
    values: dict[str, Any] = {
        "commercetools.project_key": answers.project_key,
        "commercetools.region": answers.region,
        "manhattan.api_url": answers.mao_url,
        "manhattan.auth_url": answers.mao_auth_url,
        "manhattan.organization": answers.organization,
        "orders.start_at": answers.start_at,
        "inventory.location_view": answers.location_view,
    }
    for key, variable in CREDENTIALS.items():
        values[key] = {
            "env": f"env:{variable}",
            "files": f"file:credentials/{variable.lower()}",
            "systemd": f"file:{SYSTEMD_FOLDER}/{variable.lower()}",
        }[answers.secrets]
    if answers.secrets == "systemd":
        values["state.path"] = str(STATE_DIR / "ct-mao-sync.sqlite3")
    return values


def check_no_secret_in_clear(values: Mapping[str, Any]) -> None:
    """Raises ConfigError: what is typed on a command line stands in its history."""
    for key in ("commercetools.client_secret", "manhattan.client_secret", "manhattan.password"):
        if key in values and not str(values[key]).startswith(("env:", "file:")):
            raise ConfigError(
                [
                    Problem(
                        "config-invalid",
                        f"--set {key}: is a secret in clear, which would stay in the history of the shell",
                        key,
                        f'name where it is: --set {key}="env:{CREDENTIALS[key]}"',
                    )
                ]
            )


def find_installation(config: Config, command: Sequence[str], jobs: Sequence[str]) -> Installation:
    """What the units need, out of a configuration: where its secrets are, and what it writes to."""
    names = [
        origin.removeprefix(f"file:{SYSTEMD_FOLDER}/")
        for origin in config.references.values()
        if origin.startswith(f"file:{SYSTEMD_FOLDER}/")
    ]
    needs_environment = any(origin.startswith("env:") for origin in config.references.values())
    files = [config.state.path, config.metrics.textfile, config.schedule.health_file, config.returns.outbox]
    folders = [PurePath(config.resolve(file)).parent for file in files if file]
    return Installation(
        command=command,
        config=config.path,
        rhythms={job: every for job in jobs if (every := config.schedule.every(job))},
        credentials={name: config.base_dir / "credentials" / name for name in names},
        environment_file=config.base_dir / "environment" if needs_environment else None,
        writable=list(dict.fromkeys(folder for folder in folders if not folder.is_relative_to(STATE_DIR))),
    )
