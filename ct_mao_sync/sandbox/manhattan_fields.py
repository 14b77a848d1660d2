"""The members of a Manhattan order: their names, types and keys, and the reading of a saved payload.

Types: "s" text · "b" true/false · "d" date-time without zone (UTC) · "n" number · "amount" money ·
"qty" quantity (four decimals) · "any" free form · Code(id) a coded value · Rows(key, members) a child list ·
a dict of members for a nested object.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from .core import Json
from .manhattan_envelope import Refused


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value: `{"DocTypeId": "CustomerOrder"}`, or the plain text of it."""

    id: str


@dataclass(frozen=True, slots=True)
class Rows:
    """A child list; `key` is the business key by which rows merge, "" when there is none."""

    key: str
    members: Mapping[str, Any]
    generated: bool = True
    """Whether MAO makes up the key of a row that comes without."""


_ADDRESS = dict.fromkeys(
    [
        "FirstName",
        "LastName",
        "Address1",
        "Address2",
        "Address3",
        "City",
        "County",
        "State",
        "PostalCode",
        "Country",
        "Phone",
        "Email",
    ],
    "s",
)
_ADDRESS_WRAPPER: dict[str, Any] = {
    "AddressName": "s",
    "AddressId": "s",
    "IsAddressVerified": "b",
    "AvsReason": "s",
    "Address": _ADDRESS,
    "Extended": "any",
}
_NOTE: dict[str, Any] = {
    "NoteId": "s",
    "NoteType": Code("NoteTypeId"),
    "NoteCategory": Code("NoteCategoryId"),
    "NoteText": "s",
    "NoteCode": "s",
    "IsVisible": "b",
    "DisplaySequence": "n",
}
_HOLD: dict[str, Any] = {
    "HoldTypeId": "s",
    "StatusId": "s",
    "ApplyReasonId": "s",
    "ApplyReasonComments": "s",
    "ResolveReasonId": "s",
    "ResolveReasonComments": "s",
    "ExternalCreatedBy": "s",
    "ExternalCreatedDate": "d",
    "Extended": "any",
}
CHARGE: dict[str, Any] = {
    "ChargeDetailId": "s",
    "ChargeType": Code("ChargeTypeId"),
    "ChargeSubType": Code("ChargeSubTypeId"),
    "ChargeTotal": "amount",
    "RequestedAmount": "amount",
    "OriginalChargeAmount": "amount",
    "UnitCharge": "amount",
    "ChargePercent": "n",
    "ChargeSequence": "n",
    "DiscountOn": Code("DiscountOnId"),
    "ChargeReferenceId": "s",
    "ChargeReferenceDetailId": "s",
    "ChargeDisplayName": "s",
    "Comments": "s",
    "Reason": Code("ReasonId"),
    "TaxCode": "s",
    "FulfillmentGroupId": "s",
    "IsTaxIncluded": "b",
    "IsInformational": "b",
    "IsReturnCharge": "b",
    "IsPostReturn": "b",
    "IsOverridden": "b",
    "IsProrated": "b",
    "HeaderChargeDetailId": "s",
    "Extended": "any",
}
TAX: dict[str, Any] = {
    "TaxDetailId": "s",
    "TaxTypeId": "s",
    "TaxCode": "s",
    "TaxableAmount": "amount",
    "TaxAmount": "amount",
    "TaxRate": "n",
    "Jurisdiction": "s",
    "JurisdictionTypeId": "s",
    "TaxDate": "d",
    "TaxEngineId": "s",
    "FulfillmentGroupId": "s",
    "HeaderTaxDetailId": "s",
    "IsInformational": "b",
    "IsInvoiceTax": "b",
    **dict.fromkeys((f"TaxIdentifier{n}" for n in range(1, 6)), "s"),
    "Extended": "any",
}
_ATTRIBUTE = {"AttributeName": "s", "AttributeValue": "s"}
_TRANSACTION: dict[str, Any] = {
    "PaymentTransactionId": "s",
    "TransactionType": Code("PaymentTransactionTypeId"),
    "Status": Code("PaymentTransactionStatusId"),
    "PaymentResponseStatus": Code("PaymentResponseStatusId"),
    "TransmissionStatus": Code("PaymentTransmissionStatusId"),
    "RequestedAmount": "amount",
    "ProcessedAmount": "amount",
    "RequestId": "s",
    "RequestToken": "s",
    "ReconciliationId": "s",
    "TransactionDate": "d",
    "RequestedDate": "d",
    "TransactionExpiryDate": "d",
    "IsValidForRefund": "b",
    "IsActive": "b",
    "FollowOnId": "s",
    "FollowOnToken": "s",
    "Extended": "any",
}
_PAYMENT_METHOD: dict[str, Any] = {
    "PaymentMethodId": "s",
    "PaymentType": Code("PaymentTypeId"),
    "GatewayId": "s",
    "Amount": "amount",
    "CurrencyCode": "s",
    "CurrentAuthAmount": "amount",
    "CurrentSettledAmount": "amount",
    "CurrentRefundAmount": "amount",
    "AccountNumber": "s",
    "AccountDisplayNumber": "s",
    "NameOnCard": "s",
    "CardType": Code("CardTypeId"),
    "CardExpiryMonth": "s",
    "CardExpiryYear": "s",
    "BillingAddress": _ADDRESS_WRAPPER,
    "IsModifiable": "b",
    "IsSuspended": "b",
    "IsVoided": "b",
    "IsCopied": "b",
    "ParentOrderId": "s",
    "ParentPaymentMethodId": "s",
    "PaymentTransaction": Rows("PaymentTransactionId", _TRANSACTION),
    "Extended": "any",
}
_PAYMENT: dict[str, Any] = {
    "ProcessingMode": Code("ProcessingModeId"),
    "ExecutionMode": Code("ExecutionModeId"),
    "Status": Code("StatusId"),
    "PaymentMethod": Rows("PaymentMethodId", _PAYMENT_METHOD),
    "Extended": "any",
}
_PROMISING = dict.fromkeys(["ShipFromLocationId", "InventorySegmentId", "BatchNumber"], "s")

