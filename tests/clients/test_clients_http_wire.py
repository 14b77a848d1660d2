"""Real sockets: what goes over the wire, and servers that misbehave."""

from __future__ import annotations

import gzip
import logging
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from clients_wire import http_bytes, tcp_server

from ct_mao_sync import __version__
from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.engine.clock import SystemClock
from ct_mao_sync.errors import ConfigError, OutcomeUnknown, RecordRejected, Retriable, RunStopped


class FixedToken:
    def token(self) -> str:
        return "s3cr3t-token"

    def renew(self, failed: str) -> str:
        return "s3cr3t-token"


def client(base_url: str, **options: Any) -> HttpClient:
    settings: dict[str, Any] = {
        "base_url": base_url,
        "workers": 2,
        "timeout_s": 0.3,
        "retry_s": 0.0,
        "clock": SystemClock(),
        "token": FixedToken(),
        "remote": "manhattan",
        "correlation_id": "orders-7f3a",
    }
    return HttpClient(**{**settings, **options})


def drip(connection: socket.socket, data: bytes) -> None:
    for at in range(len(data)):
        connection.sendall(data[at : at + 1])
        time.sleep(0.02)


def hang(connection: socket.socket, _: bytes) -> None:
    connection.settimeout(10)
    connection.recv(1)


