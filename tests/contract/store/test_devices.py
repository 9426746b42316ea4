"""Devices as operators list, admit and delete them."""

import base64

import pytest

from controlroom import PLATFORMS, ControlRoom, Voice, retained
from polyfleet_controller.domain.selectors import Selector
from polyfleet_controller.services.devices import DeviceFilter
from polyfleet_controller.services.errors import InvalidPageError, NotFoundError
from polyfleet_controller.services.pages import PageRequest
from polyfleet_controller.services.views import Admission, Connectivity, Sync
from polyfleet_shared.platforms import Platform


@pytest.fixture
def fleet(room: ControlRoom) -> dict[str, Voice]:
    """Ten devices: dev-0 to dev-9, of four platforms, of which dev-9 went offline and dev-8 is pending."""
    voices = {
        f"dev-{number}": Voice(
            name=f"dev-{number}",
            platform=PLATFORMS[number % 4],
            labels={"site": "roof" if number < 3 else "cellar", "floor": str(number % 2)},
        )
        for number in range(10)
    }
    room.enrol(*voices.values())
    room.devices.delete("dev-8", now=room.now)
    voices["dev-8"].boot += 1
    room.receive(*voices["dev-8"].introduce(), voices["dev-9"].disconnect())
    return voices


def names(room: ControlRoom, filters: DeviceFilter) -> list[str]:
    return [view.name for view in room.devices.list(PageRequest(), filters).items]


@pytest.mark.usefixtures("fleet")
def test_devices_are_listed_by_what_they_have_in_common(room: ControlRoom) -> None:
    def numbered(*numbers: int) -> list[str]:
        return [f"dev-{number}" for number in numbers]

    assert names(room, DeviceFilter()) == numbered(*range(10))
    assert names(room, DeviceFilter(admission=Admission.PENDING)) == numbered(8)
    assert names(room, DeviceFilter(connectivity=Connectivity.OFFLINE)) == numbered(9)
    assert names(room, DeviceFilter(sync=Sync.UNASSIGNED)) == numbered(8)
    assert names(room, DeviceFilter(platform=Platform.parse("linux/arm"))) == numbered(2, 6)
    assert names(room, DeviceFilter(labels={"site": "roof"})) == numbered(0, 1, 2)
    assert names(room, DeviceFilter(labels={"site": "roof", "floor": "1"})) == numbered(1)
    assert names(room, DeviceFilter(labels={"kubernetes.io/arch": "amd64"})) == numbered(0, 4, 8)
    assert names(room, DeviceFilter(sync=Sync.IN_SYNC, labels={"floor": "0"})) == numbered(0, 2, 4, 6)
    assert names(room, DeviceFilter(labels={"site": "moon"})) == []


@pytest.mark.usefixtures("fleet")
def test_a_selector_lists_what_it_matches(room: ControlRoom) -> None:
    room.label("dev-1", retired="")
    room.label("dev-5", retired="2025")
    everything = room.devices.list(PageRequest()).items
    for text in (
        "",
        "site=roof",
        "site!=roof",
        "site in (roof,moon),floor=1",
        "site notin (roof,moon)",
        "retired",
        "!retired",
        "retired=",
        "retired!=2025",
        "retired notin (2025),retired",
        "kubernetes.io/arch in (arm,arm64),!retired",
        "polyfleet.io/variant",
        "!polyfleet.io/variant,floor!=0",
        "nobody.has/it",
        "!nobody.has/it",
    ):
        selector = Selector.parse(text)
        expected = [view.name for view in everything if selector.matches(view.labels)]
        assert names(room, DeviceFilter(selector=selector)) == expected, text
    assert names(room, DeviceFilter(selector=Selector.parse("!retired"), labels={"floor": "1"})) == [
        "dev-3",
        "dev-7",
        "dev-9",
    ]


@pytest.mark.usefixtures("fleet")
def test_pages_hold_every_device_once(room: ControlRoom) -> None:
    found: list[str] = []
    cursor = None
    while True:
        page = room.devices.list(PageRequest(limit=3, cursor=cursor))
        found += [view.name for view in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.items) == 3
    assert found == [f"dev-{number}" for number in range(10)]


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "é", "bm8=", base64.urlsafe_b64encode(b"[1]").decode(), base64.b64encode(b"[]").decode()],
)
def test_a_cursor_that_is_none_of_ours_is_refused(room: ControlRoom, cursor: str) -> None:
    with pytest.raises(InvalidPageError, match="nextCursor"):
        room.devices.list(PageRequest(cursor=cursor))
    with pytest.raises(InvalidPageError, match="nextCursor"):
        room.workloads.list(PageRequest(cursor=cursor))


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_a_size(limit: int) -> None:
    with pytest.raises(InvalidPageError, match="between 1 and 1000"):
        PageRequest(limit=limit)


def test_new_labels_replace_the_old_ones(room: ControlRoom) -> None:
    voice = Voice(labels={"site": "roof"})
    room.enrol(voice)
    voice.labels = {"site": "cellar"}
    room.receive(voice.describe())
    assert names(room, DeviceFilter(labels={"site": "roof"})) == []
    assert names(room, DeviceFilter(labels={"site": "cellar"})) == ["dev-1"]


def test_a_deleted_device_is_forgotten(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    room.apply()
    room.receive(voice.tell(), voice.measure())
    room.devices.delete("dev-1", now=room.now)
    with pytest.raises(NotFoundError, match="there is no device 'dev-1'"):
        room.show("dev-1")
    with pytest.raises(NotFoundError):
        room.events.list("dev-1", PageRequest())
    assert room.workload().placements == ()
    assert room.workload().workload.platforms == ()


def test_a_deleted_device_comes_back_pending_with_its_first_live_message(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    room.apply()
    room.settle(voice)
    room.devices.delete("dev-1", now=room.now)
    room.receive(*(retained(arrival) for arrival in (voice.connect(), voice.describe(), voice.report())))
    assert names(room, DeviceFilter()) == []
    rebuilt = voice.reinstall("life-2")
    room.receive(*rebuilt.introduce())
    assert room.show("dev-1").device.admission is Admission.PENDING
    assert room.deliver_documents() == {}
    room.receive(rebuilt.report())
    assert room.show("dev-1").device.admission is Admission.PENDING


def test_an_admitted_device_gets_all_workloads(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    room.devices.delete("dev-1", now=room.now)
    room.deliver()
    room.apply()
    room.receive(*voice.introduce())
    woken = room.woken
    assert room.devices.admit("dev-1", now=room.now).sync is Sync.BEHIND
    assert room.woken == woken + 1
    room.settle(voice)
    assert room.show("dev-1").device.sync is Sync.IN_SYNC
    room.devices.admit("dev-1", now=room.now)
    assert (room.woken, room.deliver()) == (woken + 1, ())


def test_a_device_can_be_admitted_before_it_says_what_it_is(room: ControlRoom) -> None:
    voice = Voice()
    room.apply()
    room.receive(voice.connect())
    assert room.devices.admit("dev-1", now=room.now).admission is Admission.ADMITTED
    room.receive(voice.describe(), voice.report())
    room.settle(voice)
    assert room.show("dev-1").device.sync is Sync.IN_SYNC


def test_who_is_not_there_cannot_be_changed(room: ControlRoom) -> None:
    with pytest.raises(NotFoundError):
        room.devices.admit("nobody", now=room.now)
    with pytest.raises(NotFoundError):
        room.devices.delete("nobody", now=room.now)
    with pytest.raises(NotFoundError):
        room.devices.resolve_duplicate("nobody", now=room.now)
    assert room.woken == 0
