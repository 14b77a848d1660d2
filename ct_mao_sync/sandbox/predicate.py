"""commercetools query predicates (`where`): parsed once, evaluated on JSON documents.

    where   := and { "or" and }            and := not { "and" not }        not := ["not"] factor
    factor  := "(" where ")" | field comparison
    comparison := = != <> < > <= >= value | [not] in (values) | contains all|any (values)
                | is [not] defined | is [not] empty
                | "(" where ")"                         (of an object, or of any element of an array)

Fields are checked against the resource's tree of fields (`predicate_fields`); a field that does not exist is
an error, as on the platform. Input variables `:name` take `var.name`. Moments are compared as moments in any
ISO form; ids by the order the platform stores them in, which is not their order as text
(commercetools docs: predicates/query).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from .predicate_fields import ANY, Fields, Kind

Test = Callable[[Any], bool]


class PredicateError(Exception):
    """A predicate the platform would refuse with 400 InvalidInput; the text is the reason."""


@lru_cache(maxsize=200_000)
def id_order(id: str) -> bytes:
    """Sort key of an id: binary UUIDs in another byte order, so that text comparison misleads."""
    try:
        raw = bytes.fromhex(id.replace("-", ""))
    except ValueError:
        raw = id.encode()
    return raw[::-1]


@lru_cache(maxsize=200_000)
def parse_moment(text: str) -> datetime | None:
    """An ISO moment or date as aware UTC; None when it is neither."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<number>-?\d+(?:\.\d+)?(?![\w-]))
    | (?P<variable>:[A-Za-z_]\w*)
    | (?P<escaped>`[^`]+`)
    | (?P<word>[A-Za-z_][\w-]*)
    | (?P<symbol><>|!=|<=|>=|[=<>(),])
    )""",
    re.VERBOSE,
)
_COMPARISONS = {"=", "!=", "<>", "<", ">", "<=", ">="}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Predicate:
    """A compiled predicate. `after_id` is a lower bound `id > "…"` that every match obeys ("" = none);
    `among` a field and the only values of it that a match can have.
    """

    matches: Test
    after_id: str = ""
    among: tuple[str, frozenset[Any]] | None = None


def parse_predicate(
    text: str, fields: Mapping[str, Kind], variables: Mapping[str, Sequence[str]]
) -> Predicate:
    """Compile a predicate over documents with these fields.

    `variables` are the input variables: name without "var." -> the values given, in order.
    Raises PredicateError for bad syntax, an unknown field, a missing variable or a value of the wrong kind.
    """
    parser = _Parser(text, variables)
    test = parser.parse(fields)
    return Predicate(test, parser.after_id, parser.among)


class _Parser:
    def __init__(self, text: str, variables: Mapping[str, Sequence[str]]) -> None:
        self.text = text
        self.variables = variables
        self.tokens = _tokens(text)
        self.at = 0
        self.after_id = ""
        self.among: tuple[str, frozenset[Any]] | None = None
        self.depth = 0  # inside a nested object: no bound on the document's id may be taken
        self.is_conjunction = True

    def parse(self, fields: Mapping[str, Kind]) -> Test:
        if not self.tokens:
            raise PredicateError("Syntax error: the predicate is empty.")
        test = self._or(fields)
        if self.at < len(self.tokens):
            raise self._unexpected("end of input")
        if not self.is_conjunction:
            self.after_id, self.among = "", None
        return test

    # ── grammar ──

    def _or(self, fields: Mapping[str, Kind]) -> Test:
        tests = [self._and(fields)]
        while self._take_word("or"):
            tests.append(self._and(fields))
        if len(tests) == 1:
            return tests[0]
        self.is_conjunction = False
        return lambda value: any(test(value) for test in tests)

    def _and(self, fields: Mapping[str, Kind]) -> Test:
        tests = [self._not(fields)]
        while self._take_word("and"):
            tests.append(self._not(fields))
        if len(tests) == 1:
            return tests[0]
        return lambda value: all(test(value) for test in tests)

    def _not(self, fields: Mapping[str, Kind]) -> Test:
        if self._take_word("not"):
            self.is_conjunction = False
            test = self._not(fields)
            return lambda value: not test(value)
        if self._take_symbol("("):
            test = self._or(fields)
            self._expect_symbol(")")
            return test
        return self._comparison(fields)

    def _comparison(self, fields: Mapping[str, Kind]) -> Test:
        token = self._next("a field name")
        if token.kind not in ("word", "escaped"):
            raise self._unexpected("a field name", token)
        name = token.text.strip("`")
        kind = fields.get(name, fields.get("*"))
        if kind is None:
            raise PredicateError(f"The field '{name}' does not exist.")
        if self._take_symbol("("):
            return self._nested(name, kind)
        following = self._next("an operator")
        word = following.text.lower() if following.kind == "word" else ""
        if following.kind == "symbol" and following.text in _COMPARISONS:
            return self._compare(name, kind, following.text)
        if word == "in":
            values = self._values(kind, name)
            if not self.depth:
                self.among = self.among or (name, values)
            return _any_of(name, kind, values)
        if word == "not" and self._take_word("in"):
            inside = _any_of(name, kind, self._values(kind, name))
            return lambda document: not inside(document)
        if word == "contains":
            return self._contains(name, kind)
        if word == "is":
            return self._is(name)
        raise self._unexpected("an operator", following)

    def _nested(self, name: str, kind: Kind) -> Test:
        if not isinstance(kind, Mapping):
            raise PredicateError(f"The field '{name}' has no fields of its own.")
        self.depth += 1
        inner = self._or(kind)
        self.depth -= 1
        self._expect_symbol(")")

        def test(document: Any) -> bool:
            value = document.get(name) if isinstance(document, dict) else None
            if isinstance(value, list):
                return any(inner(element) for element in value)
            return isinstance(value, dict) and inner(value)

        return test

    def _compare(self, name: str, kind: Kind, operator: str) -> Test:
        literal = self._literal(kind, name)
        if kind == "id" and name == "id" and operator in (">", ">=") and not self.depth and not self.after_id:
            self.after_id = str(literal) if operator == ">" else ""
        if operator == "=" and not self.depth:
            self.among = self.among or (name, frozenset([_comparable(literal, kind)]))
        return _comparing(name, kind, operator, _comparable(literal, kind))

    def _contains(self, name: str, kind: Kind) -> Test:
        token = self._next("'all' or 'any'")
        quantifier = {"all": all, "any": any}.get(token.text.lower())
        if quantifier is None:
            raise self._unexpected("'all' or 'any'", token)
        wanted = self._values(kind, name)

        def test(document: Any) -> bool:
            value = document.get(name) if isinstance(document, dict) else None
            if not isinstance(value, list):
                return False
            held = {_comparable(element, kind) for element in value if not isinstance(element, (dict, list))}
            return quantifier(each in held for each in wanted)

        return test

    def _is(self, name: str) -> Test:
        negated = self._take_word("not")
        token = self._next("'defined' or 'empty'")
        word = token.text.lower()
        if word not in ("defined", "empty"):
            raise self._unexpected("'defined' or 'empty'", token)

        def defined(document: Any) -> bool:
            return isinstance(document, dict) and document.get(name) is not None

        def empty(document: Any) -> bool:
            return not (isinstance(document, dict) and document.get(name))

        test = defined if word == "defined" else empty
        return (lambda document: not test(document)) if negated else test

    # ── values ──

    def _values(self, kind: Kind, name: str) -> frozenset[Any]:
        if self.at < len(self.tokens) and self.tokens[self.at].kind == "variable":
            given = self._variable(self._next("a value"))
            return frozenset(_comparable(_converted(text, kind, name), kind) for text in given)
        self._expect_symbol("(")
        values: set[Any] = set()
        while True:
            token = self._next("a value")
            if token.kind == "variable":
                converted = [_converted(text, kind, name) for text in self._variable(token)]
            else:
                converted = [self._value(token, kind, name)]
            values.update(_comparable(value, kind) for value in converted)
            if not self._take_symbol(","):
                break
        self._expect_symbol(")")
        return frozenset(values)

    def _literal(self, kind: Kind, name: str) -> Any:
        if isinstance(kind, Mapping) and kind is not ANY:
            raise PredicateError(f"The field '{name}' is an object: compare its fields in parentheses.")
        token = self._next("a value")
        if token.kind == "variable":
            given = self._variable(token)
            if len(given) != 1:
                raise PredicateError(f"The input variable '{token.text[1:]}' must have exactly one value.")
            return _converted(given[0], kind, name)
        return self._value(token, kind, name)

    def _variable(self, token: _Token) -> Sequence[str]:
        given = self.variables.get(token.text[1:])
        if not given:
            raise PredicateError(f"No value for the input variable '{token.text[1:]}'.")
        return given

    def _value(self, token: _Token, kind: Kind, name: str) -> Any:
        value: Any
        if token.kind == "string":
            value = re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
        elif token.kind == "number":
            value = Decimal(token.text)
        elif token.kind == "word" and token.text.lower() in ("true", "false"):
            value = token.text.lower() == "true"
        else:
            raise self._unexpected("a value", token)
        _check_kind(value, kind, name)
        return value

    # ── tokens ──

    def _next(self, expected: str) -> _Token:
        if self.at >= len(self.tokens):
            raise self._unexpected(expected)
        self.at += 1
        return self.tokens[self.at - 1]

    def _take_word(self, word: str) -> bool:
        return self._take("word", word)

    def _take_symbol(self, symbol: str) -> bool:
        return self._take("symbol", symbol)

    def _take(self, kind: str, text: str) -> bool:
        if self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == kind and token.text.lower() == text:
                self.at += 1
                return True
        return False

    def _expect_symbol(self, symbol: str) -> None:
        token = self._next(f"'{symbol}'")
        if token.kind != "symbol" or token.text != symbol:
            raise self._unexpected(f"'{symbol}'", token)

    def _unexpected(self, expected: str, token: _Token | None = None) -> PredicateError:
        if token is None and self.at < len(self.tokens):
            token = self.tokens[self.at]
        found = f"'{token.text}'" if token else "end of input"
        column = (token.position if token else len(self.text)) + 1
        return PredicateError(
            f"Syntax error while parsing 'where'. Unexpected {found}, expected {expected} "
            f"(line 1, column {column})"
        )


