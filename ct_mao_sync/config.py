"""The configuration file: read, resolved and checked as a whole.

`load_config` is the only place that reads files, environment and secrets for the configuration. It either
returns a configuration that can be relied on, or raises one ConfigError that holds every mistake. Relative
paths in the file are relative to its folder. No message ever shows a secret.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import PrivateAttr, ValidationError

from ct_mao_sync.config_faults import describe_faults, dotted, suggestion
from ct_mao_sync.config_sections import Sections, find_conflicts
from ct_mao_sync.config_skus import SkuRow, parse_skus
from ct_mao_sync.config_values import shown
from ct_mao_sync.errors import ConfigError, Problem

__all__ = ["Config", "SkuRow", "load_config"]

_CREDENTIAL_SECTIONS = ("commercetools", "manhattan")
_SECRET_FILE_BYTES_MAX = 64 * 1024
# The hosts of a region (commercetools docs: general concepts, hosts).
_REGION_URLS = {
    "auth_url": "https://auth.{region}.commercetools.com",
    "api_url": "https://api.{region}.commercetools.com",
    "import_url": "https://import.{region}.commercetools.com",
}
# Stand-ins for keys that are wrong, so that the rest can still be checked; never leaves this module.
_STAND_INS = {
    "region": "europe-west1.gcp",
    "auth_url": "https://stand-in.invalid",
    "api_url": "https://stand-in.invalid",
    "import_url": "https://stand-in.invalid",
    "grant_type": "client_credentials",
}


class Config(Sections):
    """A configuration that has been checked; attribute names are the keys of the file."""

    _path: Path = PrivateAttr()
    _skus: Mapping[str, SkuRow] = PrivateAttr()
    _references: Mapping[str, str] = PrivateAttr()
    _digest: str = PrivateAttr(default="")

    @property
    def path(self) -> Path:
        """The file it was read from, absolute."""
        return self._path

    @property
    def references(self) -> Mapping[str, str]:
        """Dotted key -> `env:NAME` or `file:/path`, of the values that came from there."""
        return self._references

    @property
    def base_dir(self) -> Path:
        """The folder of the file; relative paths in it are relative to this."""
        return self._path.parent

    @property
    def state_path(self) -> Path:
        return self.resolve(self.state.path)

    @property
    def skus(self) -> Mapping[str, SkuRow]:
        """The rows of `mapping.skus_file` by SKU; empty without one."""
        return self._skus

    def resolve(self, relative: str) -> Path:
        """A path of the configuration, made absolute."""
        return self.base_dir / Path(relative).expanduser()

    def secrets(self) -> tuple[str, ...]:
        """Every secret value in clear, for redaction only; longest first."""
        found = {
            self.commercetools.client_secret.get_secret_value(),
            self.manhattan.client_secret.get_secret_value(),
            self.manhattan.password.get_secret_value(),
        }
        return tuple(sorted(found - {""}, key=lambda value: (-len(value), value)))

    def mapping_digest(self) -> str:
        """Changes when [mapping], [orders], [status], [returns] or the content of the skus file changes: what
        was rejected for a mapping reason is worth another try then. Hexadecimal."""
        if not self._digest:
            known = {
                "mapping": self.mapping.model_dump(mode="json", exclude={"skus_file"}),
                "orders": self.orders.model_dump(mode="json"),
                "returns": self.returns.model_dump(mode="json", exclude={"outbox", "sweep_every"}),
                "status": self.status.model_dump(mode="json", exclude={"sweep_every"}),
                "skus": sorted((row.sku, row.item, row.uom, str(row.units)) for row in self._skus.values()),
            }
            text = json.dumps(known, sort_keys=True, separators=(",", ":"), default=str)
            self._digest = hashlib.sha256(text.encode()).hexdigest()
        return self._digest


def load_config(
    path: Path,
    env: Mapping[str, str] | None = None,
    *,
    text: str | None = None,
    with_secrets: bool = True,
) -> Config:
    """Reads and checks the file. `env` defaults to the process environment.

    text          what the file is going to hold; None = what it holds
    with_secrets  False: secrets are not fetched (they need not be there yet) and have stand-ins

    Raises ConfigError with every mistake: codes `config-missing`, `config-syntax`, `config-invalid`."""
    environment: Mapping[str, str] = os.environ if env is None else env
    raw = _parse_toml(path, _read_text(path) if text is None else text)
    problems = list(_unknown_sections(path, raw))
    origins = _resolve_references(path, raw, environment if with_secrets else None, problems)
    _derive_urls(raw)

    broken = {problem.field for problem in problems}
    config: Config | None = None
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        for fault in describe_faults(error, origins):
            if fault.key not in broken:
                problems.append(_problem(path, fault.key, fault.what, fault.hint))
            _stand_in(raw, fault.loc)
        try:
            config = Config.model_validate(raw)
        except ValidationError:
            config = None
    if config is not None:
        broken = {problem.field for problem in problems}
        for key, what, hint in find_conflicts(config):
            if key not in broken:
                problems.append(_problem(path, key, what, hint))
        config._path = path.expanduser().absolute()
        config._references = {f"{section}.{key}": origin for (section, key), origin in origins.items()}
        config._skus = MappingProxyType(_read_skus(path, config, problems))
    if problems or config is None:
        raise ConfigError(problems)
    return config


def _problem(path: Path, key: str, what: str, hint: str = "", code: str = "config-invalid") -> Problem:
    return Problem(code, f"{path}: {key} {what}" if key else f"{path}: {what}", key, hint)


def _read_text(path: Path) -> str:
    try:
        data = path.expanduser().read_bytes()
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            what, hint = (
                "there is no such file",
                "write one: ct-mao-sync init; or name another: --config FILE",
            )
        else:
            what, hint = f"cannot be read: {error.strerror}", "check the file and its permissions"
        raise ConfigError([_problem(path, "", what, hint, "config-missing")]) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        what = f"line {line}, column {column}: is not UTF-8"
        raise ConfigError([_problem(path, "", what, "save the file as UTF-8", "config-syntax")]) from None


def _parse_toml(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        # The words of the parser, without its place; a value is never in them, but a key can be.
        reason = re.sub(r"\s*\(at (line \d+, column \d+|end of document)\)\Z", "", str(error))
        found = re.search(r"\(at line (\d+), column (\d+)\)\Z", str(error))
        lines = text.split("\n")
        line, column = (int(found[1]), int(found[2])) if found else (len(lines), len(lines[-1]) + 1)
        what = f"line {line}, column {column}: is not TOML: {reason}"
        hint = "texts stand in double quotes, tables begin with [name]; see config.example.toml"
        raise ConfigError([_problem(path, "", what, hint, "config-syntax")]) from None


def _unknown_sections(path: Path, raw: dict[str, Any]) -> Iterator[Problem]:
    """Sections that do not exist or are not tables; they are taken out of `raw`."""
    for name, value in list(raw.items()):
        if name not in Sections.model_fields:
            del raw[name]
            kind = "section" if isinstance(value, dict) else "key"
            what = f"is not a known {kind}; {suggestion(name, (), Sections.model_fields)}"
            yield _problem(path, dotted((name,)), what, "rename it, move it below its section, or remove it")
        elif not isinstance(raw[name], dict):
            del raw[name]
            yield _problem(
                path, name, f"is {shown(value)}; it must be a section", f"begin the section with [{name}]"
            )
    for name in _CREDENTIAL_SECTIONS:
        raw.setdefault(name, {})


def _resolve_references(
    path: Path, raw: dict[str, Any], env: Mapping[str, str] | None, problems: list[Problem]
) -> dict[tuple[str, str], str]:
    """Puts the values in the place of `env:NAME` and `file:/path` (without `env`: stand-ins); answers which
    key came from where."""
    origins: dict[tuple[str, str], str] = {}
    for section in _CREDENTIAL_SECTIONS:
        for key, value in raw[section].items():
            if not isinstance(value, str) or not value.startswith(("env:", "file:")):
                continue
            if key not in Sections.model_fields[section].annotation.model_fields:  # type: ignore[union-attr]
                continue
            origins[section, key] = value
            if env is None:
                raw[section][key] = _STAND_INS.get(key, "stand-in")
                continue
            try:
                raw[section][key] = _resolved(path, value, env)
            except _Unresolved as unresolved:
                problems.append(_problem(path, f"{section}.{key}", unresolved.what, unresolved.hint))
                raw[section][key] = _STAND_INS.get(key, "stand-in")
    return origins


class _Unresolved(Exception):
    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


def _resolved(path: Path, reference: str, env: Mapping[str, str]) -> str:
    kind, _, name = reference.partition(":")
    if kind == "env":
        if not name:
            raise _Unresolved('is "env:" without a name', 'write "env:NAME"')
        if not env.get(name):
            state = "empty" if name in env else "not set"
            raise _Unresolved(
                f"is {shown(reference)}, but the environment variable {name} is {state}",
                f"export {name}=… before the command, or give it to the service's environment",
            )
        return env[name]
    name = _expanded(reference, name, env)
    target = path.expanduser().absolute().parent / Path(name).expanduser()
    hint = f"put the secret alone into {target}, readable for this user only"
    if not name:
        raise _Unresolved('is "file:" without a path', 'write "file:/path"')
    try:
        with target.open("rb") as file:
            data = file.read(_SECRET_FILE_BYTES_MAX + 1)
        if len(data) > _SECRET_FILE_BYTES_MAX:
            raise _Unresolved(f"is {shown(reference)}, which is too long for a secret", hint)
        text = data.decode("utf-8-sig").rstrip("\r\n")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _Unresolved(f"is {shown(reference)}, but {target} cannot be read: {reason}", hint) from None
    except UnicodeDecodeError:
        raise _Unresolved(f"is {shown(reference)}, but {target} is not UTF-8", hint) from None
    if not text:
        raise _Unresolved(f"is {shown(reference)}, but {target} is empty", hint)
    return text


def _expanded(reference: str, name: str, env: Mapping[str, str]) -> str:
    """`${NAME}` in the path of a `file:`: systemd hands credentials over in `${CREDENTIALS_DIRECTORY}`."""
    for variable in re.findall(r"\$\{(\w+)\}", name):
        if not env.get(variable):
            raise _Unresolved(
                f"is {shown(reference)}, but the environment variable {variable} is not set",
                f"systemd sets it for a service with LoadCredential=; by hand: export {variable}=…",
            )
        name = name.replace(f"${{{variable}}}", env[variable])
    return name


def _derive_urls(raw: dict[str, Any]) -> None:
    shop = raw["commercetools"]
    region = shop.get("region")
    if isinstance(region, str) and region:
        for key, template in _REGION_URLS.items():
            if shop.get(key, "") == "":
                shop[key] = template.format(region=region)


def _stand_in(raw: dict[str, Any], loc: tuple[str | int, ...]) -> None:
    """Takes the faulty key out, so that a second look finds what is wrong between the others."""
    section = str(loc[0])
    if len(loc) == 1:
        raw.pop(section, None)
        return
    key = str(loc[1])
    if section in _CREDENTIAL_SECTIONS and key in Sections.model_fields[section].annotation.model_fields:  # type: ignore[union-attr]
        raw[section][key] = () if key == "scopes" else _STAND_INS.get(key, "stand-in")
        if key.endswith(("_seconds", "_size", "_items", "_hour")):
            del raw[section][key]
    else:
        raw[section].pop(key, None)


def _read_skus(path: Path, config: Config, problems: list[Problem]) -> dict[str, SkuRow]:
    if not config.mapping.skus_file:
        return {}
    key, file = "mapping.skus_file", config.resolve(config.mapping.skus_file)
    hint = f"correct {file}"
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problems.append(_problem(path, key, f"is {file}, which cannot be read: {error.strerror}", hint))
        return {}
    except UnicodeDecodeError:
        problems.append(_problem(path, key, f"is {file}, which is not UTF-8", "save the file as UTF-8"))
        return {}
    rows, mistakes = parse_skus(text)
    for line, what in mistakes:
        problems.append(_problem(path, key, f"({file}) line {line} {what}", hint))
    return rows
