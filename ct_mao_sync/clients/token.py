"""Bearer tokens: fetched, kept, renewed once however many threads ask, and remembered in a private file.

No token and no secret is ever part of a message, a log record or a repr.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import logging
import os
import secrets
import stat
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.errors import Problem, RecordRejected, RunStopped, SyncError

TOKEN_PATH = "/oauth/token"
RENEW_BEFORE_S = 60.0
_LIFETIME_UNSAID_S = 300.0
_LIFETIME_MAX_S = 604_800.0  # the longest that commercetools grants
_FILE_BYTES_MAX = 64 * 1024
_PROOF_ROUNDS = 10_000
_log = logging.getLogger("ct_mao_sync.token")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token is asked for with. `keys` name the settings to check when it is refused."""

    kind: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...] = ()
    username: str = ""
    password: str = field(default="", repr=False)
    keys: tuple[str, ...] = ()

    def form(self) -> dict[str, str]:
        if self.kind == "password":
            return {"grant_type": "password", "username": self.username, "password": self.password}
        scope = {"scope": " ".join(self.scopes)} if self.scopes else {}
        return {"grant_type": "client_credentials", **scope}

    def basic(self) -> str:
        pair = f"{self.client_id}:{self.client_secret}".encode()
        return "Basic " + base64.b64encode(pair).decode("ascii")


def commercetools_grant(client_id: str, client_secret: str, scopes: Sequence[str] = ()) -> Grant:
    """commercetools docs, authorization: client credentials with Basic; no scope = all of the client's."""
    keys = ("commercetools.client_id", "commercetools.client_secret", "commercetools.scopes")
    shown = keys if scopes else keys[:2]
    return Grant("client_credentials", client_id, client_secret, tuple(scopes), keys=shown)


def manhattan_grant(
    grant_type: str, client_id: str, client_secret: str, username: str = "", password: str = ""
) -> Grant:
    """MAO docs, managing OAuth clients: `password` or `client_credentials`, the client always as Basic."""
    keys: tuple[str, ...] = ("manhattan.client_id", "manhattan.client_secret")
    if grant_type == "password":
        keys += ("manhattan.username", "manhattan.password")
        return Grant("password", client_id, client_secret, (), username, password, keys)
    if grant_type == "client_credentials":
        return Grant("client_credentials", client_id, client_secret, keys=keys)
    raise ValueError(f"no such grant type: {grant_type}")


@dataclass(frozen=True, slots=True)
class _Held:
    token: str = field(repr=False)
    renew_at: datetime


