"""What full syncs say of an entry: a figure of its moment, or nothing. Pure.

What a sync names has the figure that it gives. What a complete sync of stock alone does not name has nothing,
at the moment of its oldest figure. What no sync is about is to be asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.availability import NETWORK, Figure, sum_figures
from ct_mao_sync.mapping.availability_messages import FullSync
from ct_mao_sync.mapping.locations import Locations

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Sync:
    """One full sync by the locations of the configuration."""

    at: datetime
    figures: Mapping[tuple[str, str], Figure | Rejection]
    empty_places: frozenset[str]
    """Where what it does not name has nothing."""
    unproven_places: frozenset[str]
    """Where it may."""


class MessageFigures:
    def __init__(self, syncs: Iterable[FullSync], locations: Locations) -> None:
        self._locations = locations
        self._syncs: list[_Sync] = []
        self.items: dict[str, None] = {}
        """Every item that is named."""
        unmapped: dict[str, None] = {}
        for sync in syncs:
            moments = [
                each.at for each in sync.figures.values() if isinstance(each, Figure) and each.at is not None
            ]
            if not moments:
                continue
            known: dict[str, str | None] = {NETWORK: NETWORK}
            for place in (*sync.locations, *(place for _, place in sync.figures)):
                if place not in known:
                    known[place] = locations.find(place) if locations.channel_of(place) else None
                    unmapped[place] = None
            figures = {
                (item, mapped): figure
                for (item, place), figure in sync.figures.items()
                if (mapped := known[place]) is not None
            }
            self.items.update((item, None) for item, _ in figures)
            # One that is about locations says nothing of the network, also where no entry shows any of them.
            about = sync.locations or (NETWORK,)
            places = [mapped for place in about if (mapped := known[place]) is not None]
            empty = frozenset(places if sync.absent_is_zero else ())
            unproven = frozenset(places if sync.absent_is_asked else ())
            self._syncs.append(_Sync(min(moments), figures, empty, unproven))
        self.unmapped = locations.reject_unmapped(unmapped)
        """Location -> `location-unmapped`; not those that are shown nowhere."""

    @property
    def names_all(self) -> bool:
        """A sync says something of every item, also of those that it does not name."""
        return any(sync.empty_places or sync.unproven_places for sync in self._syncs)

    def says_something_of(self, item: str, channel_key: str) -> bool:
        """Its figure is known, or a sync makes it doubtful."""
        places = set(self._locations.locations_of(channel_key) if channel_key else (NETWORK,))
        return self.of_entry(item, channel_key) is not None or any(
            sync.unproven_places & places for sync in self._syncs
        )

    def of_entry(self, item: str, channel_key: str) -> Figure | Rejection | None:
        """The figure of the network (channel "") or of the channel's locations together; None where it is
        not known of all of them."""
        if not channel_key:
            return self._find(item, NETWORK)
        found = [self._find(item, place) for place in self._locations.locations_of(channel_key)]
        known = [figure for figure in found if figure is not None]
        return sum_figures(known) if known and len(known) == len(found) else None

    def _find(self, item: str, place: str) -> Figure | Rejection | None:
        """The youngest."""
        best: Figure | Rejection | None = None
        best_at: datetime | None = None
        for sync in self._syncs:
            figure = sync.figures.get((item, place))
            if figure is None and place in sync.empty_places:
                figure = Figure(item, place, _ZERO, at=sync.at, is_listed=False)
            if figure is None:
                continue
            at = figure.at if isinstance(figure, Figure) and figure.at else sync.at
            if best_at is None or at > best_at:
                best, best_at = figure, at
        return best
