"""docs/protocol.md says what the code does: the codec reads its examples, its tables list every field."""

import json
import re
from dataclasses import MISSING, Field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pytest

from polyfleet_shared.codec import json_name
from polyfleet_shared.desired import DesiredDocument, read_desired, write_desired
from polyfleet_shared.features import Feature
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.messages import (
    Acknowledgement,
    Condition,
    ContainerReport,
    DocumentVersion,
    Event,
    EventKind,
    HostFacts,
    Inventory,
    Phase,
    Presence,
    PullProgress,
    Reported,
    Stamp,
    Telemetry,
    WorkloadReport,
)
from polyfleet_shared.platforms import RunnablePlatform
from polyfleet_shared.pods import SecurityContext, Volume, VolumeMount
from polyfleet_shared.probes import Probe
from polyfleet_shared.reasons import Reason, explain
from polyfleet_shared.topics import DELIVERY, Channel
from polyfleet_shared.wire import decode_message, encode_message
from polyfleet_shared.workloads import (
    ContainerPort,
    ContainerSpec,
    DesiredWorkload,
    HeldWorkload,
    ResourceLimits,
)

DOCUMENT: Final = (Path(__file__).parents[3] / "docs/protocol.md").read_text(encoding="utf-8")

MESSAGES: Final[dict[Channel, type]] = {
    Channel.PRESENCE: Presence,
    Channel.INVENTORY: Inventory,
    Channel.REPORTED: Reported,
    Channel.EVENT: Event,
    Channel.TELEMETRY: Telemetry,
    Channel.ACK: Acknowledgement,
}
# The heading over a table of fields, and whose they are.
TABLES: Final[dict[str, type]] = {
    **{f"`{channel}`": kind for channel, kind in MESSAGES.items()},
    "`down/desired`": DesiredDocument,
    "stamp": Stamp,
    "platforms": RunnablePlatform,
    "host": HostFacts,
    "conditions": Condition,
    "reported workloads": WorkloadReport,
    "pull": PullProgress,
    "containers and proof": ContainerReport,
    "document": DocumentVersion,
    "desired workloads": DesiredWorkload,
    "containers": ContainerSpec,
    "image": PinnedImage,
    "ports": ContainerPort,
    "limits": ResourceLimits,
    "volumes": Volume,
    "volume mounts": VolumeMount,
    "security context": SecurityContext,
    "probes": Probe,
    "held": HeldWorkload,
}
# Called otherwise on the wire than in the value that is made of it.
WIRE_NAMES: Final[dict[tuple[type, str], str]] = {(DesiredDocument, "version"): "document"}
LISTS: Final[dict[str, type[StrEnum]]] = {
    "phases": Phase,
    "event kinds": EventKind,
    "features": Feature,
    "Reasons": Reason,
}


def section(heading: str) -> str:
    """Return what stands between this heading and the next."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert found is not None, heading
    return found[1]


def example(channel: Channel) -> bytes:
    """Return the one example of a channel."""
    [found] = re.findall(r"```json\n(.*?)```", section(f"`{channel}`"), re.DOTALL)
    return str(found).encode()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its head."""
    lines = [line for line in section(heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines[2:]]


def names(heading: str) -> list[str]:
    return [cells[0].strip("`") for cells in rows(heading)]


def unknown_fields(told: object, known: object, path: str = "") -> list[str]:
    """Return the paths of what an example tells and the codec has let fall."""
    match told, known:
        case dict(), dict():
            return [
                found
                for key, value in told.items()
                for found in (
                    unknown_fields(value, known[key], f"{path}.{key}") if key in known else [f"{path}.{key}"]
                )
            ]
        case list(), list():
            return [
                found
                for position, (value, other) in enumerate(zip(told, known, strict=True))
                for found in unknown_fields(value, other, f"{path}[{position}]")
            ]
        case _:
            return [] if told == known else [path]


def wire_name(kind: type, field: "Field[Any]") -> str:
    return WIRE_NAMES.get((kind, field.name), json_name(field.name))


@pytest.mark.parametrize("channel", MESSAGES)
def test_the_example_of_a_message_is_one(channel: Channel) -> None:
    payload = example(channel)
    message: Any = decode_message(MESSAGES[channel], payload)
    assert decode_message(MESSAGES[channel], encode_message(message)) == message
    assert unknown_fields(json.loads(payload), json.loads(encode_message(message))) == []


def test_the_example_of_a_desired_document_is_one_to_the_letter() -> None:
    payload = example(Channel.DESIRED)
    document = read_desired(payload, features=frozenset())
    assert [item.uid for item in document.workloads] == ["5e0c7f4a-till"]
    assert [item.uid for item in document.held] == ["9d2b61ce-camera"]
    epoch, generation = document.version.order
    written = write_desired(
        epoch=epoch, generation=generation, workloads=document.workloads, held=document.held
    )
    assert json.loads(written) == json.loads(payload)


def test_the_examples_are_about_one_device() -> None:
    reported = decode_message(Reported, example(Channel.REPORTED))
    desired = read_desired(example(Channel.DESIRED), features=frozenset())
    assert reported.observed == desired.version
    [container] = reported.workloads[0].containers
    image = desired.workloads[0].containers[0].image
    assert (container.image_id, container.child) == (image.config, image.child)


@pytest.mark.parametrize("heading", TABLES)
def test_a_table_lists_every_field_in_the_order_of_the_code(heading: str) -> None:
    kind = TABLES[heading]
    assert names(heading) == [wire_name(kind, field) for field in fields(kind)]


@pytest.mark.parametrize("heading", ["desired workloads", "ports", "volume mounts", "probes"])
def test_a_table_says_the_default_of_every_field(heading: str) -> None:
    defaults = {
        cells[0].strip("`"): cells[2].strip("`")
        for cells in rows(heading)
        if cells[2].strip("`") not in ("", "the image's")
    }
    kind = TABLES[heading]
    assert defaults == {
        json_name(field.name): str(encode_default(field.default))
        for field in fields(kind)
        if field.default not in (MISSING, None, ())
    }


def encode_default(default: object) -> object:
    return str(default).lower() if isinstance(default, bool) else default


@pytest.mark.parametrize("heading", LISTS)
def test_a_closed_list_is_complete_and_in_the_order_of_the_code(heading: str) -> None:
    assert names(heading) == [member.value for member in LISTS[heading]]


def test_every_reason_is_told_in_the_words_of_the_code() -> None:
    told = {cells[0].strip("`"): cells[1:] for cells in rows("Reasons")}
    assert told == {
        reason.value: [
            "yes" if explain(reason).transient else "no",
            explain(reason).sentence,
            explain(reason).next_step,
        ]
        for reason in Reason
    }


def test_every_channel_is_listed_with_how_its_messages_travel() -> None:
    told = {cells[0].strip("`"): cells[1:4] for cells in rows("Topics")}
    assert told == {
        channel.value: [
            str(delivery.qos),
            "yes" if delivery.retain else "no",
            f"{delivery.limit // 1024} KiB",
        ]
        for channel, delivery in DELIVERY.items()
    }


def test_every_link_within_the_page_leads_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", DOCUMENT, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]*)\)", DOCUMENT)) <= anchors
