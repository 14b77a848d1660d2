"""Tokens: asked for in the vendor's way, renewed once, kept in a private file, never shown."""

from __future__ import annotations

import base64
import json
import logging
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from clients_wire import Scripted, a_clock, reply

from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.clients.token import Grant, TokenSource, commercetools_grant, manhattan_grant
from ct_mao_sync.engine.clock import SimulatedClock, SystemClock
from ct_mao_sync.errors import Retriable, RunStopped

SHOP = commercetools_grant("my-client", "my-s3cret", ("view_orders:shop", "manage_orders:shop"))
MAO = manhattan_grant("password", "mao-client", "mao-s3cret", "ann@acme", "mao-pässword&=")


def granted(token: str, expires_in: Any = 172_800) -> Any:
    return reply(200, {"access_token": token, "expires_in": expires_in, "token_type": "Bearer"})


def source(
    adapter: Scripted,
    clock: Any = None,
    *,
    grant: Grant = SHOP,
    folder: Path | None = None,
    remote: str = "commercetools",
) -> TokenSource:
    clock = clock or a_clock()
    http = HttpClient(
        base_url="https://auth.shop.example",
        workers=1,
        timeout_s=30,
        retry_s=120,
        clock=clock,
        token=None,
        adapter=adapter,
        remote=remote,
        url_key=f"{remote}.auth_url",
    )
    return TokenSource(http=http, grant=grant, clock=clock, folder=folder)


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


def test_commercetools_grants_by_client_credentials() -> None:
    adapter = Scripted(granted("t1"))
    assert source(adapter).token() == "t1"
    (request,) = adapter.requests
    assert request.url == "https://auth.shop.example/oauth/token"
    assert request.headers["Authorization"] == basic("my-client:my-s3cret")
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.body == b"grant_type=client_credentials&scope=view_orders%3Ashop+manage_orders%3Ashop"


def test_without_scopes_none_is_sent() -> None:
    adapter = Scripted(granted("t1"))
    source(adapter, grant=commercetools_grant("c", "s")).token()
    assert adapter.requests[0].body == b"grant_type=client_credentials"


def test_mao_grants_by_password_or_client_credentials() -> None:
    adapter = Scripted(granted("t1"))
    source(adapter, grant=MAO, remote="manhattan").token()
    assert adapter.requests[0].headers["Authorization"] == basic("mao-client:mao-s3cret")
    assert adapter.requests[0].body == (
        b"grant_type=password&username=ann%40acme&password=mao-p%C3%A4ssword%26%3D"
    )
    adapter = Scripted(granted("t1"))
    source(adapter, grant=manhattan_grant("client_credentials", "c", "s", "unused", "unused")).token()
    assert adapter.requests[0].body == b"grant_type=client_credentials"
    with pytest.raises(ValueError, match="implicit"):
        manhattan_grant("implicit", "c", "s")


@pytest.mark.parametrize(
    ("expires_in", "kept_s"),
    [
        (172_800, 172_740),
        (300, 270),
        ("86399", 86_339),
        (None, 270),
        ("soon", 270),
        (-1, 270),
        (10**12, 604_740),
    ],
)
def test_a_token_is_kept_until_shortly_before_it_expires(expires_in: Any, kept_s: float) -> None:
    clock = a_clock()
    tokens = source(Scripted(granted("t1", expires_in), granted("t2", expires_in)), clock)
    assert tokens.token() == "t1"
    clock.advance(kept_s - 1)
    assert tokens.token() == "t1"
    clock.advance(1)
    assert tokens.token() == "t2"