def _tokens(text: str) -> list[_Token]:
    tokens = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            if not text[at:].strip():
                break
            at += len(text[at:]) - len(text[at:].lstrip())
            raise PredicateError(
                f"Syntax error while parsing 'where'. Unexpected input '{text[at]}' (line 1, column {at + 1})"
            )
        kind = str(match.lastgroup)
        tokens.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return tokens


def _check_kind(value: Any, kind: Kind, name: str) -> None:
    right = {
        "text": isinstance(value, str),
        "id": isinstance(value, str),
        "date": isinstance(value, str) and parse_moment(value) is not None,
        "number": isinstance(value, Decimal),
        "bool": isinstance(value, bool),
    }.get(str(kind) if isinstance(kind, str) else "any", True)
    if not right:
        raise PredicateError(f"The value '{value}' does not fit the field '{name}' ({kind}).")


def _converted(text: str, kind: Kind, name: str) -> Any:
    """The value of an input variable, which always arrives as text."""
    value: Any = text
    if kind == "number":
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = text
    elif kind == "bool" and text in ("true", "false"):
        value = text == "true"
    _check_kind(value, kind, name)
    return value


def _comparable(value: Any, kind: Kind) -> Any:
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, str):
        if kind == "date":
            return parse_moment(value) or datetime.min.replace(tzinfo=UTC)
        return id_order(value) if kind == "id" else value
    if isinstance(value, float):
        return Decimal(str(value))
    return value


