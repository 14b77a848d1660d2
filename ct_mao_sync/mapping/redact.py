"""Takes personal data and secrets out of text and payloads. Pure.

A remote's error text may echo what we sent, in any spelling: as it is, escaped for JSON, encoded for an
address, in other letter case, with a telephone number's blanks gone. All of these are found.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

TEXT_LENGTH_MAX = 500
SECRET_MASK = "[secret]"
EMAIL_MASK = "[email]"

# A page of HTML may come as an error; what is beyond this can never be among the first 500 characters
# unless almost everything before it was a secret.
_LOOKED_AT_MAX = 20_000
_SHORT = 3

_EMAIL = re.compile(
    r"[\w.!#$&'*+/=?^`{|}~-]{1,64}(?:@|%40|\\u0040|&#64;)[\w-]{1,63}(?:\.[\w-]{1,63})+", re.IGNORECASE
)
_CREDENTIALS = (
    (
        re.compile(r"\b(bearer|basic)(\s+|%20|\+)(?=\S*\d|\S{16})[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE),
        r"\1 " + SECRET_MASK,
    ),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"), SECRET_MASK),
    (
        re.compile(
            r"\b(access_token|refresh_token|id_token|client_secret|password)"
            r"(\\?[\"']?\s*[:=]\s*\\?[\"']?)(?!\[)[^\s\"'\\&,;}]+",
            re.IGNORECASE,
        ),
        r"\1\2" + SECRET_MASK,
    ),
)
_ESCAPED_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def redact(text: str, personal: Mapping[str, str], secrets: Iterable[str]) -> str:
    """The text without personal values (value -> mask such as "[name]"), secrets, anything that looks like
    an e-mail address or a token; one line of at most 500 characters, control characters escaped.

    Values of one or two characters are masked only where they stand as a word of their own."""
    masks = _masks(personal, secrets)
    longest = max((len(value) for value in masks), default=0)
    cut = len(text) > _LOOKED_AT_MAX
    if cut:
        text = text[: _LOOKED_AT_MAX + 6 * longest]
    text = _replacing(masks, whole_words=False)(text)
    for pattern, mask in _CREDENTIALS:
        text = pattern.sub(mask, text)
    if cut and len(text) <= TEXT_LENGTH_MAX:
        # The cut may have gone through a value; its beginning would not have been recognised.
        text = text[: max(0, len(text) - 6 * longest)] + "…"
    return _limited(_one_line(text))


def mask_payload(payload: Any, personal: Mapping[str, str]) -> Any:
    """A copy in which texts that are or contain personal values (as words) are masked, for `--dry-run`.
    Numbers, ids and names of fields stay."""
    replace = _replacing(_masks(personal, ()), whole_words=True)
    whole = {_folded(value): mask for value, mask in personal.items() if value.strip()}

    def masked(value: Any) -> Any:
        if isinstance(value, str):
            if _folded(value) in whole:
                return whole[_folded(value)]
            return replace(value)
        if isinstance(value, Mapping):
            return {key: masked(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [masked(inner) for inner in value]
        return value

    return masked(payload)


def _folded(value: str) -> str:
    return unicodedata.normalize("NFC", value).strip().casefold()


def _masks(personal: Mapping[str, str], secrets: Iterable[str]) -> dict[str, str]:
    """Value -> mask; a value that is a secret too is shown as one."""
    masks = {value.strip(): mask for value, mask in personal.items()}
    masks.update((value.strip(), SECRET_MASK) for value in secrets)
    masks.pop("", None)
    return masks


def _replacing(masks: Mapping[str, str], whole_words: bool) -> Callable[[str], str]:
    """One pass over the text, the longest form first, so that no mask is ever masked again. Anything that
    looks like an e-mail address goes as a whole, also where a name is part of it."""
    forms: dict[str, tuple[str, int]] = {}
    for value, mask in masks.items():
        if whole_words and len(value) < _SHORT:
            continue
        for form in _forms(value):
            known = forms.get(form)
            if known is None or mask == SECRET_MASK:
                forms[form] = (mask, len(value))
    ordered = sorted(forms.items(), key=lambda item: (-len(item[0]), item[0]))
    patterns: list[str] = []
    after_addresses: list[str] = []
    for number, (form, (_, length)) in enumerate(ordered):
        pattern = _pattern(form)
        if whole_words or length < _SHORT:
            pattern = rf"(?<!\w){pattern}(?!\w)"
        begins_with_address = _EMAIL.match(form) is not None
        (patterns if begins_with_address else after_addresses).append(f"(?P<g{number}>{pattern})")
    patterns += [_EMAIL.pattern, *after_addresses]
    compiled = re.compile("|".join(patterns), re.IGNORECASE)
    replacements = [mask for _, (mask, _) in ordered]

    def replace(match: re.Match[str]) -> str:
        group = match.lastgroup
        return replacements[int(group[1:])] if group else EMAIL_MASK

    return lambda text: compiled.sub(replace, text)


def _forms(value: str) -> set[str]:
    forms: set[str] = set()
    for spelling in {value, unicodedata.normalize("NFC", value), unicodedata.normalize("NFD", value)}:
        encodable = spelling.encode("utf-8", "replace").decode("utf-8")
        forms |= {
            spelling,
            json.dumps(spelling)[1:-1],
            json.dumps(spelling, ensure_ascii=False)[1:-1],
            quote(encodable, safe=""),
            quote(encodable),
            quote_plus(encodable),
            html.escape(spelling),
            html.escape(spelling, quote=False),
        }
    # Escaped twice: our JSON inside a text of their JSON.
    forms |= {json.dumps(form)[1:-1] for form in tuple(forms)}
    return {form for form in forms if form}


_TELEPHONE = re.compile(r"[\d\s()+./-]+\Z")


def _pattern(form: str) -> str:
    digits = re.sub(r"\D", "", form)
    if len(digits) >= 7 and _TELEPHONE.match(form):
        return r"[\s()./-]*".join(digits)
    return r"\s+".join(re.escape(part) for part in form.split())


def _one_line(text: str) -> str:
    text = re.sub(r"[ \t\r\n]+", lambda blank: blank[0] if blank[0].strip(" ") == "" else " ", text)
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in _ESCAPED_CATEGORIES
        else character
        for character in text
    ).strip()


def _limited(text: str) -> str:
    return text if len(text) <= TEXT_LENGTH_MAX else text[: TEXT_LENGTH_MAX - 1] + "…"
