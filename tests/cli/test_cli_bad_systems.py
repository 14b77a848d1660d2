"""A system in trouble: one error with a code and a hint, the documented exit code, nothing lost."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_world import Ran, World
from independent_manhattan import envelope
from independent_servers import Reply
from shop_orders import order


def assert_stopped(ran: Ran, code: int, problem: str, *words: str) -> None:
    assert ran.code == code, ran.text
    assert ran.err.count("error: ") == 1, ran.err
    assert f"error: {problem}\n" in ran.err
    assert "hint: " in ran.err
    assert "nothing is lost: " in ran.err
    for word in words:
        assert word in ran.err
    assert "rejected 0" in ran.out


def assert_nothing_lost(world: World) -> None:
    """Once the trouble is over the next run does everything."""
    world.shop.server.faults.clear()
    world.mao.server.faults.clear()
    assert world.letters() == []
    ran = world.sync()
    assert ran.code == 0, ran.text
    assert "CT-1" in world.mao.orders


@pytest.fixture
def full(world: World) -> World:
    world.shop.put(order("CT-1"))
    return world


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("CTP_CLIENT_SECRET", ["commercetools.client_secret"]),
        ("MAO_CLIENT_SECRET", ["manhattan.client_secret"]),
        ("MAO_PASSWORD", ["manhattan.password"]),
    ],
)
def test_a_wrong_secret_names_the_key_and_never_itself(full: World, variable: str, words: list[str]) -> None:
    right = full.env[variable]
    full.env[variable] = "wr0ng-and-never-shown"
    ran = full.sync("-vv")
    assert_stopped(ran, 5, "unauthorized", "does not accept the credentials (401)", *words)
    assert "wr0ng-and-never-shown" not in ran.text
    full.env[variable] = right
    assert_nothing_lost(full)


def test_a_wrong_project_key_is_told_from_a_404(full: World) -> None:
    full.configure(commercetools__project_key="acne")
    assert_stopped(full.sync(), 5, "project-not-found", "'acne'", "commercetools.project_key")
    full.configure()
    assert_nothing_lost(full)


def test_a_wrong_project_key_is_told_from_a_403(full: World) -> None:
    body = {"statusCode": 403, "message": "Insufficient scope", "errors": [{"code": "insufficient_scope"}]}
    full.shop.server.on("GET", "/orders", Reply(403, body))
    assert_stopped(full.sync(), 5, "forbidden", "commercetools.project_key")
    assert_nothing_lost(full)


def test_a_missing_grant_in_mao_stops_the_job(full: World) -> None:
    body = envelope(success=False, data=None, code="403", text="Forbidden")
    full.mao.server.on("POST", "/save", Reply(403, body))
    assert_stopped(full.sync(), 5, "forbidden", "/save", "grant")
    assert_nothing_lost(full)


def _refused_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize("side", ["commercetools", "manhattan"])
def test_a_host_that_refuses_the_connection(full: World, side: str) -> None:
    full.configure(**{f"{side}__api_url": _refused_port()})
    assert_stopped(full.sync(), 4, "unreachable", f"{side}.api_url", "refused the connection")
    full.configure()
    assert_nothing_lost(full)


def test_a_host_name_that_does_not_exist(full: World, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def offline(host: Any, *arguments: Any, **more: Any) -> Any:
        if host == "api.nowhere.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    full.configure(manhattan__api_url="https://api.nowhere.invalid")
    words = ["does not resolve", "api.nowhere.invalid", "manhattan.api_url"]
    assert_stopped(full.sync(), 4, "unreachable", *words)
    full.configure()
    assert_nothing_lost(full)


def test_a_host_that_takes_the_connection_and_says_nothing(full: World) -> None:
    full.configure(sync__request_timeout_seconds=1, sync__retry_seconds=1)
    full.shop.server.on("GET", "/orders", Reply(how="hang"))
    assert_stopped(full.sync(), 4, "timeout", "did not answer within 1 s")
    assert_nothing_lost(full)


def test_an_answer_that_never_ends(full: World) -> None:
    full.configure(sync__request_timeout_seconds=1, sync__retry_seconds=1)
    full.mao.server.on("POST", "/search", Reply(how="drip"))
    assert_stopped(full.sync(), 4, "timeout", "answer", "within 1 s")
    assert_nothing_lost(full)


@pytest.mark.parametrize(
    "content", [b"<html>Welcome to the hotel</html>", b"", b"[]", b'{"results": 3}', b"\xff\xfe"]
)
def test_an_answer_that_is_not_the_json_expected(full: World, content: bytes) -> None:
    full.shop.server.on("GET", "/orders", Reply(200, content))
    assert_stopped(full.sync(), 4, "not-json", "commercetools.api_url")
    assert_nothing_lost(full)


def test_a_redirect_is_not_followed(full: World) -> None:
    full.shop.server.on("GET", "/orders", Reply(302, {}, {"Location": "https://evil.example/x"}))
    assert_stopped(full.sync(), 5, "redirected", "evil.example")
    assert_nothing_lost(full)


def test_429_for_a_while_only_costs_time(full: World) -> None:
    full.configure(sync__retry_seconds=20, sync__request_timeout_seconds=2)
    full.shop.server.on("GET", "/orders", Reply(429, {}, {"Retry-After": "1"}), times=2)
    full.mao.server.on("POST", "/save", Reply(429, None, {"Retry-After": "0"}), times=2)
    ran = full.sync()
    assert ran.code == 0
    assert "CT-1" in full.mao.orders
    assert full.letters() == []


def test_429_for_ever_ends_the_run_and_loses_nothing(full: World) -> None:
    full.mao.server.on("POST", "/search", Reply(429, {}, {"Retry-After": "1"}))
    assert_stopped(full.sync(), 4, "rate-limited", "sync.workers")
    assert_nothing_lost(full)


def test_a_source_without_a_clock_stops_the_job(full: World) -> None:
    full.shop.server.date_header = False
    assert_stopped(full.sync(), 5, "no-server-clock", "Date")
    assert full.mao.writes() == []
    full.shop.server.date_header = True
    assert_nothing_lost(full)


def _no_folder(folder: Path) -> Path:
    return folder / "no" / "such" / "state.sqlite3"


def _below_a_file(folder: Path) -> Path:
    (folder / "file").write_text("x")
    return folder / "file" / "state.sqlite3"


def _a_folder(folder: Path) -> Path:
    return folder


def _forbidden(folder: Path) -> Path:
    return Path("/sys/kernel/state.sqlite3")  # also for root


@pytest.mark.parametrize("place", [_no_folder, _below_a_file, _a_folder, _forbidden])
def test_a_state_that_cannot_be_written_stops_before_anything_is_written(
    full: World, place: Callable[[Path], Path]
) -> None:
    full.configure(state__path=str(place(full.folder)))
    ran = full.sync()
    assert ran.code == 5
    assert "error: state-unwritable" in ran.err and "hint: " in ran.err
    assert full.calls == []
    full.configure()
    assert_nothing_lost(full)


def _garbage(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 500)


def _holes(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    path.write_bytes(content)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


@pytest.mark.parametrize("damage", [_garbage, _holes])
def test_a_damaged_state_stops_with_the_commands_that_help(
    full: World, damage: Callable[[Path], Any]
) -> None:
    assert full.sync().code == 0
    damage(full.state_path)
    full.shop.put(order("CT-2"))
    full.clear()
    ran = full.sync()
    assert ran.code == 5
    assert "error: state-damaged" in ran.err
    assert f"mv {full.state_path} {full.state_path}.damaged" in ran.err
    assert full.writes == 0
    assert full.run("errors", "list").code == 5
    full.state_path.rename(f"{full.state_path}.damaged")
    for suffix in ("-wal", "-shm"):
        Path(f"{full.state_path}{suffix}").unlink(missing_ok=True)
    assert full.sync().code == 0
    assert sorted(full.mao.orders) == ["CT-1", "CT-2"]
    assert [call.body["OrderId"] for call in full.mao.saves()] == ["CT-2"]
