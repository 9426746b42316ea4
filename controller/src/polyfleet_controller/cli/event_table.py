"""What happened on a device, for people."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from rich.table import Table

from polyfleet_controller.cli.humanized import humanize_age, humanize_bytes, humanize_duration
from polyfleet_controller.cli.layout import make_table
from polyfleet_controller.cli.words import NOTHING
from polyfleet_controller.services.views import EventView

_CLOCK_TOLERANCE: Final = timedelta(minutes=1)


def draw_events(events: Iterable[EventView], now: datetime, names: Mapping[str, str]) -> Table:
    """One line for each event, by the device's clock; `names` are workloads by uid."""
    return make_table(
        ("WHEN", "EVENT", "WORKLOAD", "DETAIL"),
        (
            (
                humanize_age(event.at, now),
                event.kind.replace("_", " "),
                names.get(event.workload, event.workload) if event.workload else NOTHING,
                "; ".join(_event_details(event)) or NOTHING,
            )
            for event in events
        ),
        wrapped=("WORKLOAD", "DETAIL"),
    )


def _event_details(event: EventView) -> Iterator[str]:
    if event.reason is not None:
        yield event.reason
    if event.message:
        yield event.message
    if event.size is not None:
        yield humanize_bytes(event.size)
    if event.seconds is not None:
        yield f"took {event.seconds:.1f} s"
    if event.release is not None:
        yield f"release {event.release}"
    lag = event.received_at - event.at
    if lag > _CLOCK_TOLERANCE:
        yield f"received {humanize_duration(lag.total_seconds())} later"
    elif lag < -_CLOCK_TOLERANCE:
        yield f"the device's clock was {humanize_duration(-lag.total_seconds())} ahead"