LINE: dict[str, Any] = {
    "OrderLineId": "s",
    "AlternateOrderLineId": "s",
    "ItemId": "s",
    "ItemDescription": "s",
    "Quantity": "qty",
    "UOM": "s",
    "UnitPrice": "amount",
    "OriginalUnitPrice": "amount",
    "GiftCardValue": "amount",
    "DeliveryMethod": Code("DeliveryMethodId"),
    "ReturnType": Code("ReturnTypeId"),
    "CancelReason": Code("ReasonId"),
    "ShipToAddress": _ADDRESS_WRAPPER,
    "ShipFromAddress": _ADDRESS_WRAPPER,
    "OrderLinePromisingInfo": {**_PROMISING, "IsForceAllocate": "b"},
    "OrderLineAdditional": "any",
    "OrderLineChargeDetail": Rows("ChargeDetailId", CHARGE),
    "OrderLineTaxDetail": Rows("TaxDetailId", TAX),
    "OrderLineNote": Rows("NoteId", _NOTE),
    "OrderLineHold": Rows("HoldTypeId", _HOLD, generated=False),
    "OrderLineAttribute": Rows("AttributeName", _ATTRIBUTE, generated=False),
    "OrderLineComponents": "any",
    "OrderLineVASInstructions": "any",
    "Extended": "any",
    **dict.fromkeys((f"OrderLineExtension{n}" for n in range(1, 6)), "any"),
    **dict.fromkeys(
        [
            "DeliveryMethodSubType",
            "ShippingMethodId",
            "CarrierCode",
            "ServiceLevelCode",
            "ShipToLocationId",
            "FulfillmentGroupId",
            "ReleaseGroupId",
            "PaymentGroupId",
            "ParentOrderId",
            "ParentOrderLineId",
            "CancelComments",
        ],
        "s",
    ),
    **dict.fromkeys(
        [
            "IsPriceOverridden",
            "IsTaxIncluded",
            "IsGift",
            "IsGiftCard",
            "IsReturnable",
            "IsExchangeable",
            "IsPreOrder",
            "IsDiscountable",
            "IsItemNotOnFile",
            "IsReturn",
            "IsReceiptExpected",
            "IsEvenExchange",
            "IsCancelled",
        ],
        "b",
    ),
    **dict.fromkeys(
        [
            "RequestedDeliveryDate",
            "PromisedDeliveryDate",
            "LatestDeliveryDate",
            "PromisedShipDate",
            "DoNotShipBeforeDate",
            "StreetDate",
        ],
        "d",
    ),
}
ORDER: dict[str, Any] = {
    "OrderLine": Rows("OrderLineId", LINE, generated=False),
    "DocType": Code("DocTypeId"),
    "OrderType": Code("OrderTypeId"),
    "SellingChannel": Code("SellingChannelId"),
    "CancelReason": Code("ReasonId"),
    "Priority": "n",
    "OrderActions": {
        **dict.fromkeys(
            [
                "IsAlreadyPriced",
                "IsAlreadyCharged",
                "IsAlreadyTaxed",
                "IsImport",
                "IsImported",
                "SkipPaymentProcessing",
                "IsReturnFeeApplied",
                "IsReturnLabelGenerated",
            ],
            "b",
        ),
        "VersionTimestamp": "any",
    },
    "OrderPromisingInfo": _PROMISING,
    "OrderChargeDetail": Rows("ChargeDetailId", CHARGE),
    "OrderTaxDetail": Rows("TaxDetailId", TAX),
    "OrderNote": Rows("NoteId", _NOTE),
    "OrderHold": Rows("HoldTypeId", _HOLD, generated=False),
    "OrderAttribute": Rows("AttributeName", _ATTRIBUTE, generated=False),
    "Payment": Rows("", _PAYMENT),
    "Extended": "any",
    **dict.fromkeys((f"OrderExtension{n}" for n in range(1, 6)), "any"),
    **dict.fromkeys(
        [
            "OrderId",
            "AlternateOrderId",
            "OrgId",
            "CurrencyCode",
            "OrderLocale",
            "CustomerId",
            "CustomerFirstName",
            "CustomerLastName",
            "CustomerEmail",
            "CustomerPhone",
            "CustomerTypeId",
            "LoyaltyNumber",
            "TaxExemptId",
            "TaxExemptReason",
            "TaxExemptComments",
            "SellingLocationId",
            "CancelComments",
        ],
        "s",
    ),
    **dict.fromkeys(["IsConfirmed", "IsTaxExempt", "IsOnHold", "IsCancelled"], "b"),
    **dict.fromkeys(["CapturedDate", "ConfirmedDate", "DoNotReleaseBefore"], "d"),
}

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z?\Z")
_TWO_PLACES = Decimal("0.01")
_THREE_PLACES = Decimal("0.001")
_FOUR_PLACES = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class MoneyRule:
    """How amounts of one order's currency are kept: decimals, and whether more of them are refused."""

    currency: str
    decimals: int
    strict: bool

    def keep(self, amount: Decimal, path: str) -> Decimal:
        """The amount as stored; raises Refused when the currency has no such fraction."""
        if self.strict and amount != amount.to_integral_value():
            raise Refused(
                "error.400", f"{path} {amount} is not a valid amount of {self.currency}", field=path
            )
        places = _THREE_PLACES if self.decimals == 3 else _TWO_PLACES
        return amount if self.strict else amount.quantize(places, ROUND_HALF_UP)


