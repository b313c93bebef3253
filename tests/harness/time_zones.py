"""Time zones as Calibre uses them."""

from __future__ import annotations

from datetime import datetime, timezone, tzinfo
from zoneinfo import ZoneInfo


def zone_of_calibre(name: str) -> tzinfo:
    """The time zone in which this Calibre shows dates to a user in the zone with this name.

    Some versions (seen: 8.5) use the offset at their start for the whole year.
    """
    from calibre.utils.iso8601 import local_tz

    zone = ZoneInfo(name)
    if isinstance(local_tz, timezone):
        offset = datetime.now(zone).utcoffset()
        assert offset is not None
        return timezone(offset)
    return zone
