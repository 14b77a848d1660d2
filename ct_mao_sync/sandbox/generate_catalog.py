"""What the generated shop sells, where and to whom: obviously invented products, people and places.

Prices are base prices in EUR cents; `price_in` turns one into a plausible amount of another currency.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import Any

from .generate_money import Json, fraction_digits

_NAMESPACE = uuid.UUID("6f6c7d1e-3d1c-4c57-9d0e-5f8f6a1c2b30")


def document_id(kind: str, key: str) -> str:
    """The id of a shared document (shipping method, channel, discount …): the same in every order and run."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind}/{key}"))


def reference(kind: str, key: str) -> Json:
    """An id reference to a shared document."""
    return {"typeId": kind, "id": document_id(kind, key)}


def random_id(rng: random.Random) -> str:
    """A version 4 UUID drawn from `rng`."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


@dataclass(frozen=True, slots=True)
class Product:
    sku: str
    name: str
    price: int
    reduced: bool = False
    digital: bool = False


PRODUCTS = (
    Product("SKU-SHIRT-M", "Shirt M", 2999),
    Product("SKU-SHIRT-XXL", "Shirt XXL „Größe“", 3099),
    Product("SKU-TV-55", 'TV 55"', 49999),
    Product("SKU-CABLE", "HDMI cable 2 m", 1299),
    Product("SKU-COFFEE", "Café crème, 1 kg", 1199, reduced=True),
    Product("SKU-TEA", "緑茶", 1980, reduced=True),
    Product("SKU-BOOK", "L'Été d'après", 1500, reduced=True),
    Product("SKU-JACKET", "Jacke <wasserdicht>", 12000),
    Product("SKU-SOCKS", "Socks, 3 for 2", 999),
    Product("SKU-LAMP", "Lampe „Grün & Weiß“", 4500),
    Product("SKU-RUG", "Rug 200×300", 15900),
    Product("SKU-HOODIE-01", "O'Neil hoodie", 6999),
    Product("SKU-MUG", "Mug ☕", 795),
    Product("SKU-DESK.180", "Schreibtisch 180 cm", 34950),
    Product("SKU-CHAIR", "Stuhl \\ chair", 8990),
    Product("SKU-PEN", "Pen", 1),
    Product("SKU-OLIVES", "Oliven, grün", 349, reduced=True),
    Product("4006381333931", "Stift, EAN as SKU", 129),
)
DIGITAL = (
    Product("SKU-GIFTCARD", "Gift card", 5000, digital=True),
    Product("SKU-EBOOK", "E-Book: Das Übliche", 999, reduced=True, digital=True),
)
BULK = (Product("SKU-SCREW-1000", "Screw, each", 0), Product("SKU-CABLE-METER", "Cable, per metre", 0))
GIFTS = (Product("SKU-GIFT-TOTE", "Free tote", 990), Product("SKU-SAMPLE", "Probe „Duft“", 450))
BUNDLE = Product("BUNDLE-KIT", "Tool kit", 19900)
BUNDLE_PARTS = (Product("SKU-HAMMER", "Hammer (in kit)", 0), Product("SKU-SAW", "Saw (in kit)", 0))

_PER_EUR_CENT = {
    "JPY": 150,
    "KWD": 330,
    "USD": 108,
    "GBP": 86,
    "CHF": 95,
    "HUF": 39000,
    "TWD": 3500,
    "CLP": 1000,
}


def price_in(currency: str, eur_cents: int) -> int:
    """A base price in the minor units of a currency, at a made-up fixed rate."""
    if eur_cents == 0:
        return 0
    rate = _PER_EUR_CENT.get(currency, 100)
    if fraction_digits(currency) == 0:
        return max(1, eur_cents * rate // 100)
    return max(1, eur_cents * rate // 100)


def _rate(name: str, amount: float, *subs: tuple[str, float], state: str = "") -> Json:
    rate: Json = {
        "name": name,
        "amount": amount,
        "id": document_id("tax-rate", name)[:8],
        "subRates": [{"name": sub, "amount": part} for sub, part in subs],
    }
    if state:
        rate["state"] = state
    return rate


@dataclass(frozen=True, slots=True)
class Region:
    """One country's taxes, language and addresses. `rates` = (standard, reduced)."""

    country: str
    locale: str
    included: bool
    rates: tuple[Json, Json]
    people: tuple[Json, ...]

    def tax_rate(self, *, reduced: bool = False, external: bool = False) -> Json:
        """A TaxRate as it stands on a line."""
        rate = {**self.rates[1 if reduced else 0], "includedInPrice": self.included, "country": self.country}
        rate["subRates"] = [dict(sub) for sub in rate["subRates"]]
        if external:
            rate.pop("id")
            rate["name"] = f"{rate['name']} ext"
        return rate


def _person(first: str, last: str, street: str, number: str, code: str, city: str, **more: Any) -> Json:
    return {
        "firstName": first,
        "lastName": last,
        "streetName": street,
        "streetNumber": number,
        "postalCode": code,
        "city": city,
        **more,
    }


