"""MAO locations and commercetools channels."""

from __future__ import annotations

import tomllib

import pytest

from ct_mao_sync.mapping.locations import Locations

PLACES = Locations({"DC-ATL": "dc-atlanta", "ecomorg:T0983": "store-983", "DC-2": "dc-atlanta"})


@pytest.mark.parametrize(
    ("sent", "channel"),
    [
        ("DC-ATL", "dc-atlanta"),
        ("ecomorg:DC-ATL", "dc-atlanta"),
        ("T0983", "store-983"),
        ("ecomorg:T0983", "store-983"),
        ("other:T0983", None),
        ("dc-atl", None),
        ("", None),
        (":", None),
    ],
)
def test_a_location_is_found_with_and_without_its_organisation(sent: str, channel: str | None) -> None:
    assert PLACES.channel_of(sent) == channel


def test_a_channel_may_stand_for_several_locations() -> None:
    assert PLACES.locations_of("dc-atlanta") == ("DC-ATL", "DC-2")
    assert PLACES.channel_keys == ("dc-atlanta", "store-983")


def test_five_thousand_unmapped_locations_are_rejected_once_each_however_often_they_are_named() -> None:
    named = [f"{organisation}L{number}" for number in range(5000) for organisation in ("", "org:", "")]

    rejected = PLACES.reject_unmapped([*named, *named, "DC-ATL", "T0983"])

    assert len(rejected) == 5000
    one = rejected["L17"]
    assert (one.code, one.field) == ("location-unmapped", "mapping.locations")
    assert "'L17'" in one.message


def test_the_hint_can_be_pasted_whatever_the_location_is_called() -> None:
    rejection = PLACES.reject_unmapped(['Lager "Süd" \\1'])['Lager "Süd" \\1']

    line = rejection.hint.split(" under ")[0].removeprefix("add ")
    other = rejection.hint.split("; ")[1].split(" where ")[0]

    assert tomllib.loads(line) == {'Lager "Süd" \\1': "<channel key>"}
    assert tomllib.loads(other) == {'Lager "Süd" \\1': ""}


def test_a_location_with_an_empty_channel_is_known_and_shown_nowhere() -> None:
    places = Locations({"DC-ATL": "dc-atlanta", "ecomorg:DARK": "", "DC-2": "dc-atlanta"})

    assert places.find("DARK") == "ecomorg:DARK"
    assert places.channel_of("DARK") == ""
    assert places.location_ids == ("DC-ATL", "DC-2")
    assert places.channel_keys == ("dc-atlanta",)
    assert places.locations_of("") == ()
    assert list(places.reject_unmapped(["DARK", "ecomorg:DARK", "OTHER"])) == ["OTHER"]
    assert list(places.reject_missing_channels([])) == ["DC-ATL", "DC-2"]


def test_a_display_id_of_two_organisations_is_not_guessed() -> None:
    places = Locations({"east:T1": "e", "west:T1": "w"})

    assert places.find("T1") is None
    assert places.find("west:T1") == "west:T1"
    assert "fits several" in places.reject_unmapped(["T1"])["T1"].message


def test_a_channel_that_commercetools_lacks_rejects_its_locations_once_each() -> None:
    rejected = PLACES.reject_missing_channels({"store-983"})

    assert set(rejected) == {"DC-ATL", "DC-2"}
    assert "no channel 'dc-atlanta'" in rejected["DC-2"].message
