"""A MAO Location and the commercetools Channel that stands for it.

An internal LocationId may be `<organisation>:<display id>` ("ecomorg:T0983") where availability shows the
short form; either may be configured (MAO docs: how-optimization-works; which one a tenant uses differs).

A location whose channel key is "" is known and shown nowhere (a dark store, a damage hall): nobody asks for
its stock, no entry counts it, and nothing that names it is rejected. What ships from it ships all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ct_mao_sync.errors import Rejection


class Locations:
    """`[mapping.locations]`: finds the configured location, and its channel, whatever form is sent."""

    def __init__(self, channel_keys: Mapping[str, str]) -> None:
        self._channel_keys = dict(channel_keys)
        by_plain: dict[str, list[str]] = {}
        for location in self._channel_keys:
            by_plain.setdefault(plain_location(location), []).append(location)
        self._by_plain = by_plain

    @property
    def location_ids(self) -> tuple[str, ...]:
        """Those that are shown somewhere, as configured; these are asked for."""
        return tuple(place for place, key in self._channel_keys.items() if key)

    @property
    def channel_keys(self) -> tuple[str, ...]:
        return tuple(key for key in dict.fromkeys(self._channel_keys.values()) if key)

    def locations_of(self, channel_key: str) -> tuple[str, ...]:
        """The configured locations whose stock the channel's entry shows, together."""
        return tuple(place for place in self.location_ids if self._channel_keys[place] == channel_key)

    def find(self, location_id: str) -> str | None:
        """The configured LocationId that is meant: the very same, else the one of the same display id.
        None for an unknown one, and where two organisations share the display id."""
        if location_id in self._channel_keys:
            return location_id
        candidates = self._by_plain.get(plain_location(location_id), ())
        if len(candidates) != 1:
            return None
        # Two different organisations are two locations, whatever their display ids.
        if ":" in location_id and ":" in candidates[0]:
            return None
        return candidates[0]

    def candidates(self, location_id: str) -> tuple[str, ...]:
        """Every configured location that may be meant by a form that fits several."""
        return tuple(self._by_plain.get(plain_location(location_id), ()))

    def channel_of(self, location_id: str) -> str | None:
        """None for an unknown location, "" for one that is shown nowhere."""
        found = self.find(location_id)
        return None if found is None else self._channel_keys[found]

    def reject_unmapped(self, location_ids: Iterable[str]) -> dict[str, Rejection]:
        """Location -> `location-unmapped`, once for each unmapped location however often it is named; both
        forms of one location are one."""
        rejected: dict[str, Rejection] = {}
        for location_id in dict.fromkeys(location_ids):
            if self.find(location_id) is not None:
                continue
            name = plain_location(location_id)
            if len(self.candidates(location_id)) > 1:
                what = f"MAO location {location_id!r} fits several of mapping.locations: " + ", ".join(
                    self.candidates(location_id)
                )
                hint = "write them with their organisation, or have MAO send it with its own"
            else:
                what = f"MAO location {location_id!r} has no commercetools channel"
                hint = (
                    f'add {_toml(name)} = "<channel key>" under [mapping.locations]; '
                    f'{_toml(name)} = "" where it is to be shown nowhere'
                )
            rejected.setdefault(
                name, Rejection("location-unmapped", what, field="mapping.locations", hint=hint)
            )
        return rejected

    def reject_missing_channels(self, known_channel_keys: Iterable[str]) -> dict[str, Rejection]:
        """Location -> `location-unmapped` where commercetools has no channel of the configured key."""
        known = frozenset(known_channel_keys)
        return {
            location: Rejection(
                "location-unmapped",
                f"MAO location {location!r}: commercetools has no channel {key!r}",
                field=f"mapping.locations.{location}",
                hint="create it (role InventorySupply): ct-mao-sync setup; or correct the key",
            )
            for location, key in self._channel_keys.items()
            if key and key not in known
        }


def plain_location(location_id: str) -> str:
    """The display id: what stands behind the last colon."""
    return location_id.rsplit(":", 1)[-1] or location_id


def _toml(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
