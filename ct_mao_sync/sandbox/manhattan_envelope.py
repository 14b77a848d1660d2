"""The envelope around every Manhattan answer: success, business errors, authorisation errors."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from .core import Json, Response, json_response

_COMPONENT = "com-manh-cp-order:sandbox"
_HOST = "sandbox-order-0"


class Refused(Exception):
    """MAO refuses a request; becomes the failure envelope. Nothing of the request takes place."""

    def __init__(
        self,
        code: str,
        description: str,
        *,
        status: int = 400,
        field: str | None = None,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.status = status
        self.field = field
        self.keys = dict(keys) if keys else None


def message_of(
    kind: str,
    code: str,
    description: str,
    *,
    field: str | None = None,
    keys: Mapping[str, str] | None = None,
) -> Json:
    """One entry of `messages.Message`; kind is ERROR, WARNING or INFO."""
    return {
        "Type": kind,
        "Code": code,
        "Description": description,
        "ShortDescription": None,
        "ErrorCode": code.rpartition("::")[2] if "::" in code else None,
        "ErrorField": field,
        "ResourceId": None,
        "QuickInfo": None,
        "BusinessKeys": dict(keys) if keys else None,
    }


def success(data: Any, *, header: Json | None = None, messages: list[Json] | None = None) -> Response:
    """HTTP 200 with `data`."""
    return json_response(200, _envelope(True, 200, data=data, header=header, messages=messages or []))


def failure(
    status: int,
    message_key: str,
    message: str,
    *,
    code: str,
    field: str | None = None,
    keys: Mapping[str, str] | None = None,
    exceptions: list[Json] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A failed request; `status` 200 gives the form success:false in an HTTP 200."""
    entry = message_of("ERROR", code, message, field=field, keys=keys)
    document = _envelope(False, status, messages=[entry])
    document |= {"messageKey": message_key, "message": message, "exceptions": exceptions or []}
    return json_response(status, document, headers)


def refusal(refused: Refused) -> Response:
    """The failure envelope of a business error (`ord::NNNNN`) or a validation error."""
    if refused.code.startswith("ord::"):
        key = f"error.{refused.code.removeprefix('ord::')}"
        return failure(
            refused.status,
            key,
            refused.description,
            code=refused.code,
            field=refused.field,
            keys=refused.keys,
        )
    exception = {
        "messageData": None,
        "resource": None,
        "messageKey": "ManhValidationException",
        "message": "Entity Validation Error Occured",
        "stackTrace": None,
    }
    response_message = "Bad Request" if refused.status == 400 else refused.description
    document = _envelope(
        False,
        refused.status,
        messages=[
            message_of("ERROR", refused.code, refused.description, field=refused.field, keys=refused.keys)
        ],
    )
    document |= {
        "messageKey": f"error.{refused.status}",
        "message": response_message,
        "exceptions": [exception],
        "rootCause": f"com.manh.cp.fw.exception.ManhValidationException: {refused.description}",
        "requestUri": "/error",
    }
    return json_response(refused.status, document)


def unauthorized(description: str = "Cannot convert access token to JSON") -> Response:
    """401: the token is missing, unknown or expired."""
    document = _envelope(False, 401, messages=[message_of("ERROR", "invalid_token", description)])
    document |= {"messageKey": "error.401", "message": "error.401", "exceptions": None}
    return json_response(401, document)


def forbidden() -> Response:
    """403: the user lacks the grant or the organization."""
    return failure(403, "error.403", "Access is denied", code="access_denied")


def _envelope(
    ok: bool,
    status: int,
    *,
    data: Any = None,
    header: Json | None = None,
    messages: list[Json],
) -> Json:
    return {
        "success": ok,
        "header": header,
        "data": data,
        "messageKey": None,
        "message": None,
        "errors": [],
        "exceptions": [],
        "messages": {"Message": messages, "Size": len(messages)},
        "rootCause": None,
        "cloudComponent": _COMPONENT,
        "cloudComponentHostName": _HOST,
        "requestUri": None,
        "statusCode": HTTPStatus(status).name,
    }
