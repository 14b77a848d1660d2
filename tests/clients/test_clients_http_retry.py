"""What is tried again, for how long, and what becomes of it."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
import requests
from clients_wire import Scripted, a_clock, reply
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.errors import OutcomeUnknown, RecordRejected, Retriable, RunStopped, VersionConflict

REFUSED = requests.ConnectionError(
    MaxRetryError(None, "/", NewConnectionError(None, "refused"))  # type: ignore[arg-type]
)
NO_SUCH_HOST = requests.ConnectionError(
    MaxRetryError(None, "/", NameResolutionError("h", None, OSError("x")))  # type: ignore[arg-type]
)
CONNECT_TIMEOUT = requests.ConnectTimeout(
    MaxRetryError(None, "/", ConnectTimeoutError("late"))  # type: ignore[arg-type]
)
READ_TIMEOUT = requests.ReadTimeout(ReadTimeoutError(None, "/", "late"))  # type: ignore[arg-type]
RESET = requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, "reset")))
NOT_JSON = reply(200, b"<html>welcome</html>")
SURELY_NOT_ARRIVED = [REFUSED, NO_SUCH_HOST, CONNECT_TIMEOUT, reply(429)]
MAYBE_ARRIVED = [READ_TIMEOUT, RESET, NOT_JSON, reply(200, [1]), reply(200, b"")] + [
    reply(status) for status in (408, 500, 502, 503, 504)
]
GOOD = reply(200, {"ok": True})


def client(adapter: Scripted, **options: Any) -> HttpClient:
    settings: dict[str, Any] = {
        "base_url": "https://api.shop.example",
        "workers": 4,
        "timeout_s": 30,
        "retry_s": 120,
        "clock": a_clock(),
        "token": None,
        "rng": random.Random(1),
        "correlation_id": "orders-7f3a",
    }
    return HttpClient(adapter=adapter, **{**settings, **options})


@pytest.mark.parametrize("trouble", SURELY_NOT_ARRIVED + MAYBE_ARRIVED)
def test_a_read_is_tried_again_until_it_is_answered(trouble: Any) -> None:
    adapter = Scripted(trouble, trouble, GOOD)
    http = client(adapter)
    answer = http.send("GET", "/orders", write=False)
    assert answer.json == {"ok": True}
    assert http.requests_sent == len(adapter.requests) == 3


@pytest.mark.parametrize("trouble", SURELY_NOT_ARRIVED)
def test_a_write_that_surely_did_not_arrive_is_tried_again(trouble: Any) -> None:
    adapter = Scripted(trouble, trouble, GOOD)
    assert client(adapter).send("POST", "/orders", json={}, write=True).json == {"ok": True}
    assert len(adapter.requests) == 3


@pytest.mark.parametrize("trouble", MAYBE_ARRIVED)
def test_a_write_that_may_have_arrived_goes_out_once_and_its_outcome_is_unknown(trouble: Any) -> None:
    adapter = Scripted(trouble, GOOD)
    with pytest.raises(OutcomeUnknown) as caught:
        client(adapter).send("POST", "/orders/7", json={}, write=True)
    assert len(adapter.requests) == 1
    context = caught.value.problem.context
    assert context["remote"] == "commercetools"
    assert context["correlation_id"] == "orders-7f3a-1"
    status = trouble[0] if isinstance(trouble, tuple) else None
    assert context.get("status") == status


def test_an_unclear_end_after_clear_failures_is_unclear() -> None:
    adapter = Scripted(REFUSED, reply(429), RESET, GOOD)
    with pytest.raises(OutcomeUnknown):
        client(adapter).send("POST", "/orders/7", json={}, write=True)
    assert len(adapter.requests) == 3


def test_an_old_error_under_way_does_not_colour_a_new_one() -> None:
    http = client(Scripted(RESET))
    try:
        raise ConnectionRefusedError
    except ConnectionRefusedError:
        with pytest.raises(OutcomeUnknown):
            http.send("POST", "/orders/7", json={}, write=True)


@pytest.mark.parametrize(
    ("trouble", "code", "words"),
    [
        (REFUSED, "unreachable", "could not be reached"),
        (NO_SUCH_HOST, "unreachable", "host name does not resolve"),
        (CONNECT_TIMEOUT, "unreachable", "did not accept a connection within 10 s"),
        (READ_TIMEOUT, "timeout", "did not answer within 30 s"),
        (RESET, "unreachable", "closed the connection"),
        (NOT_JSON, "not-json", "not a JSON object"),
        (reply(429), "rate-limited", "fewer requests"),
        (reply(503), "server-error", "answered 503"),
    ],
)
def test_when_the_time_is_up_one_line_says_what_happened_and_what_to_do(
    trouble: Any, code: str, words: str
) -> None:
    clock = a_clock()
    adapter = Scripted(trouble)
    with pytest.raises(Retriable) as caught:
        client(adapter, clock=clock).send("GET", "/orders", write=False)
    problem = caught.value.problem
    assert problem.code == code
    assert problem.message.startswith("commercetools (api.shop.example) ")
    assert words in problem.message
    assert f"tried {len(adapter.requests)} times in 120 s" in problem.message
    assert "\n" not in problem.message and "Error" not in problem.message
    assert "sync.retry_seconds" in problem.hint and "commercetools.api_url" in problem.hint
    assert clock.monotonic() == pytest.approx(120)
    assert 5 <= len(adapter.requests) <= 30


def test_a_minute_of_429_is_waited_out_as_the_server_asks() -> None:
    clock = a_clock()

    def busy_for_a_minute(_: Any) -> Any:
        return GOOD if clock.monotonic() >= 60 else reply(429, headers={"Retry-After": "20"})

    adapter = Scripted(busy_for_a_minute)
    assert client(adapter, clock=clock).send("POST", "/orders", json={}, write=True).status == 200
    assert len(adapter.requests) == 4
    assert clock.monotonic() == 60


def test_a_minute_of_429_without_advice_is_waited_out_too() -> None:
    clock = a_clock()
    adapter = Scripted(lambda _: GOOD if clock.monotonic() >= 60 else reply(429))
    assert client(adapter, clock=clock).send("GET", "/orders", write=False).status == 200
    assert 60 <= clock.monotonic() < 100


def test_retry_after_may_be_a_date_on_the_server_s_own_clock() -> None:
    clock = a_clock()
    headers = {
        "Date": "Sun, 22 Nov 2026 07:00:00 GMT",  # a server whose clock is a day late
        "Retry-After": "Sun, 22 Nov 2026 07:00:42 GMT",
    }
    adapter = Scripted(reply(503, headers=headers), GOOD)
    client(adapter, clock=clock).send("GET", "/orders", write=False)
    assert clock.monotonic() == 42


@pytest.mark.parametrize("value", ["soon", "-5", "", "Sun, 99 Foo 2026", "9" * 400])
def test_advice_that_makes_no_sense_is_ignored(value: str) -> None:
    clock = a_clock()
    adapter = Scripted(reply(503, headers={"Retry-After": value}), GOOD)
    client(adapter, clock=clock).send("GET", "/orders", write=False)
    assert clock.monotonic() < 5


def test_advice_is_capped_by_the_time_that_is_left() -> None:
    clock = a_clock()
    adapter = Scripted(reply(429, headers={"Retry-After": "86400"}))
    with pytest.raises(Retriable):
        client(adapter, clock=clock).send("GET", "/orders", write=False)
    assert clock.monotonic() == 120
    assert len(adapter.requests) == 2


def test_at_once_is_no_advice() -> None:
    adapter = Scripted(reply(429, headers={"Retry-After": "0"}))
    with pytest.raises(Retriable):
        client(adapter).send("GET", "/orders", write=False)
    assert 100 < len(adapter.requests) < 140


def test_nothing_is_tried_again_while_stopping() -> None:
    clock = a_clock()

    def stop(_: Any) -> Any:
        clock.stop()
        return reply(503)

    adapter = Scripted(stop)
    with pytest.raises(Retriable):
        client(adapter, clock=clock).send("GET", "/orders", write=False)
    assert len(adapter.requests) == 1


def test_nothing_is_sent_after_a_stop_came_in_the_middle_of_a_pause() -> None:
    clock = a_clock()
    sleep = clock.sleep

    def sleep_and_stop(seconds: float) -> None:
        sleep(seconds)
        clock.stop()

    clock.sleep = sleep_and_stop  # type: ignore[method-assign]
    adapter = Scripted(reply(503))
    with pytest.raises(Retriable):
        client(adapter, clock=clock).send("GET", "/orders", write=False)
    assert len(adapter.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 405, 410, 413, 414, 422])
@pytest.mark.parametrize("write", [True, False])
def test_a_refusal_is_not_repeated(status: int, write: bool) -> None:
    body = {
        "statusCode": status,
        "message": "Ann Smith's street is wrong\nreally",
        "errors": [{"code": "InvalidField", "field": "x"}, {"code": "RequiredField"}],
    }
    adapter = Scripted(reply(status, body))
    with pytest.raises(RecordRejected) as caught:
        client(adapter).send("POST", "/orders/7", json={}, write=write)
    problem = caught.value.problem
    assert len(adapter.requests) == 1
    assert problem.code == "target-refused"
    assert problem.context["status"] == status
    assert problem.context["remote_code"] == "InvalidField,RequiredField"
    assert problem.context["remote_message"] == "Ann Smith's street is wrong really"
    assert problem.context["correlation_id"] == "orders-7f3a-1"
    assert "Ann" not in str(caught.value)


def test_long_foreign_texts_become_one_line_of_300_characters() -> None:
    body = {"message": "long \x1b[31m\u2028" + "x" * 5_000, "errors": [{"code": "A" * 900}]}
    with pytest.raises(RecordRejected) as caught:
        client(Scripted(reply(400, body))).send("GET", "/p/" + "y" * 900, write=False)
    texts = [value for value in caught.value.problem.context.values() if isinstance(value, str)]
    assert max(map(len, texts)) == 300
    assert all(text.isprintable() for text in texts)


@pytest.mark.parametrize(
    "body", [b"", b"no", b"[]", b'"x"', b'{"errors": {"code": 1}}', b'{"errors": [1, null]}']
)
def test_a_refusal_in_an_unknown_form_is_a_refusal(body: bytes) -> None:
    with pytest.raises(RecordRejected) as caught:
        client(Scripted(reply(400, body))).send("POST", "/x", json={}, write=True)
    assert caught.value.problem.context["status"] == 400


def test_a_version_conflict_is_told_apart_with_the_present_version() -> None:
    body = {
        "statusCode": 409,
        "message": "Expected: 1 - Actual: 3.",
        "errors": [{"code": "ConcurrentModification", "currentVersion": 3}],
    }
    adapter = Scripted(reply(409, body))
    with pytest.raises(VersionConflict) as caught:
        client(adapter).send("POST", "/orders/7", json={}, write=True)
    assert caught.value.problem.context["current_version"] == 3
    assert len(adapter.requests) == 1
    with pytest.raises(VersionConflict) as caught:
        client(Scripted(reply(409, b"?"))).send("POST", "/orders/7", json={}, write=True)
    assert "current_version" not in caught.value.problem.context


def test_an_absent_record_can_be_an_answer() -> None:
    http = client(Scripted(reply(404, {"statusCode": 404})))
    assert http.send("GET", "/orders/7", write=False, absent_ok=True).status == 404


def test_a_missing_permission_stops_the_run() -> None:
    body = {"errors": [{"code": "insufficient_scope"}], "error": "insufficient_scope"}
    with pytest.raises(RunStopped) as caught:
        client(Scripted(reply(403, body))).send("GET", "/orders", write=False)
    assert caught.value.problem.code == "forbidden"
    assert "scopes" in caught.value.problem.hint
    with pytest.raises(RunStopped) as caught:
        client(Scripted(reply(403)), remote="manhattan").send("GET", "/orders", write=False)
    assert "grant" in caught.value.problem.hint


def test_an_api_extension_that_did_not_answer_is_like_a_503() -> None:
    slow = reply(400, {"message": "…", "errors": [{"code": "ExtensionNoResponse"}]})
    assert client(Scripted(slow, GOOD)).send("GET", "/orders", write=False).status == 200
    with pytest.raises(OutcomeUnknown) as caught:
        client(Scripted(slow)).send("POST", "/orders", json={}, write=True)
    assert caught.value.problem.context["status"] == 503
    assert caught.value.problem.context["remote_code"] == "ExtensionNoResponse"


@pytest.mark.parametrize("code", ["ContentTooLarge", "QueryTimedOut"])
@pytest.mark.parametrize("status", [400, 413, 503, 504])
def test_a_read_that_asks_too_much_is_raised_at_once_and_recognisable(code: str, status: int) -> None:
    adapter = Scripted(reply(status, {"errors": [{"code": code}]}))
    with pytest.raises(RecordRejected) as caught:
        client(adapter).send("GET", "/orders", write=False)
    assert caught.value.problem.context["remote_code"] == code
    assert len(adapter.requests) == 1


def test_a_body_that_is_too_long_is_named() -> None:
    http = client(Scripted(reply(200, b'{"a":"' + b"x" * 3_000_000 + b'"}')), answer_max_bytes=2_000_000)
    with pytest.raises(Retriable) as caught:
        http.send("GET", "/orders", write=False)
    assert caught.value.problem.code == "answer-too-long"
    assert "more than 2 MB" in caught.value.problem.message


def test_a_caller_that_will_ask_for_less_is_told_at_once() -> None:
    adapter = Scripted(reply(200, b'{"a":"' + b"x" * 3_000_000 + b'"}'))
    http = client(adapter, answer_max_bytes=2_000_000)
    with pytest.raises(Retriable):
        http.send("GET", "/orders", write=False, not_again={"answer-too-long"})
    assert len(adapter.requests) == 1


def test_an_answer_that_comes_too_slowly_is_given_up() -> None:
    clock = a_clock()

    class Slow(Scripted):
        def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
            response = super().send(request, **kwargs)
            read1 = response.raw.read1

            def slowly(amount: int, decode_content: bool = True) -> bytes:
                clock.advance(5)
                return bytes(read1(1, decode_content=decode_content))

            response.raw.read1 = slowly
            return response

    with pytest.raises(OutcomeUnknown) as caught:
        client(Slow(GOOD), clock=clock).send("POST", "/orders", json={}, write=True)
    assert caught.value.problem.code == "timeout"
    assert "did not finish its answer within 30 s" in caught.value.problem.message
    assert clock.monotonic() == 35


def test_amounts_are_exact_and_nan_is_no_json() -> None:
    answer = client(Scripted(reply(200, b'{"rate": 0.1, "n": 7, "big": 1e2}'))).send("GET", "/x", write=False)
    assert repr(answer.json["rate"]) == "Decimal('0.1')"
    assert answer.json["n"] == 7
    for body in (
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"[" * 100_000,
        b'{"a":' + b"1" * 5_000 + b"}",
        b"\xff\xfe",
    ):
        with pytest.raises(Retriable) as caught:
            client(Scripted(reply(200, body))).send("GET", "/x", write=False)
        assert caught.value.problem.code == "not-json"


def test_an_answer_of_another_kind_counts_as_no_json() -> None:
    adapter = Scripted(reply(200, {"other": 1}), GOOD)
    answer = client(adapter).send("GET", "/x", write=False, check=lambda body: "ok" in body)
    assert answer.json == {"ok": True}


def test_a_write_may_be_answered_without_content_and_a_read_may_not() -> None:
    assert client(Scripted(reply(204, b""))).send("POST", "/x", json={}, write=True).json is None
    with pytest.raises(Retriable):
        client(Scripted(reply(204, b""))).send("GET", "/x", write=False)


def test_every_attempt_is_counted_budgeted_and_has_its_own_id() -> None:
    asked = []
    adapter = Scripted(reply(503), reply(503), GOOD)
    http = client(adapter, on_request=lambda: asked.append(1))
    http.send("GET", "/x", write=False)
    http.correlation_prefix = "status-0001"
    http.send("GET", "/x", write=False)
    ids = [request.headers["X-Correlation-ID"] for request in adapter.requests]
    assert ids == ["orders-7f3a-1", "orders-7f3a-2", "orders-7f3a-3", "status-0001-4"]
    assert http.requests_sent == len(asked) == 4


def test_a_spent_budget_ends_the_request_before_it_is_sent() -> None:
    class Spent(Exception):
        pass

    def refuse() -> None:
        raise Spent

    adapter = Scripted(GOOD)
    http = client(adapter, on_request=refuse)
    with pytest.raises(Spent):
        http.send("GET", "/x", write=False)
    assert adapter.requests == [] and http.requests_sent == 0


def test_slots_are_given_back_whatever_happens() -> None:
    adapter = Scripted(reply(500), reply(400), RESET, GOOD)
    http = client(adapter, workers=1)
    for error in (OutcomeUnknown, RecordRejected, OutcomeUnknown):
        with pytest.raises(error):
            http.send("POST", "/x", json={}, write=True)
    done = threading.Thread(target=http.send, args=("GET", "/x"), kwargs={"write": False}, daemon=True)
    done.start()
    done.join(5)
    assert not done.is_alive()


def test_pauses_differ_between_clients_and_repeat_by_seed() -> None:
    def pauses(seed: int) -> float:
        clock = a_clock()
        client(Scripted(reply(500), reply(502), GOOD), clock=clock, rng=random.Random(seed)).send(
            "GET", "/x", write=False
        )
        return clock.monotonic()

    assert pauses(1) == pauses(1) != pauses(2)
