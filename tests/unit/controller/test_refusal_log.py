"""Refusals on the log: each new one a line, a flood only its count."""

import logging

import pytest

from polyfleet_controller.services.ingest import Refusal
from polyfleet_controller.transport.refusals import RefusalLog


def refusals(count: int) -> list[Refusal]:
    return [Refusal(device="d", topic="polyfleet/v1/d/up/event", message=f"no {n}") for n in range(count)]


def test_a_flood_is_counted_and_not_written(caplog: pytest.LogCaptureFixture) -> None:
    log = RefusalLog()
    with caplog.at_level(logging.WARNING):
        log.write(refusals(1000), now=5.0)
        written = len(caplog.messages)
        log.write(refusals(1), now=6.0)
        assert len(caplog.messages) == written < 1000
        log.write(refusals(1), now=5000.0)
    assert caplog.messages[0] == "refused a message on polyfleet/v1/d/up/event: no 0"
    assert caplog.messages[written:] == [
        f"refused {1000 - written + 1} more; `polyfleet device show` lists a device's",
        "refused a message on polyfleet/v1/d/up/event: no 0",
    ]


def test_what_a_device_wrote_cannot_look_like_a_line_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        RefusalLog().write([Refusal(device="d", topic="t", message="a\nERROR b\x1b[2J")], now=0.0)
    assert caplog.messages == [
        "refused a message on t: a\N{REPLACEMENT CHARACTER}ERROR b\N{REPLACEMENT CHARACTER}[2J"
    ]