def read_members(
    members: Mapping[str, Any], value: object, path: str, money: MoneyRule, dropped: Counter[str]
) -> Json:
    """The known members of a payload object, with their types checked; raises Refused on a wrong type.

    Unknown members are dropped and counted, as MAO drops them silently.
    """
    if not isinstance(value, dict):
        raise _wrong_type(path, "an object")
    read: Json = {}
    for name, each in value.items():
        kind = members.get(name)
        here = f"{path}.{name}" if path else name
        if name == "Actions":
            read[name] = _read_actions(members, each, here)
        elif kind is None:
            dropped[here] += 1
        else:
            read[name] = None if each is None else _read_value(kind, each, here, money, dropped)
    return read


def _read_value(kind: Any, value: object, path: str, money: MoneyRule, dropped: Counter[str]) -> Any:
    if isinstance(kind, dict):
        return read_members(kind, value, path, money, dropped)
    if isinstance(kind, Code):
        return _read_code(kind, value, path)
    if isinstance(kind, Rows):
        if not isinstance(value, list):
            raise _wrong_type(path, "a list")
        return [read_members(kind.members, row, path, money, dropped) for row in value]
    return _read_scalar(kind, value, path, money)


def _read_scalar(kind: str, value: object, path: str, money: MoneyRule) -> Any:
    if kind == "s":
        if not isinstance(value, str):
            raise _wrong_type(path, "a text")
        return value
    if kind == "b":
        if not isinstance(value, bool):
            raise _wrong_type(path, "true or false")
        return value
    if kind == "d":
        if not isinstance(value, str) or not _DATE_TIME.match(value):
            raise _wrong_type(path, "a date-time without zone, as 2026-03-02T09:15:00")
        try:
            return render_moment(parse_moment(value))
        except ValueError:
            raise _wrong_type(path, "a date-time that exists") from None
    if kind == "any":
        return value
    number = _read_number(value, path)
    if kind == "amount":
        return money.keep(number, path)
    return number.quantize(_FOUR_PLACES, ROUND_HALF_UP).normalize() if kind == "qty" else number


