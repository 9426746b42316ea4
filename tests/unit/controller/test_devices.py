"""How a message changes what is known of a device."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controlroom import START, Voice, digest
from polyfleet_controller.domain.devices import (
    Admission,
    Connectivity,
    Contact,
    Device,
    Document,
    receive,
    resolve_duplicate,
)
from polyfleet_controller.domain.incarnations import Lives
from polyfleet_shared.messages import DocumentVersion, EventKind, Presence

LATER = START + timedelta(minutes=1)
KNOWN = Device(
    name="dev-1",
    first_seen=START,
    last_seen=START,
    admission=Admission.ADMITTED,
    decided=True,
    lives=Lives(current="life-1"),
    contact=Contact(order=(2, 5, 0), connectivity=Connectivity.ONLINE, since=START),
    inventory_order=(2, 5),
    telemetry_order=(2, 5),
    reported_order=(2, 5),
)
SEEN = DocumentVersion(epoch=1, generation=3, digest=digest("x"))


def presence(boot: int, connection: int, *, online: bool = True, incarnation: str = "life-1") -> Presence:
    return Presence(incarnation=incarnation, boot=boot, connection=connection, online=online, since=START)


@pytest.mark.parametrize(
    ("message", "connectivity"),
    [
        (presence(2, 4, online=False), None),
        (presence(2, 5), None),
        (presence(1, 9), None),
        (presence(2, 5, online=False), Connectivity.OFFLINE),
        (presence(2, 6), Connectivity.ONLINE),
        (presence(3, 1), Connectivity.ONLINE),
    ],
)
def test_presence_is_the_newest(message: Presence, connectivity: Connectivity | None) -> None:
    after = receive(KNOWN, message, live=True, now=LATER)
    if connectivity is None:
        assert after is None
    else:
        contact = Contact(order=message.order, connectivity=connectivity, since=LATER)
        assert after == replace(KNOWN, contact=contact, last_seen=LATER)


@pytest.mark.parametrize(("boot", "seq", "taken"), [(2, 4, False), (2, 5, False), (2, 6, True), (3, 1, True)])
def test_of_each_channel_only_what_is_newer_is_taken(boot: int, seq: int, *, taken: bool) -> None:
    voice = Voice()
    voice.boot = boot
    for message, field in (
        (voice.inventory(), "inventory_order"),
        (voice.telemetry(), "telemetry_order"),
        (replace(voice.reported(), observed=SEEN), "reported_order"),
    ):
        message = replace(message, stamp=replace(message.stamp, seq=seq))  # noqa: PLW2901 - at this place
        after = receive(KNOWN, message, live=True, now=LATER)
        if not taken:
            assert after is None
            continue
        assert after is not None
        assert (getattr(after, field), after.last_seen) == ((boot, seq), LATER)
        assert after.observed == (SEEN if field == "reported_order" else None)


def test_an_event_is_a_sign_of_life_in_any_order() -> None:
    event = Voice().event(EventKind.STARTED)
    assert receive(KNOWN, event, live=True, now=LATER) == replace(KNOWN, last_seen=LATER)


@pytest.mark.parametrize(("observed", "admission"), [(None, Admission.ADMITTED), (SEEN, Admission.PENDING)])
def test_the_first_report_settles_the_admission(
    observed: DocumentVersion | None, admission: Admission
) -> None:
    voice = Voice()
    new = Device(name="dev-1", first_seen=START)
    after = receive(new, replace(voice.reported(), observed=observed), live=True, now=LATER)
    assert after is not None
    assert (after.admission, after.decided) == (admission, True)
    other = SEEN if observed is None else None
    again = receive(after, replace(voice.reported(), observed=other), live=True, now=LATER)
    assert again is not None
    assert again.admission is admission


def test_a_new_life_starts_every_order_anew_and_keeps_what_an_operator_decided() -> None:
    before = replace(KNOWN, observed=SEEN, events=9, document=Document(generation=3, digest=digest("x")))
    after = receive(before, presence(1, 1, incarnation="life-2"), live=True, now=LATER)
    assert after == replace(
        before,
        last_seen=LATER,
        lives=Lives(current="life-2", former={"life-1": (2, 5)}),
        contact=Contact(order=(1, 1, 0), connectivity=Connectivity.ONLINE, since=LATER),
        inventory_order=(0, 0),
        telemetry_order=(0, 0),
        reported_order=(0, 0),
        observed=None,
    )


def test_a_clone_changes_nothing_but_that_it_is_known() -> None:
    rebuilt = replace(KNOWN, lives=Lives(current="life-2", former={"life-1": (2, 5)}))
    after = receive(rebuilt, presence(2, 6), live=True, now=LATER)
    found = replace(
        rebuilt,
        duplicate_since=LATER,
        lives=Lives(current="life-2", former={"life-1": (2, 6)}),
    )
    assert after == found
    assert receive(found, presence(2, 6), live=True, now=LATER) is None
    again = receive(found, presence(2, 7), live=True, now=LATER + timedelta(hours=1))
    assert again is not None
    assert again.duplicate_since == LATER


def test_after_a_duplicate_is_resolved_every_life_is_a_former_one() -> None:
    found = replace(KNOWN, duplicate_since=LATER, lives=Lives(current="life-2", former={"life-1": (2, 6)}))
    assert resolve_duplicate(found) == replace(
        KNOWN, duplicate_since=None, lives=Lives(current=None, former={"life-1": (2, 6), "life-2": (2, 5)})
    )
