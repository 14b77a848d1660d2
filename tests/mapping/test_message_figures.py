"""What full syncs say of one entry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.availability import Figure
from ct_mao_sync.mapping.availability_messages import FullSync
from ct_mao_sync.mapping.locations import Locations
from ct_mao_sync.mapping.message_figures import MessageFigures

AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
LOCATIONS = Locations({"DC-1": "dc", "DC-2": "dc", "ST-1": "store"})


def sync(*figures: Figure | Rejection, absent_is_zero: bool = False, locations: Any = ()) -> FullSync:
    keyed = {
        (f.item, f.location) if isinstance(f, Figure) else (str(f.context["item"]), ""): f for f in figures
    }
    return FullSync("T", "V", 1, keyed, tuple(locations), True, absent_is_zero)


def figure(item: str, quantity: int, location: str = "", minutes: int = 0) -> Figure:
    return Figure(item, location, Decimal(quantity), at=AT + timedelta(minutes=minutes))


def quantity(found: Figure | Rejection | None) -> int:
    assert isinstance(found, Figure)
    return int(found.quantity)


def test_what_is_named_has_its_figure_and_what_is_not_is_to_be_asked_for() -> None:
    figures = MessageFigures([sync(figure("A", 5))], LOCATIONS)

    assert quantity(figures.of_entry("A", "")) == 5
    assert figures.of_entry("B", "") is None
    assert figures.of_entry("A", "dc") is None
    assert not figures.names_all


def test_absent_from_a_complete_sync_of_stock_is_nothing_at_its_oldest_moment() -> None:
    figures = MessageFigures(
        [sync(figure("A", 5, minutes=9), figure("B", 1, minutes=3), absent_is_zero=True)], LOCATIONS
    )

    absent = figures.of_entry("C", "")
    assert isinstance(absent, Figure)
    assert (absent.quantity, absent.is_listed, absent.at) == (0, False, AT + timedelta(minutes=3))
    assert figures.names_all


def test_a_channel_of_several_locations_is_known_only_when_all_of_them_are() -> None:
    one = sync(figure("A", 5, "DC-1"), locations=["DC-1"])
    both = sync(figure("A", 5, "DC-1"), absent_is_zero=True, locations=["DC-1", "DC-2"])

    assert MessageFigures([one], LOCATIONS).of_entry("A", "dc") is None
    assert quantity(MessageFigures([both], LOCATIONS).of_entry("A", "dc")) == 5


def test_a_location_sync_says_nothing_of_other_locations_nor_of_the_network() -> None:
    figures = MessageFigures(
        [sync(figure("A", 5, "ST-1"), absent_is_zero=True, locations=["ST-1"])], LOCATIONS
    )

    assert quantity(figures.of_entry("B", "store")) == 0
    assert figures.of_entry("B", "dc") is None
    assert figures.of_entry("B", "") is None


def test_the_youngest_of_several_syncs_counts_whatever_their_order() -> None:
    old, new = sync(figure("A", 5)), sync(figure("B", 1, minutes=5), absent_is_zero=True)
    for order in ([old, new], [new, old]):
        assert quantity(MessageFigures(order, LOCATIONS).of_entry("A", "")) == 0
    newer = sync(figure("A", 8, minutes=9))
    assert quantity(MessageFigures([newer, new, old], LOCATIONS).of_entry("A", "")) == 8


def test_a_figure_that_cannot_be_read_is_never_taken_for_nothing() -> None:
    bad = Rejection("source-invalid", "line 3: NaN", context={"item": "A"})
    figures = MessageFigures([sync(bad, figure("B", 1), absent_is_zero=True)], LOCATIONS)

    assert figures.of_entry("A", "") is bad


def test_locations_are_found_in_either_form_and_unknown_ones_told_once() -> None:
    figures = MessageFigures(
        [
            sync(
                figure("A", 5, "ACME:ST-1"),
                figure("A", 1, "XX"),
                figure("B", 1, "ACME:XX"),
                locations=["ACME:ST-1", "XX"],
            )
        ],
        LOCATIONS,
    )

    assert quantity(figures.of_entry("A", "store")) == 5
    assert list(figures.unmapped) == ["XX"]


def test_what_is_shown_nowhere_is_passed_over_and_no_item_is_looked_at_because_of_it() -> None:
    locations = Locations({"ST-1": "store", "DARK": ""})
    dark = sync(figure("A", 9, "DARK"), absent_is_zero=True, locations=["DARK"])
    both = sync(figure("B", 4, "ST-1"), figure("C", 9, "DARK"), locations=["ST-1", "DARK"])

    figures = MessageFigures([dark, both], locations)

    assert not figures.unmapped
    assert not figures.names_all
    assert list(figures.items) == ["B"]
    assert quantity(figures.of_entry("B", "store")) == 4
    assert figures.of_entry("A", "store") is None


def test_a_sync_of_places_that_no_entry_shows_says_nothing_of_the_network() -> None:
    """Complete or not: an item that such a place does not hold may be anywhere else."""
    for locations in (Locations({"DARK": ""}), Locations({})):
        complete = sync(figure("A", 9, "DARK"), absent_is_zero=True, locations=["DARK"])
        asked = replace(complete, absent_is_zero=False, absent_is_asked=True)

        for figures in (MessageFigures([complete], locations), MessageFigures([asked], locations)):
            assert figures.of_entry("B", "") is None
            assert not figures.says_something_of("B", "")
            assert not figures.names_all
