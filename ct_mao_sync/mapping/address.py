"""Addresses, and which values of an order are personal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from ct_mao_sync.models.commercetools import Address, Order

# Countries that write "221B Baker Street"; elsewhere "Hauptstr. 1".
_NUMBER_FIRST = frozenset(
    (
        *("US", "CA", "GB", "IE", "AU", "NZ", "FR", "LU", "MC", "ZA", "IN", "SG", "HK", "MY", "PH", "LK"),
        *("IL", "TH", "EG", "MA", "TN", "DZ", "SN", "CI", "RE", "GP", "MQ", "GF", "PR", "JM", "TT"),
    )
)


@lru_cache(maxsize=64)  # an order has one or two, and asks for them in each line
def map_address(address: Address) -> Mapping[str, str]:
    """MAO's inner `Address`; what the shop does not know is left out. Salutation, title and fax have no
    place there. All text, no units."""
    street = _street(address)
    # A post office box stands in for a street where there is none.
    box = address.p_o_box or ""
    name = address.last_name or ("" if address.first_name else address.company) or ""
    fields = {
        "FirstName": address.first_name or "",
        "LastName": name,
        "Address1": street or box,
        "Address2": _joined(
            address.additional_street_info, address.building, address.apartment, box if street else ""
        ),
        "Address3": _joined(address.company, address.department, address.additional_address_info),
        "City": address.city or "",
        "County": (address.region if address.state else "") or "",
        "State": address.state or address.region or "",
        "PostalCode": address.postal_code or "",
        "Country": address.country or "",
        "Phone": address.phone or address.mobile or "",
        "Email": address.email or "",
    }
    return {field: text for field, value in fields.items() if (text := value.strip())}


def is_deliverable(mapped: Mapping[str, str]) -> bool:
    """Country, street and city or postal code: less cannot be shipped to."""
    return bool(
        mapped.get("Country") and mapped.get("Address1") and (mapped.get("City") or mapped.get("PostalCode"))
    )


def map_customer(order: Order) -> dict[str, str]:
    """CustomerFirstName, CustomerLastName, CustomerEmail, CustomerPhone: billing address first."""
    addresses = [map_address(address) for address in _customer_addresses(order)]
    named = next((a for a in addresses if "LastName" in a or "FirstName" in a), {})
    fields = {
        "CustomerFirstName": named.get("FirstName", ""),
        "CustomerLastName": named.get("LastName", ""),
        "CustomerEmail": (order.customer_email or "").strip() or _first(addresses, "Email"),
        "CustomerPhone": _first(addresses, "Phone"),
    }
    return {field: value for field, value in fields.items() if value}


def personal_values(order: Order) -> dict[str, str]:
    """Every personal value that a payload of this order may carry -> its mask."""
    masks: dict[str, str] = {}

    def add(mask: str, *values: str | None) -> None:
        for value in values:
            if value and (text := value.strip()):
                masks.setdefault(text, mask)

    add("[email]", order.customer_email)
    for address in _addresses(order):
        mapped = map_address(address)
        add("[email]", address.email)
        add("[phone]", address.phone, address.mobile)
        add("[name]", address.first_name, address.last_name, address.company, address.department)
        add("[street]", mapped.get("Address1"), address.street_name)
        add("[address]", mapped.get("Address2"), mapped.get("Address3"))
        add("[address]", address.additional_street_info, address.additional_address_info, address.p_o_box)
        add("[address]", address.building, address.apartment, address.postal_code, address.city)
    return masks


_MASKS = {
    "[email]": ("email",),
    "[phone]": ("phone", "mobile", "fax"),
    "[name]": ("firstName", "lastName", "company", "department"),
    "[street]": ("streetName",),
    "[address]": (
        *("additionalStreetInfo", "additionalAddressInfo", "pOBox", "building", "apartment"),
        *("postalCode", "city"),
    ),
}


def masks_of_address(address: Mapping[str, Any]) -> dict[str, str]:
    """The same of one address as commercetools has it."""
    return {
        text: mask
        for mask, names in _MASKS.items()
        for name in names
        if (text := str(address.get(name) or "").strip())
    }


def _street(address: Address) -> str:
    name, number = (address.street_name or "").strip(), (address.street_number or "").strip()
    if not name:
        return ""
    parts = (number, name) if (address.country or "").upper() in _NUMBER_FIRST else (name, number)
    return " ".join(part for part in parts if part)


def _joined(*parts: str | None) -> str:
    return ", ".join(text for part in parts if part and (text := part.strip()))


def _first(addresses: Iterable[Mapping[str, str]], field: str) -> str:
    return next((address[field] for address in addresses if field in address), "")


def _customer_addresses(order: Order) -> list[Address]:
    made = [order.billing_address, order.shipping_address, *(row.shipping_address for row in order.shipping)]
    return [address for address in made if address is not None]


def _addresses(order: Order) -> list[Address]:
    return [*_customer_addresses(order), *order.item_shipping_addresses]