def _scalars(document: Any, name: str, kind: Kind) -> list[Any]:
    """The comparable values of a field: none when absent, several when it is an array."""
    value = document.get(name) if isinstance(document, dict) else None
    if value is None or isinstance(value, dict):
        return []
    if isinstance(value, list):
        return [_comparable(each, kind) for each in value if not isinstance(each, (dict, list))]
    return [_comparable(value, kind)]


def _any_of(name: str, kind: Kind, wanted: frozenset[Any]) -> Test:
    return lambda document: any(each in wanted for each in _scalars(document, name, kind))


def _comparing(name: str, kind: Kind, operator: str, wanted: Any) -> Test:
    if operator == "=":
        return lambda document: wanted in _scalars(document, name, kind)
    if operator in ("!=", "<>"):
        return lambda document: wanted not in _scalars(document, name, kind)

    def ordered(document: Any) -> bool:
        for each in _scalars(document, name, kind):
            try:
                less, equal = each < wanted, each == wanted
            except TypeError:
                continue
            if equal and operator in ("<=", ">="):
                return True
            if (less and operator in ("<", "<=")) or (not less and not equal and operator in (">", ">=")):
                return True
        return False

    return ordered


__all__ = ["Fields", "Predicate", "PredicateError", "id_order", "parse_moment", "parse_predicate"]
