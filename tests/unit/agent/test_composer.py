"""Messages of a device, each at its place in the device's history."""

from datetime import UTC, datetime

from polyfleet_agent.composer import Composer
from polyfleet_agent.core.actions import PublishReported
from polyfleet_agent.executor import shorten
from polyfleet_agent.ports import Identity, Usage
from polyfleet_shared.messages import Phase, Presence, Reported, Telemetry, WorkloadReport
from polyfleet_shared.reasons import Reason
from polyfleet_shared.wire import decode_message

NOON = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
IDLE = Usage(cpu_percent=1.5, memory_used=1, memory_total=2, disk_used=3, disk_total=4, temperature=None)


def make_composer() -> Composer:
    return Composer(Identity(incarnation="a1", boot=4), {"site": "attic"})


def reported(*workloads: WorkloadReport) -> PublishReported:
    return PublishReported(observed=None, conditions=(), workloads=workloads)


def make_report(number: int, message: str = "") -> WorkloadReport:
    return WorkloadReport(
        uid=f"u{number}", namespace="default", name="x", release="r", phase=Phase.FAILED, message=message
    )


def test_each_channel_counts_by_itself_within_the_boot() -> None:
    composer = make_composer()
    stamps = [decode_message(Reported, composer.reported(reported())).stamp for _ in range(2)]
    other = decode_message(Telemetry, composer.telemetry(IDLE, NOON)).stamp
    assert [(item.incarnation, item.boot, item.seq) for item in (*stamps, other)] == [
        ("a1", 4, 1),
        ("a1", 4, 2),
        ("a1", 4, 1),
    ]


def test_the_will_of_a_connection_orders_after_its_presence() -> None:
    composer = make_composer()
    online = decode_message(Presence, composer.presence(7, NOON, online=True))
    will = decode_message(Presence, composer.presence(7, NOON, online=False))
    following = decode_message(Presence, composer.presence(8, NOON, online=True))
    assert online.order < will.order < following.order


def test_a_report_that_does_not_fit_says_so_instead() -> None:
    everything = [make_report(number, "m" * 500) for number in range(1000)]
    message = decode_message(Reported, make_composer().reported(reported(*everything)))
    assert message.workloads == ()
    assert [item.reason for item in message.conditions] == [Reason.OVERSIZED_DOCUMENT]


def test_a_message_is_shortened_in_its_middle_and_holds_nothing_that_no_peer_takes() -> None:
    assert shorten("short") == "short"
    assert shorten("half \udc80 and \0") == "half ? and \ufffd"
    text = shorten("begin" + "x" * 10_000 + "end")
    assert (text[:5], text[-3:], len(text)) == ("begin", "end", 499)
