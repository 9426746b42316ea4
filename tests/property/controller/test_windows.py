"""A window is open if and only if a minute of its schedule lies less than its duration back."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_controller.domain.rollout.strategy import Schedule, Window
from polyfleet_controller.domain.rollout.windows import Calendar

minutes = st.sets(st.integers(0, 59), min_size=1, max_size=3)
hours = st.sets(st.integers(0, 23), min_size=1, max_size=3)
weekdays = st.sets(st.integers(0, 6), min_size=1, max_size=7)


def opens_at(moment: datetime, at: tuple[set[int], set[int], set[int]]) -> bool:
    return moment.minute in at[0] and moment.hour in at[1] and moment.isoweekday() % 7 in at[2]


@given(
    st.tuples(minutes, hours, weekdays),
    st.integers(1, 3000),
    st.integers(0, 7 * 24 * 60 * 60),
)
def test_a_window_is_open_while_its_last_opening_is_recent(
    at: tuple[set[int], set[int], set[int]], duration: int, offset: int
) -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=offset)
    schedule = Schedule.parse("{} {} * * {}".format(*(",".join(map(str, sorted(part))) for part in at)))
    windows = (Window(schedule=schedule, duration_seconds=duration * 60),)
    last = now.replace(second=0)
    past = [last - timedelta(minutes=back) for back in range(duration + 1)]
    recent = [
        moment for moment in past if opens_at(moment, at) and now - moment < timedelta(minutes=duration)
    ]
    opening = Calendar(windows, now).find_opening("")
    assert (opening is None) == bool(recent)
    if opening is not None:
        ahead = (last + timedelta(minutes=step) for step in range(1, 8 * 24 * 60))
        assert opening == next(moment for moment in ahead if opens_at(moment, at))