def drip_body(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{")
    drip(connection, b" " * 4999)


def drip_headers(connection: socket.socket, _: bytes) -> None:
    drip(connection, b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 5000)


def continue_for_ever(connection: socket.socket, _: bytes) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.02)


def endless_chunks(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")


def reset(connection: socket.socket, _: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def half_a_body(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"data": []}')


def cut_chunk(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}")


def no_http(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"220 mail.example ESMTP\r\n")


def bad_gzip(connection: socket.socket, _: bytes) -> None:
    connection.sendall(http_bytes(200, b"this is no gzip at all", Content_Encoding="gzip"))


# Made beforehand: packing it must not use up the deadline of the one who asks.
BOMB = http_bytes(200, gzip.compress(b" " * 20_000_000), Content_Encoding="gzip")


def a_bomb(connection: socket.socket, _: bytes) -> None:
    connection.sendall(BOMB)


@pytest.mark.parametrize(
    ("misbehave", "code"),
    [
        (hang, "timeout"),
        (drip_body, "timeout"),
        (drip_headers, "timeout"),
        (continue_for_ever, "timeout"),
        (endless_chunks, "answer-too-long"),
        (reset, "unreachable"),
        (half_a_body, "unreachable"),
        (cut_chunk, "unreachable"),
        (no_http, "unreachable"),
        (bad_gzip, "not-json"),
        (a_bomb, "answer-too-long"),
    ],
)
@pytest.mark.parametrize("write", [False, True])
def test_a_server_that_misbehaves_costs_one_deadline(misbehave: Any, code: str, write: bool) -> None:
    with tcp_server(misbehave) as url:
        http = client(url, answer_max_bytes=2_000_000)
        before = time.monotonic()
        with pytest.raises(OutcomeUnknown if write else Retriable) as caught:
            http.send("POST", "/save", json={}, write=write)
        took_s = time.monotonic() - before
        http.close()
    assert caught.value.problem.code == code
    assert took_s < 3
    assert caught.value.problem.message.startswith("MAO (127.0.0.1) ")
    assert "Error" not in caught.value.problem.message


def test_after_a_failure_the_next_request_finds_a_free_connection() -> None:
    answers = iter([drip_body, endless_chunks, hang, half_a_body])

    def handle(connection: socket.socket, request: bytes) -> None:
        step = next(answers, None)
        if step is not None:
            step(connection, request)
        else:
            connection.sendall(http_bytes())

    with tcp_server(handle, keep_alive=True) as url:
        http = client(url, workers=1, answer_max_bytes=2_000_000)
        for _ in range(4):
            with pytest.raises(Retriable):
                http.send("GET", "/x", write=False)
        assert http.send("GET", "/x", write=False).status == 200
        http.close()


def test_a_closed_port_is_a_refused_connection_even_for_a_write() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Retriable) as caught:
        client(f"http://127.0.0.1:{port}").send("POST", "/save", json={}, write=True)
    assert caught.value.problem.code == "unreachable"
    assert "refused the connection; tried once" in caught.value.problem.message
    assert "manhattan.api_url" in caught.value.problem.hint


def test_a_slow_but_finite_answer_within_the_deadline_is_fine() -> None:
    def handle(connection: socket.socket, _: bytes) -> None:
        drip(connection, http_bytes(200, b'{"a": 1}'))

    with tcp_server(handle) as url:
        assert client(url, timeout_s=10).send("GET", "/x", write=False).json == {"a": 1}


def test_what_goes_over_the_wire() -> None:
    seen: list[bytes] = []

    def handle(connection: socket.socket, request: bytes) -> None:
        seen.append(request)
        connection.sendall(
            http_bytes(200, gzip.compress(b'{"a": 1.10}'), Content_Encoding="gzip", Set_Cookie="session=abc")
        )

    with tcp_server(handle, keep_alive=True) as url:
        http = client(url + "/")
        answer = http.send("POST", "/save", params=[("a b", 'x "y" ä')], json={"n": 1}, write=True)
        http.send("GET", "/x", write=False)
        http.close()

    first, second = (request.decode() for request in seen)
    assert str(answer.json["a"]) == "1.10"
    assert first.startswith("POST /save?a%20b=x%20%22y%22%20%C3%A4 HTTP/1.1\r\n")
    for header in (
        "Authorization: Bearer s3cr3t-token",
        "Content-Type: application/json",
        "Content-Length: 7",
        "Accept: application/json",
        f"User-Agent: ct-mao-sync/{__version__}",
        "X-Correlation-ID: orders-7f3a-1",
    ):
        assert f"\r\n{header}\r\n" in first
    assert first.endswith('{"n":1}')
    assert "X-Correlation-ID: orders-7f3a-2" in second
    assert "Cookie" not in second and "Content-Type" not in second


def test_connections_are_kept_and_never_more_than_workers() -> None:
    ports: set[int] = set()
    lock = threading.Lock()

    def handle(connection: socket.socket, _: bytes) -> None:
        with lock:
            ports.add(connection.getpeername()[1])
        time.sleep(0.002)
        connection.sendall(http_bytes())

    with tcp_server(handle, keep_alive=True) as url:
        http = client(url, workers=3, timeout_s=10)
        threads = [
            threading.Thread(target=lambda: [http.send("GET", "/x", write=False) for _ in range(10)])
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        http.close()
    assert 1 <= len(ports) <= 3
    assert http.requests_sent == 60


def test_netrc_does_not_replace_our_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login intruder password intruder\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    seen: list[bytes] = []

    def handle(connection: socket.socket, request: bytes) -> None:
        seen.append(request)
        connection.sendall(http_bytes())

    with tcp_server(handle) as url:
        client(url).send("GET", "/x", write=False)
    assert b"Authorization: Bearer s3cr3t-token" in seen[0]
    assert b"Basic" not in seen[0]


def test_the_proxy_of_the_environment_is_used_for_other_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def proxy(connection: socket.socket, request: bytes) -> None:
        seen.append(request)
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with tcp_server(proxy) as url:
        monkeypatch.setenv("HTTPS_PROXY", url)
        monkeypatch.setenv("https_proxy", url)
        http = client("https://mao.example")
        monkeypatch.delenv("HTTPS_PROXY")  # taken once, at construction
        monkeypatch.delenv("https_proxy")
        with pytest.raises(Retriable) as caught:
            http.send("POST", "/save", json={}, write=True)
    assert seen[0].startswith(b"CONNECT mao.example:443 ")
    assert b"s3cr3t-token" not in seen[0]
    assert "through the proxy" in caught.value.problem.message


def test_no_proxy_and_loopback_go_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    def must_not_be_asked(connection: socket.socket, _: bytes) -> None:
        connection.sendall(http_bytes(502))

    with tcp_server(must_not_be_asked) as proxy, tcp_server(lambda c, _: c.sendall(http_bytes())) as url:
        for name in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy)
        assert client(url).send("GET", "/x", write=False).status == 200
        monkeypatch.setenv("no_proxy", "mao.invalid")
        with pytest.raises(Retriable) as caught:
            client("https://mao.invalid").send("GET", "/x", write=False)
    assert "proxy" not in caught.value.problem.message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_names_where_it_leads(status: int) -> None:
    seen: list[bytes] = []

    def handle(connection: socket.socket, request: bytes) -> None:
        seen.append(request)
        where = "https://login.example/path?session=1"
        connection.sendall(http_bytes(status, b"x", Location=where)[:-1])  # a body that never comes

    with tcp_server(handle) as url, pytest.raises(RunStopped) as caught:
        client(url).send("GET", "/x", write=False)
    assert len(seen) == 1
    assert caught.value.problem.code == "redirected"
    assert "login.example" in caught.value.problem.message
    assert "session" not in str(caught.value.problem.as_dict())


@pytest.mark.parametrize(
    "base_url",
    [
        "http://mao.example",
        "http://10.0.0.1",
        "http://localhost.example",
        "ftp://127.0.0.1",
        "mao.example",
        "",
        "https://",
        "https://user:word@mao.example",
        "https://mao.example/?a=1",
        "https://[bad",
    ],
)
def test_only_https_unless_it_stays_on_this_machine(base_url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        client(base_url)
    assert caught.value.problem.field == "manhattan.api_url"
    assert "word" not in str(caught.value.problem.as_dict())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "LOCALHOST"])
def test_plain_http_is_fine_on_loopback(host: str) -> None:
    assert client(f"http://{host}:8080/").base_url == f"http://{host}:8080"


def test_a_ca_bundle_that_does_not_exist_is_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(ConfigError) as caught:
        client("https://mao.example")
    assert "REQUESTS_CA_BUNDLE" in caught.value.problem.message


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    path = tmp_path / "both.pem"
    command = [openssl, "req", "-x509", "-nodes", "-days", "2", "-keyout", "key.pem", "-out", "cert.pem"]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("this openssl cannot make the certificate")
    path.write_bytes((tmp_path / "key.pem").read_bytes() + (tmp_path / "cert.pem").read_bytes())
    return path


def test_tls_with_the_company_s_ca_bundle(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    steps = iter([None, None, drip_body])
    seen: list[bytes] = []

    def handle(connection: socket.socket, request: bytes) -> None:
        seen.append(request)
        step = next(steps)
        step(connection, request) if step else connection.sendall(http_bytes())

    with tcp_server(handle, keep_alive=True, tls=context) as url:
        http = client(url)
        assert http.send("POST", "/save", json={"n": 1}, write=True).status == 200
        assert http.send("POST", "/save", json={"n": 2}, write=True).status == 200
        with pytest.raises(OutcomeUnknown) as caught:
            http.send("POST", "/save", json={"n": 3}, write=True)
        http.close()
    assert caught.value.problem.code == "timeout"
    assert [request[-7:] for request in seen] == [b'{"n":1}', b'{"n":2}', b'{"n":3}']


def test_a_certificate_nobody_trusts_stops_the_run_at_once(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with tcp_server(lambda c, _: None, tls=context) as url, pytest.raises(RunStopped) as caught:
        client(url, retry_s=120).send("GET", "/x", write=False)
    assert "certificate" in caught.value.problem.message
    assert "REQUESTS_CA_BUNDLE" in caught.value.problem.hint


def test_no_secret_in_logs_errors_or_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    statuses = iter([200, 401, 401, 400, 500])

    def handle(connection: socket.socket, _: bytes) -> None:
        connection.sendall(http_bytes(next(statuses)))

    with tcp_server(handle, keep_alive=True) as url:
        http = client(url)
        http.send("GET", "/orders/7", params={"q": "private"}, write=False)
        shown = [repr(http)]
        tracebacks = []
        for kind in (RunStopped, RecordRejected, OutcomeUnknown):
            with pytest.raises(kind) as caught:
                http.send("POST", "/save", json={"name": "Ann"}, write=True)
            shown += [str(caught.value), repr(caught.value), str(caught.value.problem.as_dict())]
            tracebacks.append(str(caught.getrepr(style="long", showlocals=False)))
    shown += [str(record.__dict__) for record in caplog.records]
    assert not any("s3cr3t" in text or "Ann" in text for text in shown)
    assert not any("s3cr3t" in text for text in tracebacks)
    ours = [record for record in caplog.records if record.name == "ct_mao_sync.http"]
    assert len(ours) == 5
    assert ours[0].getMessage().startswith("manhattan GET /orders/7 200 ")
    assert ours[0].getMessage().endswith(" ms orders-7f3a-1")
    assert not any("private" in record.getMessage() for record in ours)