def test_eight_threads_with_one_failed_token_renew_it_once() -> None:
    adapter = Scripted(*[granted(f"t{n}") for n in range(1, 50)])
    tokens = source(adapter, SystemClock())
    failed = tokens.token()
    together = threading.Barrier(8)
    got: list[str] = []

    def renew() -> None:
        together.wait(5)
        got.append(tokens.renew(failed))

    threads = [threading.Thread(target=renew) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == ["t2"] * 8
    assert len(adapter.requests) == 2


def api(adapter: Scripted, tokens: TokenSource, workers: int = 8) -> HttpClient:
    return HttpClient(
        base_url="https://api.shop.example",
        workers=workers,
        timeout_s=30,
        retry_s=120,
        clock=SystemClock(),
        token=tokens,
        adapter=adapter,
    )


def test_requests_of_eight_threads_survive_an_expired_token_with_one_renewal() -> None:
    auth = Scripted(*[granted(f"t{n}") for n in range(1, 50)])

    def only_the_second(request: Any) -> Any:
        good = request.headers["Authorization"] == "Bearer t2"
        return reply(200, {}) if good else reply(401, {"error": "invalid_token"})

    http = api(Scripted(only_the_second), source(auth, SystemClock()))
    answers: list[int] = []

    def work() -> None:
        for write in (True, False, True):
            answers.append(http.send("POST", "/x", json={}, write=write).status)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 24
    assert len(auth.requests) == 2


def test_a_host_that_accepts_no_token_stops_the_run_after_one_renewal() -> None:
    auth, host = Scripted(granted("t1"), granted("t2"), granted("t3")), Scripted(reply(401))
    with pytest.raises(RunStopped) as caught:
        api(host, source(auth, SystemClock())).send("POST", "/x", json={}, write=True)
    assert caught.value.problem.code == "unauthorized"
    assert [r.headers["Authorization"] for r in host.requests] == ["Bearer t1", "Bearer t2"]
    assert len(auth.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize(
    ("grant", "remote", "keys"),
    [
        (SHOP, "commercetools", ["commercetools.client_id", "commercetools.client_secret"]),
        (MAO, "manhattan", ["manhattan.client_secret", "manhattan.username", "manhattan.password"]),
    ],
)
def test_wrong_credentials_stop_the_run_and_name_the_settings(
    status: int, grant: Grant, remote: str, keys: list[str]
) -> None:
    body = {"error": "invalid_client", "error_description": "no such user ann@acme / my-s3cret"}
    adapter = Scripted(reply(status, body))
    with pytest.raises(RunStopped) as caught:
        source(adapter, grant=grant, remote=remote).token()
    problem = caught.value.problem
    assert problem.code == "unauthorized"
    assert "auth.shop.example does not accept the credentials" in problem.message
    assert all(key in problem.hint for key in keys)
    assert problem.context["status"] == status
    assert problem.context["remote_code"] == "invalid_client"
    assert "ann" not in str(problem.as_dict())
    assert len(adapter.requests) == 1


def test_an_auth_url_that_leads_elsewhere_is_named() -> None:
    with pytest.raises(RunStopped) as caught:
        source(Scripted(reply(404, b"<html>"))).token()
    assert caught.value.problem.field == "commercetools.auth_url"


@pytest.mark.parametrize(
    "trouble",
    [
        reply(500),
        reply(429),
        reply(503),
        reply(200, b"<html>"),
        reply(200, {"token": 1}),
        ConnectionRefusedError(),
    ],
)
def test_an_auth_host_in_trouble_is_tried_again_as_long_as_any_read(trouble: Any) -> None:
    assert source(Scripted(trouble, granted("t1"))).token() == "t1"
    clock = a_clock()
    with pytest.raises(Retriable) as caught:
        source(Scripted(trouble), clock).token()
    assert clock.monotonic() == pytest.approx(120)
    assert "commercetools.auth_url" in caught.value.problem.hint


@pytest.mark.parametrize("token", ["", "two words", "line\r\nX-Evil: 1", "tökén", 7, None])
def test_what_no_header_can_carry_is_no_token(token: Any) -> None:
    with pytest.raises(Retriable):
        source(Scripted(granted(token))).token()


# The file.


def test_the_next_process_uses_the_token_of_the_last_one(tmp_path: Path) -> None:
    source(Scripted(granted("t1")), folder=tmp_path).token()
    adapter = Scripted(granted("t2"))
    assert source(adapter, folder=tmp_path).token() == "t1"
    assert adapter.requests == []


def test_the_file_is_private_from_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    dump = json.dump

    def look_first(value: Any, file: Any) -> None:
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir())
        dump(value, file)

    monkeypatch.setattr("ct_mao_sync.clients.token.json.dump", look_first)
    tokens = source(Scripted(granted("t1")), folder=tmp_path)
    tokens.token()
    assert modes == [0o600]
    assert tokens.file is not None
    assert [path.name for path in tmp_path.iterdir()] == [tokens.file.name]
    assert stat.S_IMODE(tokens.file.stat().st_mode) == 0o600
    content = tokens.file.read_text()
    assert "my-s3cret" not in content and "my-client" not in tokens.file.name


def test_each_client_user_scope_and_url_has_its_own_file(tmp_path: Path) -> None:
    grants = [
        SHOP,
        commercetools_grant("my-client", "my-s3cret"),
        commercetools_grant("other", "my-s3cret"),
        MAO,
        manhattan_grant("password", "mao-client", "mao-s3cret", "bob@acme", "mao-pässword&="),
    ]
    names = {source(Scripted(granted("t")), grant=grant, folder=tmp_path).file for grant in grants}
    assert len(names) == len(grants)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"token": "x"}', b"[" * 50_000])
