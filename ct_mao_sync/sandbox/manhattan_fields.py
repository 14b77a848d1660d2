"""The members of a Manhattan order: their names, types and keys.

Types: "s" text · "b" true/false · "d" date-time without zone (UTC) · "n" number · "amount" money ·
"qty" quantity (four decimals) · "any" free form · Code(id) a coded value · Rows(key, members) a child list ·
a dict of members for a nested object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
