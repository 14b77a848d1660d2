"""The fields that predicates, sort and expand may name, per resource (commercetools docs: types).

A kind is "text", "id", "date", "number" or "bool", or a tree of fields for an object (or an array of them).
`ANY` stands for containers whose fields only the project knows (custom fields, localised texts).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Union

Kind = Union[str, "Fields"]
Fields = Mapping[str, "Kind"]


class _Anything(dict[str, "Kind"]):
    """Any field exists and may hold anything."""


ANY: Fields = _Anything()
ANY["*"] = ANY  # type: ignore[index]


def _fields(text: str = "", /, **more: Kind) -> Fields:
    """ "name name:kind …", kind text when not given, and nested trees by keyword."""
    fields: dict[str, Kind] = {}
    for word in text.split():
        name, _, kind = word.partition(":")
        fields[name] = kind or "text"
    return {**fields, **more}


REFERENCE = _fields("typeId id:id key")
MONEY = _fields("type currencyCode centAmount:number preciseAmount:number fractionDigits:number")
CUSTOM = _fields(type=REFERENCE, fields=ANY)
ADDRESS = _fields(
    "id key title salutation firstName lastName streetName streetNumber additionalStreetInfo postalCode city "
    "region state country company department building apartment pOBox phone mobile email fax "
    "additionalAddressInfo externalId",
    custom=CUSTOM,
)
_RESOURCE = _fields(
    "id:id version:number createdAt:date lastModifiedAt:date versionModifiedAt:date key",
    createdBy=ANY,
    lastModifiedBy=ANY,
    custom=CUSTOM,
)
TAX_RATE = _fields(
    "id name amount:number includedInPrice:bool country state key",
    subRates=_fields("name amount:number"),
)
_PORTION = _fields("name rate:number", amount=MONEY)
TAXED = _fields(totalNet=MONEY, totalGross=MONEY, totalTax=MONEY, taxPortions=_PORTION)
_DISCOUNTED = _fields(value=MONEY, includedDiscounts=_fields(discount=REFERENCE, discountedAmount=MONEY))
PRICE = _fields(
    "id key country validFrom:date validUntil:date",
    value=MONEY,
    discounted=_fields(value=MONEY, discount=REFERENCE),
    customerGroup=REFERENCE,
    channel=REFERENCE,
    tiers=ANY,
    custom=CUSTOM,
)
_DELIVERY_ITEM = _fields("id:id quantity:number")
PARCEL = _fields(
    "id:id key createdAt:date",
    measurements=_fields(
        "heightInMillimeter:number lengthInMillimeter:number widthInMillimeter:number weightInGram:number"
    ),
    trackingData=_fields("trackingId carrier provider providerTransaction isReturn:bool"),
    items=_DELIVERY_ITEM,
    custom=CUSTOM,
)
DELIVERY = _fields(
    "id:id key createdAt:date", items=_DELIVERY_ITEM, parcels=PARCEL, address=ADDRESS, custom=CUSTOM
)
SHIPPING_INFO = _fields(
    "shippingMethodName shippingMethodState",
    price=MONEY,
    shippingRate=ANY,
    taxedPrice=TAXED,
    taxRate=TAX_RATE,
    taxCategory=REFERENCE,
    shippingMethod=REFERENCE,
    deliveries=DELIVERY,
    discountedPrice=_DISCOUNTED,
    estimatedDelivery=_fields("from:date until:date"),
)
_ANY_LINE = _fields(
    "id:id key quantity:number priceMode",
    name=ANY,
    totalPrice=MONEY,
    taxedPrice=TAXED,
    taxedPricePortions=_fields("shippingMethodKey", taxedPrice=TAXED),
    taxRate=TAX_RATE,
    perMethodTaxRate=_fields("shippingMethodKey", taxRate=TAX_RATE),
    discountedPricePerQuantity=_fields("quantity:number", discountedPrice=_DISCOUNTED),
    state=_fields("quantity:number", state=REFERENCE),
    shippingDetails=_fields("valid:bool", targets=_fields("addressKey quantity:number shippingMethodKey")),
    custom=CUSTOM,
    recurrenceInfo=ANY,
)
LINE_ITEM = {
    **_ANY_LINE,
    **_fields(
        "productId:id productKey lineItemMode inventoryMode addedAt:date lastModifiedAt:date",
        productSlug=ANY,
        productType=REFERENCE,
        variant=_fields(
            "id:number sku key", prices=PRICE, attributes=ANY, images=ANY, assets=ANY, availability=ANY
        ),
        price=PRICE,
        supplyChannel=REFERENCE,
        distributionChannel=REFERENCE,
        reservation=REFERENCE,
    ),
}
CUSTOM_LINE_ITEM = {**_ANY_LINE, **_fields("slug", money=MONEY, taxCategory=REFERENCE)}
RETURN_INFO = _fields(
    "returnTrackingId returnDate:date",
    items=_fields(
        "id:id key type quantity:number lineItemId:id customLineItemId:id comment shipmentState paymentState "
        "createdAt:date lastModifiedAt:date",
        custom=CUSTOM,
    ),
)
ORDER = {
    **_RESOURCE,
    **_fields(
        "orderNumber purchaseOrderNumber customerId:id customerEmail anonymousId locale country origin "
        "orderState shipmentState paymentState taxMode taxRoundingMode taxCalculationMode priceRoundingMode "
        "inventoryMode shippingMode shippingKey completedAt:date lastMessageSequenceNumber:number",
        customerGroup=REFERENCE,
        businessUnit=REFERENCE,
        store=REFERENCE,
        lineItems=LINE_ITEM,
        customLineItems=CUSTOM_LINE_ITEM,
        totalPrice=MONEY,
        taxedPrice=TAXED,
        taxedShippingPrice=TAXED,
        discountOnTotalPrice=ANY,
        billingAddress=ADDRESS,
        shippingAddress=ADDRESS,
        shippingInfo=SHIPPING_INFO,
        shippingRateInput=ANY,
        shippingCustomFields=CUSTOM,
        shipping=_fields(
            "shippingKey",
            shippingInfo=SHIPPING_INFO,
            shippingAddress=ADDRESS,
            shippingRateInput=ANY,
            shippingCustomFields=CUSTOM,
        ),
        itemShippingAddresses=ADDRESS,
        discountCodes=_fields("state", discountCode=REFERENCE),
        directDiscounts=ANY,
        refusedGifts=REFERENCE,
        paymentInfo=_fields(payments=REFERENCE),
        cart=REFERENCE,
        quote=REFERENCE,
        recurringOrder=REFERENCE,
        state=REFERENCE,
        syncInfo=_fields("externalId syncedAt:date", channel=REFERENCE),
        returnInfo=RETURN_INFO,
        discountTypeCombination=ANY,
    ),
}
CHANNEL = {**_RESOURCE, **_fields("roles", name=ANY, description=ANY, address=ADDRESS, geoLocation=ANY)}
STATE = {
    **_RESOURCE,
    **_fields("type roles initial:bool builtIn:bool", name=ANY, description=ANY, transitions=REFERENCE),
}
TYPE = {**_RESOURCE, **_fields("resourceTypeIds", name=ANY, description=ANY, fieldDefinitions=ANY)}
PAYMENT = {
    **_RESOURCE,
    **_fields(
        "interfaceId anonymousId",
        customer=REFERENCE,
        amountPlanned=MONEY,
        paymentMethodInfo=_fields("paymentInterface method", name=ANY),
        paymentStatus=_fields("interfaceCode interfaceText", state=REFERENCE),
        transactions=_fields("id:id timestamp:date type interactionId state", amount=MONEY, custom=CUSTOM),
        interfaceInteractions=ANY,
    ),
}
SHIPPING_METHOD = {
    **_RESOURCE,
    **_fields(
        "name active:bool isDefault:bool predicate", taxCategory=REFERENCE, zoneRates=ANY, localizedName=ANY
    ),
}
DISCOUNT_CODE = {
    **_RESOURCE,
    **_fields(
        "code isActive:bool cartPredicate groups validFrom:date validUntil:date maxApplications:number",
        name=ANY,
        cartDiscounts=REFERENCE,
        references=REFERENCE,
    ),
}
CART_DISCOUNT = {
    **_RESOURCE,
    **_fields(
        "cartPredicate sortOrder isActive:bool requiresDiscountCode:bool stackingMode validFrom:date "
        "validUntil:date",
        name=ANY,
        value=ANY,
        target=ANY,
        references=REFERENCE,
        stores=REFERENCE,
    ),
}
STORE = {
    **_RESOURCE,
    **_fields("languages", name=ANY, countries=ANY, supplyChannels=REFERENCE, distributionChannels=REFERENCE),
}
INVENTORY = {
    **_RESOURCE,
    **_fields(
        "sku quantityOnStock:number availableQuantity:number restockableInDays:number expectedDelivery:date "
        "minCartQuantity:number maxCartQuantity:number reservationExpirationInMinutes:number",
        supplyChannel=REFERENCE,
        stockLevels=_fields("reorderPoint:number safetyStock:number"),
    ),
}