def _read_number(value: object, path: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise _wrong_type(path, "a number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise _wrong_type(path, "a number") from None
    if not number.is_finite():
        raise _wrong_type(path, "a number")
    return number


def _read_code(kind: Code, value: object, path: str) -> Json:
    if isinstance(value, str):
        return {kind.id: value}
    if not isinstance(value, dict) or not isinstance(value.get(kind.id), str | None):
        raise _wrong_type(path, f'an object {{"{kind.id}": text}}')
    if kind.id not in value:
        raise _wrong_type(path, f'an object {{"{kind.id}": text}}')
    return {kind.id: value[kind.id]}


def _read_actions(members: Mapping[str, Any], value: object, path: str) -> Json:
    if not isinstance(value, dict):
        raise _wrong_type(path, "an object")
    for name, action in value.items():
        if not isinstance(members.get(name), Rows) or action != "RESET" or name == "OrderLine":
            raise Refused("error.400", f"{path}.{name} {action!r} is not supported", field=path)
    return value


def _wrong_type(path: str, expected: str) -> Refused:
    return Refused("error.400", f"Cannot deserialize {path}: {expected} is expected", field=path)


def parse_moment(text: str) -> datetime:
    """A MAO timestamp (no zone, UTC, any number of fraction digits) as an aware moment; raises ValueError."""
    text = text.removesuffix("Z")
    head, _, fraction = text.partition(".")
    return datetime.fromisoformat(f"{head}.{fraction[:6].ljust(6, '0')}" if fraction else head).replace(
        tzinfo=UTC
    )


def render_moment(moment: datetime) -> str:
    """A moment as MAO writes it: UTC, no zone, at most three fraction digits, trailing zeros dropped."""
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{moment.microsecond // 1000:03d}".rstrip("0")
    return f"{text}.{fraction}" if fraction else text


def copy_json(value: Any) -> Any:
    """A deep copy of a JSON value."""
    if isinstance(value, dict):
        return {name: copy_json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [copy_json(each) for each in value]
    return value


def code_of(document: Mapping[str, Any], name: str, id: str) -> str | None:
    """The id of a coded member, None when there is none."""
    coded = document.get(name)
    return coded.get(id) if isinstance(coded, dict) else None
