"""The fault schedule: by seed, aimed, before and after the effect."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from sandbox_wire import FLAGS, ORDER, Mao, an_order, an_update, text_of

from ct_mao_sync.sandbox.admin import aimed_at, change_order
from ct_mao_sync.sandbox.core import COMMERCETOOLS, MANHATTAN, ManualClock, Request, Response, Sandbox
from ct_mao_sync.sandbox.faults import KINDS, Faults

SAVES = aimed_at(service=MANHATTAN, path="/order/save")


def _kinds(spec: str, count: int = 2000) -> Counter[str]:
    faults = Faults.parse(spec)
    request = Request(MANHATTAN, "POST", f"{ORDER}/save", (), {}, b"")
    return Counter(faults.choose(request) for _ in range(count))


def test_a_specification_gives_rates_numbers_and_seed() -> None:
    faults = Faults.parse(
        "429=0.05, 500-after=0.02,manhattan:lost-after=0.01,retry-after=3,slow-s=0.2,seed=7"
    )

    assert faults.rates == {"429": 0.05, "500-after": 0.02, "manhattan:lost-after": 0.01}
    assert (faults.retry_after_s, faults.slow_s, faults.seed) == (3, 0.2, 7)


@pytest.mark.parametrize("spec", ["430=0.1", "429", "429=often", "429=1.5", "shopify:429=0.1"])
def test_a_specification_that_makes_no_sense_is_an_error(spec: str) -> None:
    with pytest.raises(ValueError, match=r"fault|rate"):
        Faults.parse(spec)


def test_an_empty_specification_is_a_quiet_one() -> None:
    assert _kinds("") == {"": 2000}


def test_kinds_strike_at_about_their_rates() -> None:
    kinds = _kinds("429=0.1,500-after=0.3,seed=1")

    assert 150 < kinds["429"] < 250
    assert 500 < kinds["500-after"] < 700


def test_the_same_seed_strikes_the_same_requests() -> None:
    assert _kinds("429=0.3,seed=5", 50) == _kinds("429=0.3,seed=5", 50)


def test_a_fault_of_one_service_leaves_the_other_alone() -> None:
    assert _kinds("commercetools:503=1") == {"": 2000}


@pytest.mark.parametrize(
    "kind", ["500", "503", "429", "lost-before", "hang", "connect-refused", "403", "401"]
)
def test_a_fault_before_the_effect_leaves_nothing_behind(kind: str) -> None:
    mao = Mao()
    mao.sandbox.faults.once(SAVES, kind)

    mao.save(an_order())

    assert mao.sandbox.world.mao.orders == {}


@pytest.mark.parametrize(
    "kind", ["500-after", "503-after", "lost-after", "hang-after", "not-json", "endless", "truncated", "drip"]
)
def test_a_fault_after_the_effect_leaves_the_effect(kind: str) -> None:
    mao = Mao()
    mao.sandbox.faults.once(SAVES, kind)

    mao.save(an_order())

    assert list(mao.sandbox.world.mao.orders) == ["CT-1"]


def test_too_many_requests_say_when_to_come_back() -> None:
    mao = Mao(Faults(retry_after_s=7))
    mao.sandbox.faults.once(SAVES, "429")

    answer = mao.save(an_order())

    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    assert text_of(answer).startswith("error.429")


def test_once_is_once_and_always_is_until_stopped() -> None:
    mao = Mao()
    faults = mao.sandbox.faults
    faults.once(SAVES, "503")
    rule = faults.always(aimed_at(body='"CT-2"'), "500")

    first = [mao.save(an_order()).status for _ in range(2)]
    second = [mao.save(an_order(OrderId="CT-2")).status for _ in range(3)]
    rule.stop()

    assert (first, second) == ([503, 200], [500, 500, 500])
    assert mao.save(an_order(OrderId="CT-2")).status == 200
    assert rule.hits == 3
    assert faults.hits == {"503": 1, "500": 3}


def test_quiet_ends_everything() -> None:
    mao = Mao()
    mao.sandbox.use_faults(Faults.parse("500=1,skew-manhattan=60"))
    mao.sandbox.faults.always(SAVES, "429")

    mao.sandbox.faults.quiet()

    assert mao.save(an_order()).status == 200
    assert mao.sandbox.world.now(MANHATTAN) == mao.clock.now()


def test_an_expired_token_is_really_gone_and_a_new_one_works() -> None:
    mao = Mao()
    mao.sandbox.faults.once(SAVES, "401")

    statuses = [mao.save(an_order()).status for _ in range(2)]
    mao.token = mao.log_in()["access_token"]

    assert statuses == [401, 401]
    assert mao.save(an_order()).status == 200


def test_a_search_may_return_one_row_twice() -> None:
    mao = Mao()
    mao.saved(an_order())
    mao.saved(an_order(OrderId="CT-2"))
    mao.sandbox.faults.once(aimed_at(path="/search"), "duplicate")

    assert mao.found() == ["CT-1", "CT-2", "CT-1"]
    assert mao.found() == ["CT-1", "CT-2"]


def test_a_stale_replica_shows_the_revision_before() -> None:
    mao = Mao(Faults(stale_s=5))
    mao.saved(an_order(OrderLocale="de"))
    mao.clock.advance(60)
    mao.saved(an_update(OrderLocale="fr"))
    mao.saved(an_order(OrderId="CT-2", OrderActions=FLAGS))
    mao.sandbox.faults.always(lambda request: request.method == "GET" or "/search" in request.path, "stale")

    assert mao.get()["OrderLocale"] == "de"
    assert [row["OrderLocale"] for row in mao.search("")["data"]] == ["de"]
    mao.clock.advance(6)
    assert mao.get()["OrderLocale"] == "fr"
    assert mao.found() == ["CT-1", "CT-2"]


def test_a_409_storm_moves_the_version_on_as_somebody_else_would() -> None:
    sandbox = Sandbox(clock=ManualClock())
    order = {"id": "o1", "version": 3, "orderNumber": "1", "lastModifiedAt": ""}
    sandbox.world.ct.orders["o1"] = order
    sandbox.faults.always(lambda request: True, "409")
    seen: list[int] = []

    def answer(request: Request) -> Response:
        seen.append(order["version"])  # type: ignore[arg-type]
        return Response(409, {}, b"{}")

    request = Request(COMMERCETOOLS, "POST", "/p/orders/o1", (), {}, b'{"version":3}')
    sandbox.faults.handle(request, sandbox.world, answer)

    assert seen == [4]
    assert order["lastModifiedAt"] == "2026-11-23T09:00:00.000Z"


def test_an_order_can_be_changed_as_a_customer_would() -> None:
    sandbox = Sandbox(clock=ManualClock())
    sandbox.world.ct.orders["o1"] = {"id": "o1", "version": 3, "orderNumber": "A-1", "a": {"b": 1, "c": 2}}

    order = change_order(sandbox, "A-1", {"a": {"b": None, "d": 3}, "orderState": "Confirmed"})

    assert (order["a"], order["orderState"], order["version"]) == ({"c": 2, "d": 3}, "Confirmed", 4)


def test_an_answer_without_a_date_can_be_had() -> None:
    mao = Mao()
    mao.sandbox.faults.once(SAVES, "no-date")

    assert mao.save(an_order()).headers["Date"] == ""


def test_a_good_status_may_hide_a_failure() -> None:
    mao = Mao()
    mao.saved(an_order())
    mao.sandbox.faults.once(SAVES, "failure-inside")

    answer = mao.save(an_update(OrderLocale="de"))

    document = json.loads(answer.body)
    assert (answer.status, document["success"]) == (200, True)
    assert document["data"]["Messages"]["Message"][0]["Description"] == "Failure"
    assert "OrderLocale" not in mao.get()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_strike_every_request_without_breaking_the_sandbox(kind: str) -> None:
    mao = Mao()
    mao.saved(an_order())
    mao.sandbox.faults.always(lambda request: True, kind)

    answers = [
        mao.save(an_update(OrderLocale="de")),
        mao.ask("GET", f"{ORDER}/orderId/CT-1"),
        mao.ask("POST", f"{ORDER}/search", {"Query": "OrderId = 'CT-9'"}),
    ]

    for answer in answers:
        if answer.status >= 400:
            assert json.loads(answer.body)["success"] is False
