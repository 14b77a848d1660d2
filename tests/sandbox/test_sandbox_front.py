"""The HTTP front: real sockets, keep-alive, faults on the wire, the admin surface, the process."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from sandbox_wire import ORDER, an_order, an_update

from ct_mao_sync.sandbox.admin import aimed_at
from ct_mao_sync.sandbox.core import Sandbox
from ct_mao_sync.sandbox.front import Servers, serve

LOGIN = {
    "grant_type": "password",
    "username": "sync@acme",
    "password": "sandbox-password",
    "client_id": "omnicomponent.1.0.0",
    "client_secret": "sandbox-secret",
}


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
def servers(sandbox: Sandbox) -> Iterator[Servers]:
    with serve(sandbox) as servers:
        yield servers


def _session(url: str) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    token = session.post(f"{url}/oauth/token", data=LOGIN, timeout=5).json()["access_token"]
    session.headers["Authorization"] = f"Bearer {token}"
    return session


@pytest.fixture
def mao(servers: Servers) -> Iterator[requests.Session]:
    with _session(servers.manhattan_url) as session:
        yield session


def test_an_order_is_saved_and_read_over_one_kept_connection(servers: Servers) -> None:
    host = urlsplit(servers.manhattan_url)
    connection = http.client.HTTPConnection(str(host.hostname), host.port, timeout=5)
    form = "&".join(f"{name}={value}" for name, value in LOGIN.items())
    connection.request("POST", "/oauth/token", form, {"Content-Type": "application/x-www-form-urlencoded"})
    token = json.loads(connection.getresponse().read())["access_token"]
    port = connection.sock.getsockname()[1]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    connection.request("POST", f"{ORDER}/save", json.dumps(an_order()), headers)
    saved = connection.getresponse()
    saved.read()
    connection.request("GET", f"{ORDER}/orderId/CT-1", headers=headers)
    read = connection.getresponse()

    assert saved.status == read.status == 200
    assert json.loads(read.read())["data"]["OrderId"] == "CT-1"
    assert connection.sock.getsockname()[1] == port
    assert read.getheader("Date")
    connection.close()


def test_a_chunked_body_is_understood(servers: Servers, mao: requests.Session) -> None:
    parts = iter([json.dumps(an_order()).encode()[:50], json.dumps(an_order()).encode()[50:]])

    answer = mao.post(
        f"{servers.manhattan_url}{ORDER}/save",
        data=parts,
        headers={"Content-Type": "application/json"},
        timeout=5,
    )

    assert answer.status_code == 200


def test_what_is_not_http_is_refused_and_the_front_lives_on(servers: Servers, mao: requests.Session) -> None:
    host = urlsplit(servers.manhattan_url)
    with socket.create_connection((str(host.hostname), host.port or 0), timeout=5) as raw:
        raw.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 400")

    assert mao.get(f"{servers.manhattan_url}/_sandbox/requests", timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("lost-before", requests.exceptions.ConnectionError),
        ("lost-after", requests.exceptions.ConnectionError),
        ("hang", requests.exceptions.ReadTimeout),
        ("truncated", requests.exceptions.ChunkedEncodingError),
    ],
)
def test_faults_break_the_wire(
    servers: Servers,
    sandbox: Sandbox,
    mao: requests.Session,
    kind: str,
    error: type[requests.exceptions.RequestException],
) -> None:
    sandbox.faults.once(aimed_at(path="/save"), kind)

    with pytest.raises(error):
        mao.post(f"{servers.manhattan_url}{ORDER}/save", json=an_order(), timeout=0.3)

    assert ("CT-1" in sandbox.world.mao.orders) is (kind in ("lost-after", "truncated"))


def test_an_endless_answer_flows_until_the_reader_leaves(
    servers: Servers, sandbox: Sandbox, mao: requests.Session
) -> None:
    sandbox.faults.once(aimed_at(path="/search"), "endless")

    with mao.post(f"{servers.manhattan_url}{ORDER}/search", json={}, stream=True, timeout=5) as answer:
        read = sum(len(part) for _, part in zip(range(50), answer.iter_content(10_000), strict=False))

    assert read > 300_000


def test_latency_is_added_outside_the_lock(sandbox: Sandbox) -> None:
    with serve(sandbox, latency_s=0.4) as servers:
        session = _session(servers.manhattan_url)

        def ask(_: int) -> int:
            return session.get(f"{servers.manhattan_url}{ORDER}/orderId/X", timeout=5).status_code

        started = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(ask, range(8)))
        took_s = time.monotonic() - started

    assert statuses == [404] * 8
    assert 0.4 <= took_s < 8 * 0.4


def test_after_close_nobody_listens(sandbox: Sandbox) -> None:
    servers = serve(sandbox)
    servers.close()

    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(f"{servers.manhattan_url}/_sandbox/requests", timeout=2)


def test_a_taken_port_is_an_error(servers: Servers) -> None:
    port = urlsplit(servers.manhattan_url).port or 0

    with pytest.raises(OSError, match="in use"):
        serve(Sandbox(), manhattan_port=port)


def test_the_admin_surface_shows_drives_and_breaks(servers: Servers, mao: requests.Session) -> None:
    admin = f"{servers.commercetools_url}/_sandbox"
    save = f"{servers.manhattan_url}{ORDER}/save"
    mao.post(save, json=an_order(), timeout=5)

    step = mao.post(f"{admin}/mao/advance", json={"OrderId": "CT-1"}, timeout=5).json()
    short = mao.post(f"{admin}/mao/advance", json={"OrderId": "CT-1", "event": "teleport"}, timeout=5)
    mao.post(f"{admin}/faults", json={"kind": "503", "times": 1, "path": "/save"}, timeout=5)
    broken = [mao.post(save, json=an_update(OrderLocale="de"), timeout=5).status_code for _ in range(2)]
    mao.post(f"{admin}/faults", json={"spec": "manhattan:500=1"}, timeout=5)
    failing = mao.post(save, json=an_order(), timeout=5).status_code
    mao.post(f"{admin}/faults", json={"quiet": True}, timeout=5)
    healed = mao.post(save, json=an_order(), timeout=5).status_code
    orders = mao.get(f"{admin}/mao/orders", timeout=5).json()["orders"]
    counters = mao.get(f"{admin}/requests", timeout=5).json()

    assert step["event"] == "allocate"
    assert short.status_code == 400
    assert (broken, failing, healed) == ([503, 200], 500, 200)
    assert [(order["OrderId"], order["MaxFulfillmentStatusId"]) for order in orders] == [("CT-1", "2000")]
    assert counters["writes"] == {"manhattan": 5}
    assert mao.post(f"{admin}/faults", json={"spec": "500=often"}, timeout=5).status_code == 400


def test_the_process_tells_its_urls_and_leaves_on_sigterm(tmp_path: Path) -> None:
    ports = tmp_path / "ports.json"
    command = [sys.executable, "-m", "ct_mao_sync.sandbox", "--count", "0", "--ports-file", str(ports)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            deadline = time.monotonic() + 20
            while not ports.exists() and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.05)
            urls = json.loads(ports.read_text())
            answer = requests.get(f"{urls['manhattan']}/_sandbox/requests", timeout=5)
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=10)
        finally:
            process.kill()

    assert answer.json()["total"] == 0
    assert process.returncode == 0
    assert f'api_url = "{urls["manhattan"]}"' in out


def test_options_that_make_no_sense_are_told_at_once() -> None:
    command = [sys.executable, "-m", "ct_mao_sync.sandbox", "--faults", "nonsense"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith("--faults: a fault is written name=number")