_GERMANS = (
    _person("Max", "Müßig", "Straße des 17. Tests", "135a", "01067", "Dresden", state="Sachsen",
            company="Müßig & Söhne GmbH", additionalStreetInfo="Hinterhaus", phone="+493023125001"),
    _person("Jörg", 'von "und zu" Beispiel', "Musterweg", "1", "80331", "München", phone="+493023125002"),
    _person("Łucja", "Øster-Test", "Am Prüfstand", "12 b", "20095", "Hamburg", salutation="Frau"),
    _person("Zoë", "D'Exemple", "Allee der Muster", "7/3", "50667", "Köln", mobile="+4915223125003"),
)  # fmt: skip
_AMERICANS = (
    _person("Jane", "Doe-Sample", "Peachtree Test St NE", "2300", "30309", "Atlanta", state="GA",
            apartment="4B", phone="+14045550100", salutation="Ms."),
    _person("José", "Ejemplo", "Placeholder Blvd", "1", "30326", "Atlanta", state="GA", phone="+14045550101"),
    _person("Pat", "O'Placeholder", "Nowhere Ave", "99 1/2", "30301", "Atlanta", state="GA", pOBox="17"),
)  # fmt: skip
_TEXANS = (
    _person("Tex", "Ample", "Specimen Rd", "500", "78701", "Austin", state="TX", phone="+15125550102"),
    _person("Ana", "Muestra", "Dummy Ln", "8", "77001", "Houston", state="TX"),
)
_JAPANESE = (
    _person(
        "花子", "見本", "丸の内テスト", "1-1", "100-0005", "千代田区", region="東京都", phone="+81300000001"
    ),
    _person("太郎", "試験", "御堂筋", "2-3-4", "530-0001", "大阪市北区", region="大阪府"),
)
_KUWAITIS = (
    _person("سالم", "المثال", "شارع الاختبار", "12", "13001", "Kuwait City", phone="+96500000001"),
    _person("Dana", "Al-Sample", "Test Street", "Block 3", "13002", "Salmiya", building="Tower 2"),
)
_BRITONS = (
    _person("Alex", "Specimen", "Mockingbird Lane", "3", "EX1 1MP", "Exampleton", phone="+442079460001"),
)
_ANYBODY = (_person("Sam", "Anybody", "Sample Street", "5", "1000", "Sampletown"),)

_GA = (("GA State", 0.04), ("Fulton County", 0.03), ("Atlanta MOST", 0.019))
REGIONS: dict[str, tuple[Region, ...]] = {
    "EUR": (
        Region("DE", "de-DE", True, (_rate("DE 19%", 0.19), _rate("DE 7%", 0.07)), _GERMANS),
        Region("AT", "de-AT", True, (_rate("AT 20%", 0.2), _rate("AT 10%", 0.1)), _GERMANS[1:]),
        Region("FR", "fr-FR", True, (_rate("FR 20%", 0.2), _rate("FR 5,5%", 0.055)), _GERMANS[3:]),
        Region("DE", "de-DE", False, (_rate("DE 19% net", 0.19), _rate("DE 7% net", 0.07)), _GERMANS),
    ),
    "USD": (
        Region("US", "en-US", False,
               (_rate("GA Fulton 8.9%", 0.089, *_GA, state="GA"),
                _rate("GA Grocery 4.9%", 0.049, *_GA[1:], state="GA")), _AMERICANS),
        Region("US", "en-US", False,
               (_rate("TX 8.25%", 0.0825, ("TX State", 0.0625), ("Austin MTA", 0.01), ("Austin", 0.01),
                      state="TX"), _rate("TX 0%", 0, state="TX")), _TEXANS),
    ),
    "JPY": (Region("JP", "ja-JP", True, (_rate("JP 10%", 0.1), _rate("JP 8%", 0.08)), _JAPANESE),),
    "KWD": (
        Region("KW", "ar-KW", True,
               (_rate("KW 5%", 0.05, ("KW levy", 0.02), ("KW city", 0.03)), _rate("KW 0%", 0)), _KUWAITIS),
        Region("KW", "en-KW", False, (_rate("KW 5% net", 0.05), _rate("KW 0% net", 0)), _KUWAITIS),
    ),
    "GBP": (Region("GB", "en-GB", True, (_rate("GB 20%", 0.2), _rate("GB 0%", 0)), _BRITONS),),
}  # fmt: skip
_ELSEWHERE = (Region("CH", "de-CH", True, (_rate("CH 8.1%", 0.081), _rate("CH 2.6%", 0.026)), _ANYBODY),)


def regions(currency: str) -> tuple[Region, ...]:
    """The regions that pay in a currency; any other currency is sold from one neutral place."""
    return REGIONS.get(currency, _ELSEWHERE)


IMPORT_RATE = _rate("Import levy 3.5%", 0.035)
"""A second kind of tax for orders that mix included and excluded rates; its name occurs nowhere else."""


@dataclass(frozen=True, slots=True)
class Method:
    key: str
    name: str
    price: int


SHIPPING_METHODS = (
    Method("standard", "Standard", 499),
    Method("express", "Express „24 h“", 1299),
    Method("freight", "Spedition / Freight", 9900),
    Method("free", "Free shipping", 0),
)
PICKUP = Method("pickup", "Store pickup", 0)

STORES = ("store-eu", "store-us-b2b", "store-boutique")
SUPPLY_CHANNELS = ("dc-atlanta", "dc-dresden", "dc-osaka", "store-17")
SYNC_CHANNELS = ("OMS", "ERP")
CODES = {"SAVE15": ("save-15",), "WELCOME": ("welcome-5", "free-shipping"), "GRÜN10": ("green-10",)}
CART_DISCOUNTS = (
    "save-15", "welcome-5", "free-shipping", "green-10", "3-for-2", "staff-7", "loyal-3", "gift-tote",
    "total-10",
)  # fmt: skip