class TokenSource:
    """The token of one client at one auth host; safe for several threads.

    http    leads to the auth host, has no token itself
    folder  where the token survives the process (the folder of the state file); None = nowhere
    """

    def __init__(self, *, http: HttpClient, grant: Grant, clock: Clock, folder: Path | None = None) -> None:
        self._http = http
        self._grant = grant
        self._clock = clock
        self._file = folder / self._file_name() if folder is not None else None
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._scopes: frozenset[str] = frozenset()
        self._asked_file = False
        self._warned = False

    def __repr__(self) -> str:
        return f"TokenSource({self._http.host})"

    @property
    def scopes(self) -> frozenset[str]:
        """What the token that was fetched last may do, as its server said; empty when it came out of the
        file, and where the server says nothing."""
        return self._scopes

    @property
    def file(self) -> Path | None:
        """Where the token is kept between runs."""
        return self._file

    def token(self) -> str:
        """A token that is good for some time yet. Raises RunStopped `unauthorized` and Retriable."""
        with self._lock:
            if self._held is None and not self._asked_file:
                self._asked_file = True
                self._held = self._read_file()
            if self._held is None or self._held.renew_at <= self._clock.now():
                self._held = self._fetch()
            return self._held.token

    def renew(self, failed: str) -> str:
        """Another token than `failed`: a new one only if `failed` is still the one in hand, for other
        threads or another process may have renewed it already. Raises like `token`."""
        with self._lock:
            if self._held is None or self._held.token == failed:
                stored = self._read_file()
                self._held = stored if stored is not None and stored.token != failed else self._fetch()
            return self._held.token

    def _fetch(self) -> _Held:
        try:
            answer = self._http.send(
                "POST",
                TOKEN_PATH,
                form=self._grant.form(),
                headers={"Authorization": self._grant.basic()},
                write=False,  # asking twice does no harm
                check=_has_token,
            )
        except (RecordRejected, RunStopped) as error:
            stopped = self._refused(error)
        else:
            lifetime_s = _parse_lifetime(answer.json.get("expires_in"))
            early_s = min(RENEW_BEFORE_S, lifetime_s / 10)
            renew_at = self._clock.now() + timedelta(seconds=lifetime_s - early_s)
            held = _Held(answer.json["access_token"], renew_at)
            self._scopes = frozenset(str(answer.json.get("scope") or "").split())
            self._write_file(held)
            return held
        raise stopped

    def _refused(self, error: SyncError) -> SyncError:
        """In words that name the settings. The remote's own text can repeat a user name: left out."""
        problem = error.problem
        if problem.code not in ("unauthorized", "forbidden", "target-refused"):
            return error
        context = {key: value for key, value in problem.context.items() if key != "remote_message"}
        status = context.get("status", 0)
        url_key = f"{self._http.remote}.auth_url"
        keys = self._grant.keys
        if status in (400, 401, 403):
            message = f"{self._http.host} does not accept the credentials ({status})"
            hint = f"check {', '.join(keys)}, and that {url_key} is their auth host"
            return RunStopped(Problem("unauthorized", message, keys[0], hint, context))
        message = f"{self._http.host} gives no token at {TOKEN_PATH} ({status})"
        return RunStopped(Problem("unauthorized", message, url_key, f"check {url_key}", context))

    # The file: one token for one client, readable by its owner alone from the first byte.

    def _file_name(self) -> str:
        grant = self._grant
        parts = [self._http.base_url, grant.client_id, grant.username, *sorted(grant.scopes)]
        return f"token-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]}.json"

    def _proof(self, salt: bytes) -> str:
        """Changes with the secret, so that a token of the old one does not hide that the new one is wrong."""
        known = json.dumps([self._grant.client_secret, self._grant.password]).encode()
        return hashlib.pbkdf2_hmac("sha256", known, salt, _PROOF_ROUNDS).hex()

    def _read_file(self) -> _Held | None:
        if self._file is None:
            return None
        try:
            handle = os.open(self._file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as file:
                found = os.fstat(handle)
                private = stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600
                if not private or found.st_uid != os.getuid():
                    return None
                content = json.loads(file.read(_FILE_BYTES_MAX))
            proven = hmac.compare_digest(content["proof"], self._proof(bytes.fromhex(content["salt"])))
            renew_at = datetime.fromisoformat(content["renew_at"])
            now = self._clock.now()
            current = now < renew_at <= now + timedelta(seconds=_LIFETIME_MAX_S)
            return _Held(content["token"], renew_at) if proven and current and _is_token(content) else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None  # damaged, foreign or absent: it only saves one request

    def _write_file(self, held: _Held) -> None:
        if self._file is None:
            return
        salt = secrets.token_bytes(16)
        content = {
            "token": held.token,
            "renew_at": held.renew_at.isoformat(),
            "salt": salt.hex(),
            "proof": self._proof(salt),
        }
        temporary = self._file.with_name(f".{self._file.name}.{secrets.token_hex(8)}")
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(handle, "w", encoding="ascii") as file:
                    json.dump(content, file)
                temporary.replace(self._file)
            except OSError:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise
        except OSError as error:
            if not self._warned:
                self._warned = True
                _log.warning(
                    "the token cannot be kept in %s (%s): each run asks for a new one",
                    self._file.parent,
                    error.strerror or type(error).__name__,
                )


def _has_token(body: Any) -> bool:
    return isinstance(body, Mapping) and _is_token({"token": body.get("access_token")})


def _is_token(content: Mapping[str, Any]) -> bool:
    """Printable ASCII without blanks: what a header can carry."""
    token = content["token"]
    return (
        isinstance(token, str)
        and token.isascii()
        and token.isprintable()
        and bool(token)
        and " " not in token
    )


def _parse_lifetime(value: Any) -> float:
    """`expires_in` in seconds, number or text; a short one when it says nothing usable."""
    try:
        lifetime_s = float(value)
    except (TypeError, ValueError, OverflowError):
        return _LIFETIME_UNSAID_S
    return min(lifetime_s, _LIFETIME_MAX_S) if lifetime_s > 0 else _LIFETIME_UNSAID_S
