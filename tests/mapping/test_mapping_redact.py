"""No secret and no personal data reaches a log, an error or a dead letter."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import quote, quote_plus

import pytest
from growth import assert_linear
from hypothesis import given
from hypothesis import strategies as st

from ct_mao_sync.mapping.redact import mask_payload, redact

PERSONAL = {
    "Zoë Müller-Lüdenscheidt": "[name]",
    "Zoë": "[name]",
    "zoe@example.org": "[email]",
    "12 O'Connell & Sons Street": "[street]",
    "+49 (170) 123-4567": "[phone]",
}
SECRETS = ["s3cr#t/with+odd=chars", "pass word"]


def as_it_is(value: str) -> str:
    return value


def as_json(value: str) -> str:
    return json.dumps(value)


def as_json_in_json(value: str) -> str:
    return json.dumps(json.dumps({"echo": value}))


def as_unicode_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize(
    "spelling",
    [
        as_it_is,
        as_json,
        as_json_in_json,
        as_unicode_json,
        quote,
        quote_plus,
        lambda value: quote(value, safe=""),
        lambda value: quote(value, safe="").lower(),
        html.escape,
        str.upper,
        str.lower,
        lambda value: value.replace(" ", "\n  "),
    ],
)
@pytest.mark.parametrize("value", [*PERSONAL, *SECRETS])
def test_a_value_is_found_in_every_spelling(value: str, spelling: Callable[[str], str]) -> None:
    mask = PERSONAL.get(value, "[secret]")

    told = redact(f"before {spelling(value)} after", PERSONAL, SECRETS)

    assert mask in told
    assert told.replace(mask, "").replace('\\"', "").strip('{}" ').startswith("before")
    for piece in ("ller-L", "Connell", "zoe@", "4567", "s3cr", "odd", "pass"):
        assert piece.lower() not in told.lower()


def test_the_longest_value_wins_and_masks_are_not_masked_again() -> None:
    personal = {"Ann Lee": "[name]", "Ann": "[first name]", "name": "[oops]"}

    assert redact("Ann Lee and Ann", personal, []) == "[name] and [first name]"


def test_short_values_are_masked_only_as_words() -> None:
    assert (
        redact("NY: Tony was in NY, any day", {"NY": "[state]"}, [])
        == "[state]: Tony was in [state], any day"
    )


def test_longer_values_are_masked_inside_words_too() -> None:
    assert "mueller" not in redact("ORDER-muellerstrasse", {"Mueller": "[name]"}, [])


@pytest.mark.parametrize(
    "spelled", ["+491701234567", "+49 170 123 4567", "49-170-123.4567", "(49)1701234567"]
)
def test_a_telephone_number_is_found_whatever_stands_between_its_digits(spelled: str) -> None:
    assert "4567" not in redact(f"call {spelled} now", PERSONAL, [])


def test_a_value_that_is_personal_and_secret_is_a_secret() -> None:
    assert redact("x hunter22 y", {"hunter22": "[name]"}, ["hunter22"]) == "x [secret] y"


def test_mail_addresses_are_masked_though_nobody_named_them() -> None:
    told = redact("bad: some.one+x@mail.example.com, other%40example.org", {}, [])

    assert told == "bad: [email], [email]"


def test_an_address_goes_as_a_whole_and_takes_nothing_else_of_a_value_with_it() -> None:
    personal = {"Ann": "[name]", "Bo Lee <bo@x.org>": "[contact]", "cy@x.org, 5 Main St": "[contact]"}

    told = redact("ann.lee@x.org / Bo Lee <bo@x.org> / cy@x.org, 5 Main St", personal, [])

    assert told == "[email] / [contact] / [contact]"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abc123DEF456",
        "authorization: bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln here",
        "Authorization: Basic " + base64.b64encode(b"client:abc123DEF456").decode(),
        '{"access_token": "abc123DEF456", "x": 1}',
        '{\\"access_token\\":\\"abc123DEF456\\"}',
        "grant_type=password&password=abc123DEF456&x=1",
        "client_secret=abc123DEF456",
    ],
)
def test_what_looks_like_a_credential_is_masked_though_nobody_named_it(text: str) -> None:
    told = redact(text, {}, [])

    assert "[secret]" in told
    for piece in ("abc123DEF456", "eyJ", "Y2xpZW50", "c2ln"):
        assert piece not in told


@pytest.mark.parametrize("text", ["basic authentication failed", "the password is wrong", "no bearer token"])
def test_ordinary_words_about_credentials_stay(text: str) -> None:
    assert redact(text, {}, []) == text


def test_the_text_is_one_line_without_control_characters() -> None:
    told = redact("a\r\n\tb\x1b[31mc\x00d\u202ee\u2028f\ud800", {}, [])

    assert told == "a b\\x1b[31mc\\x00d\\u202ee\\u2028f\\ud800"
    assert told.isprintable()


def test_the_text_is_limited_also_when_it_is_huge() -> None:
    told = redact("x" * 5_000_000, {"Ann": "[name]"}, ["secret"])

    assert len(told) == 500
    assert told.endswith("…")


@pytest.mark.parametrize("text", [" ", "a", "@", ".", "\\", "password", "Bearer ", "1-", "a@", "a."])
def test_no_text_takes_long(text: str) -> None:
    """A remote decides what its error says; the time must grow with the length, not with its square."""
    assert_linear(lambda times: redact(text * times, PERSONAL, SECRETS), 25_000)


def test_a_value_cut_by_the_limit_does_not_leave_its_beginning() -> None:
    long_value = "Bartholomew " * 900

    told = redact(long_value * 4, {long_value.strip(): "[name]"}, [])

    assert "Bart" not in told


@given(
    st.dictionaries(st.text(min_size=3, max_size=12), st.just("[m]"), max_size=4),
    st.text(max_size=40),
    st.text(max_size=40),
)
def test_no_named_value_is_ever_left(personal: dict[str, str], before: str, after: str) -> None:
    for value in personal:
        stripped = value.strip()
        if len(stripped) < 3 or stripped in "[m] [email] [secret]":
            continue
        told = redact(before + value + after, personal, [])

        assert stripped not in told.replace("[m]", "").replace("[email]", "") or stripped in before + after


# --- payloads --------------------------------------------------------------------------------------


def test_a_payload_is_copied_with_its_personal_texts_masked() -> None:
    payload = {
        "OrderId": "100045",
        "Quantity": 1,
        "Total": Decimal("10.50"),
        "Lines": [{"Note": "for Ann, quickly", "Gift": None, "Sent": True}],
        "Address": {"FirstName": "ANN", "House": "1", "Mail": "ann@x.org", "City": "Cannes", "State": "NY"},
    }
    personal = {"Ann": "[name]", "1": "[street]", "NY": "[state]", "100": "[street]"}

    masked = mask_payload(payload, personal)

    assert masked == {
        "OrderId": "100045",
        "Quantity": 1,
        "Total": Decimal("10.50"),
        "Lines": [{"Note": "for [name], quickly", "Gift": None, "Sent": True}],
        "Address": {
            "FirstName": "[name]",
            "House": "[street]",
            "Mail": "[email]",
            "City": "Cannes",
            "State": "[state]",
        },
    }
    assert payload["Lines"][0]["Note"] == "for Ann, quickly"  # type: ignore[index]
    assert masked["Lines"] is not payload["Lines"]
