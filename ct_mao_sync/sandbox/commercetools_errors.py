"""Errors of the simulated commercetools API, in its own envelope (commercetools docs: errors)."""

from __future__ import annotations

from typing import Any

from .core import Response, json_response


class ApiError(Exception):
    """An answer that is not 2xx: status, error code, message and the fields that code carries."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.more = more

    def response(self) -> Response:
        document: dict[str, Any] = {
            "statusCode": self.status,
            "message": self.message,
            "errors": [{"code": self.code, "message": self.message, **self.more}],
        }
        headers = {}
        if self.status in (401, 403) or self.code.islower():
            # the OAuth fields beside the usual ones (commercetools docs: AuthErrorResponse)
            document |= {"error": self.code, "error_description": self.message}
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="sandbox"'
        return json_response(self.status, document, headers)


def invalid_input(message: str) -> ApiError:
    return ApiError(400, "InvalidInput", message)


def invalid_operation(message: str) -> ApiError:
    return ApiError(400, "InvalidOperation", message)


def invalid_json(detail: str) -> ApiError:
    message = "Request body does not contain valid JSON."
    return ApiError(400, "InvalidJsonInput", message, detailedErrorMessage=detail)


def invalid_field(field: str, value: Any, why: str) -> ApiError:
    message = f"The value '{value}' is not valid for field '{field}'. {why}"
    return ApiError(400, "InvalidField", message, field=field, invalidValue=value)


def duplicate_field(field: str, value: Any) -> ApiError:
    message = f"A duplicate value '{value}' exists for field '{field}'."
    return ApiError(400, "DuplicateField", message, field=field, duplicateValue=value)


def not_found(kind: str, name: str, value: str) -> ApiError:
    return ApiError(
        404, "ResourceNotFound", f"The Resource of type '{kind}' with {name} '{value}' was not found."
    )


def reference_not_found(kind: str, **identifier: str) -> ApiError:
    """No such channel, state …, referred to by `id` or `key`."""
    value = next(iter(identifier.values()))
    message = (
        f"The referenced object of type '{kind}' with identifier '{value}' was not found. It either doesn't "
        "exist, or it can't be accessed from this endpoint (e.g., if the endpoint filters by store or "
        "customer account)."
    )
    return ApiError(400, "ReferencedResourceNotFound", message, typeId=kind, **identifier)


def concurrent_modification(id: str, expected: int, actual: int) -> ApiError:
    message = f"Object {id} has a different version than expected. Expected: {expected} - Actual: {actual}."
    return ApiError(409, "ConcurrentModification", message, currentVersion=actual)
