"""The sandbox core: clocks, headers, counters, and its mounting as a requests transport."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import requests
from sandbox_wire import ORDER, Mao, an_order
from urllib3.exceptions import NewConnectionError

from ct_mao_sync.sandbox.adapter import SandboxAdapter
from ct_mao_sync.sandbox.core import MANHATTAN, ManualClock, Sandbox, endpoint_of, render_json
from ct_mao_sync.sandbox.faults import Faults

URL = "https://mao.sandbox.test"


def _session(mao: Mao, **options: object) -> tuple[requests.Session, SandboxAdapter]:
    adapter = SandboxAdapter(mao.sandbox, {"mao.sandbox.test": "manhattan"}, **options)  # type: ignore[arg-type]
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", adapter)
    session.headers["Authorization"] = f"Bearer {mao.token}"
    return session, adapter


def _broken(kind: str) -> Mao:
    mao = Mao()
    mao.saved(an_order())
    mao.sandbox.faults.always(lambda request: True, kind)
    return mao


def test_every_answer_carries_the_services_date_and_a_trace_id() -> None:
    mao = Mao(manhattan_skew_s=90)

    answer = mao.ask("GET", f"{ORDER}/orderId/CT-9")

    assert answer.headers["Date"] == "Mon, 23 Nov 2026 09:01:30 GMT"
    assert answer.headers["cp-trace-id"]


def test_the_services_clocks_can_differ() -> None:
    sandbox = Sandbox(clock=ManualClock(), faults=Faults.parse("skew-commercetools=30,skew-manhattan=-20"))

    assert sandbox.world.now("commercetools") == datetime(2026, 11, 23, 9, 0, 30, tzinfo=UTC)
    assert sandbox.world.now("manhattan") == datetime(2026, 11, 23, 8, 59, 40, tzinfo=UTC)


def test_the_same_seed_gives_the_same_ids() -> None:
    first, second, third = (Sandbox(seed=seed).world.new_id() for seed in (1, 1, 2))

    assert first == second != third


def test_requests_are_counted_by_endpoint_and_writes_apart() -> None:
    mao = Mao()
    mao.saved(an_order())
    mao.get()
    mao.get()
    mao.search("OrderId = 'CT-1'")
    log = mao.sandbox.world.request_log

    assert log.total(MANHATTAN, endpoint="/orderId/{OrderId}") == 2
    assert log.total(MANHATTAN, method="POST", endpoint="/search") == 1
    assert log.writes[MANHATTAN] == 1
    assert log.history[-1].request.path == f"{ORDER}/search"


def test_identifiers_are_not_part_of_an_endpoint() -> None:
    assert endpoint_of("/p/orders/6f6a1c1e-1111-4222-8333-944455556666") == "/p/orders/{id}"
    assert endpoint_of("/p/orders/order-number=A-1") == "/p/orders/order-number={value}"
    assert endpoint_of("/x/orderId/CT-1/cancel") == "/x/orderId/{OrderId}/cancel"


def test_decimals_are_written_as_plain_numbers() -> None:
    from decimal import Decimal

    assert render_json({"a": Decimal("20.00"), "b": Decimal("0.1"), "c": Decimal("1E+3")}) == (
        '{"a":20,"b":0.1,"c":1000}'
    )


def test_the_adapter_gives_real_answers_that_can_be_read_at_once_or_streamed() -> None:
    mao = Mao()
    mao.saved(an_order())
    session, _ = _session(mao)

    whole = session.get(f"{URL}{ORDER}/orderId/CT-1")
    streamed = session.get(f"{URL}{ORDER}/orderId/CT-1", stream=True)
    parts = []
    while part := streamed.raw.read1(100):
        parts.append(part)

    assert whole.status_code == 200
    assert whole.json()["data"]["OrderId"] == "CT-1"
    assert json.loads(b"".join(parts)) == whole.json()
    assert max(map(len, parts)) <= 100
    assert whole.headers["content-type"].startswith("application/json")


def test_the_adapter_decodes_path_and_query() -> None:
    mao = Mao()
    session, _ = _session(mao)

    session.get(f"{URL}/a%20b", params={"query": "OrderId='X Y'"})

    request = mao.sandbox.world.request_log.history[-1].request
    assert (request.path, request.query) == ("/a b", (("query", "OrderId='X Y'"),))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("lost-before", requests.exceptions.ConnectionError),
        ("lost-after", requests.exceptions.ConnectionError),
        ("hang", requests.exceptions.ReadTimeout),
        ("hang-after", requests.exceptions.ReadTimeout),
        ("connect-timeout", requests.exceptions.ConnectTimeout),
        ("connect-refused", requests.exceptions.ConnectionError),
        ("truncated", requests.exceptions.ChunkedEncodingError),
    ],
)
def test_a_transport_fault_is_the_error_that_requests_would_raise(
    kind: str, error: type[requests.exceptions.RequestException]
) -> None:
    session, _ = _session(_broken(kind))

    with pytest.raises(error) as raised:
        session.get(f"{URL}{ORDER}/orderId/CT-1", timeout=(3, 5))

    assert type(raised.value) is error


def test_an_unknown_host_refuses_the_connection() -> None:
    session, _ = _session(Mao())

    with pytest.raises(requests.exceptions.ConnectionError) as raised:
        session.get("https://elsewhere.test/")

    assert isinstance(raised.value.args[0], NewConnectionError)


def test_an_endless_body_goes_on_and_on() -> None:
    session, _ = _session(_broken("endless"))

    answer = session.get(f"{URL}{ORDER}/orderId/CT-1", stream=True)

    assert answer.raw.read1(1_000_000)
    assert sum(len(answer.raw.read(10_000)) for _ in range(100)) == 1_000_000


def test_slow_and_dripping_answers_take_time_on_the_callers_clock() -> None:
    slept: list[float] = []
    session, adapter = _session(_broken("slow"), sleep=slept.append)
    session.get(f"{URL}{ORDER}/orderId/CT-1", timeout=5)
    dripping, _ = _session(_broken("drip"), sleep=slept.append)
    answer = dripping.get(f"{URL}{ORDER}/orderId/CT-1", stream=True)

    assert slept == [1.0]
    assert adapter.slept_s == 1.0
    assert [len(answer.raw.read1(100)) for _ in range(3)] == [1, 1, 1]
    assert slept == [1.0] * 4


def test_an_answer_slower_than_the_time_out_is_a_read_time_out() -> None:
    session, _ = _session(_broken("slow"))

    with pytest.raises(requests.exceptions.ReadTimeout):
        session.get(f"{URL}{ORDER}/orderId/CT-1", timeout=0.5)