def test_a_damaged_file_is_ignored_and_replaced(tmp_path: Path, content: bytes) -> None:
    tokens = source(Scripted(granted("t1")), folder=tmp_path)
    assert tokens.file is not None
    tokens.file.write_bytes(content)
    tokens.file.chmod(0o600)
    assert tokens.token() == "t1"
    assert source(Scripted(granted("t2")), folder=tmp_path).token() == "t1"


def test_a_changed_file_is_ignored(tmp_path: Path) -> None:
    tokens = source(Scripted(granted("t1")), folder=tmp_path)
    tokens.token()
    assert tokens.file is not None
    stored = json.loads(tokens.file.read_text())
    for change in (
        {"token": ""},
        {"token": "a\nb"},
        {"token": 1},
        {"renew_at": "2026-11-23T09:00:01"},
        {"renew_at": "9999-01-01T00:00:00+00:00"},
        {"salt": "zz"},
        {"proof": "ü"},
    ):
        tokens.file.write_text(json.dumps({**stored, **change}))
        assert source(Scripted(granted("t2"), granted("t3")), folder=tmp_path).token() == "t2", change
        tokens.file.unlink()
        source(Scripted(granted("t1")), folder=tmp_path).token()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o400, 0o666])
def test_a_file_of_another_mode_is_ignored(tmp_path: Path, mode: int) -> None:
    tokens = source(Scripted(granted("t1")), folder=tmp_path)
    tokens.token()
    assert tokens.file is not None
    tokens.file.chmod(mode)
    assert source(Scripted(granted("t2")), folder=tmp_path).token() == "t2"
    assert stat.S_IMODE(tokens.file.stat().st_mode) == 0o600


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    tokens = source(Scripted(granted("t1")), folder=tmp_path)
    tokens.token()
    assert tokens.file is not None
    elsewhere = tmp_path / "elsewhere"
    tokens.file.rename(elsewhere)
    tokens.file.symlink_to(elsewhere)
    assert source(Scripted(granted("t2")), folder=tmp_path).token() == "t2"
    assert "t2" not in elsewhere.read_text()


def test_a_stored_token_does_not_hide_that_the_secret_is_wrong_now(tmp_path: Path) -> None:
    source(Scripted(granted("t1")), grant=commercetools_grant("c", "right"), folder=tmp_path).token()
    with pytest.raises(RunStopped):
        source(Scripted(reply(401)), grant=commercetools_grant("c", "wrong"), folder=tmp_path).token()


def test_an_expired_token_in_the_file_is_not_used(tmp_path: Path) -> None:
    source(Scripted(granted("t1", 3_600)), folder=tmp_path).token()
    later: SimulatedClock = a_clock()
    later.advance(3_541)
    assert source(Scripted(granted("t2")), later, folder=tmp_path).token() == "t2"


def test_what_another_process_renewed_is_used(tmp_path: Path) -> None:
    ours = source(Scripted(granted("t1"), granted("t3")), folder=tmp_path)
    ours.token()
    theirs = source(Scripted(granted("t2")), folder=tmp_path)
    theirs.renew(theirs.token())
    assert ours.renew("t1") == "t2"
    assert ours.renew("t2") == "t3"


def test_a_folder_that_cannot_be_written_costs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = source(Scripted(granted("t1"), granted("t2")), folder=tmp_path / "nowhere")
    assert tokens.token() == "t1"
    assert tokens.renew("t1") == "t2"
    assert len(caplog.records) == 1
    assert "cannot be kept" in caplog.records[0].getMessage()


def test_no_token_or_secret_in_any_log_error_or_repr(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = source(Scripted(granted("t0k3n-1"), granted("t0k3n-2"), reply(400)), grant=MAO, folder=tmp_path)
    tokens.renew(tokens.token())
    with pytest.raises(RunStopped) as caught:
        tokens.renew("t0k3n-2")
    shown = [repr(tokens), repr(MAO), repr(tokens.__dict__), str(caught.value), repr(caught.value)]
    shown += [str(caught.value.problem.as_dict()), *(str(record.__dict__) for record in caplog.records)]
    for secret in ("t0k3n", "s3cret", "pässword", basic("mao-client:mao-s3cret")):
        assert not any(secret in text for text in shown)
