"""After a day of everything that can go wrong: no secret and no personal data anywhere but in MAO."""

from __future__ import annotations

from typing import Any

from cli_world import World
from independent_manhattan import envelope
from independent_servers import Call, Reply
from shop_orders import PERSON, order, uid


def _echo(call: Call) -> Reply:
    """A server that repeats what it was sent, in every spelling, as real ones do."""
    text = f"rejected value {call.body} for {PERSON['firstName'].upper()} {PERSON['lastName']}"
    text += f" token {call.headers.get('Authorization')}"
    return Reply(400, envelope(success=False, data=None, code="ord::10999", text=text))


def _echo_500(call: Call) -> Reply:
    return Reply(500, {"message": f"NullPointer at {call.body} {dict(call.headers)}"})


def _echo_shop(call: Call) -> Reply:
    text = f"cannot apply {call.body} for {PERSON['email']} {PERSON['phone'].replace(' ', '')}"
    return Reply(
        400, {"statusCode": 400, "message": text, "errors": [{"code": "InvalidInput", "message": text}]}
    )


def _of(number: str, reply: Any) -> Any:
    return lambda call: reply(call) if call.body.get("OrderId") == number else None


def test_no_secret_and_no_personal_data_is_kept_or_shown(world: World) -> None:
    world.configure(orders__extended={"Greeting": "custom.fields.greeting"})
    for number in range(1, 9):
        found = order(f"CT-{number}")
        found["custom"] = {"type": {"typeId": "type", "id": "t"}, "fields": {"greeting": "Dear Zanderbrück!"}}
        world.shop.put(found)
    world.shop.orders[uid("CT-2")]["shippingInfo"]["shippingMethodName"] = "Drone"
    world.shop.orders[uid("CT-3")]["shippingAddress"]["country"] = {"Zanderbrück": 1}
    world.shop.orders[uid("CT-4")]["totalPrice"]["centAmount"] += 1
    world.shop.orders[uid("CT-8")]["orderNumber"] = "CT 8"
    world.mao.server.on("POST", "/save", _of("CT-5", _echo))
    world.mao.server.on("POST", "/save", _of("CT-6", _echo_500))
    world.shop.server.on("POST", f"/orders/{uid('CT-7')}", _echo_shop)

    for arguments in (["--dry-run", "-vv"], ["-vv"], ["-vv", "--log-format", "json"], ["--json", "-vv"]):
        assert world.sync(*arguments).code in (0, 3)
    letters = world.letters()
    expected = {"CT-2", "CT-3", "CT-4", "CT-5", "CT-6", "CT-7", "CT 8"}
    assert {letter["label"] for letter in letters} == expected
    for letter in letters:
        assert world.run("errors", "show", str(letter["id"])).code == 0
        assert world.run("errors", "show", str(letter["id"]), "--json").code == 0

    changed = world.shop.orders[uid("CT-1")]
    changed["shippingAddress"]["streetName"] = "Kirschblütengasse"
    world.mao.orders["CT-1"]["OrderLine"][0]["ShipToAddress"]["Address"]["Address1"] = "Zanderbrückweg 3"
    world.shop.put(changed)
    assert world.sync("-vv").code == 3
    assert world.run("replay-errors", "-vv").code == 3
    world.mao.tokens = {"mao-token-9"}
    world.mao.server.on(
        "POST", "/oauth/token", Reply(401, {"error": "unauthorized", "x": world.env["MAO_PASSWORD"]})
    )
    world.shop.put(order("CT-10"))
    assert world.sync("-vv").code == 5

    assert len(world.everything) > 5000
    assert not world.leaks(world.everything)
    files = [path for path in world.folder.iterdir() if path.name.startswith("state")]
    assert files
    for path in files:
        assert not world.leaks(path.read_bytes().decode("utf-8", "ignore")), path.name
        assert not world.leaks(path.read_bytes().decode("latin-1")), path.name
    tokens = [path for path in world.folder.iterdir() if path.name.startswith("token-")]
    assert tokens and all(path.stat().st_mode & 0o777 == 0o600 for path in tokens)
    secrets = (world.shop.SECRET, world.mao.SECRET, world.mao.PASSWORD)
    assert not any(secret in path.read_text() for path in tokens for secret in secrets)
    assert "Zanderbrück" in str(world.mao.orders["CT-1"])
