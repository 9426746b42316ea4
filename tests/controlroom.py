"""The controller's services over a database, and devices that talk to them: without a broker between.

What a test sends arrives when, in what order and how often the test says.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from polyfleet_controller.domain.device_labels import LabelChange
from polyfleet_controller.domain.images import ImageReference, IndexChild, NamedImage, ResolvedImage
from polyfleet_controller.services.devices import Devices
from polyfleet_controller.services.events import Events
from polyfleet_controller.services.ingest import Arrival, Ingest, Outcome
from polyfleet_controller.services.marks import Marks
from polyfleet_controller.services.outbox import Outbox, OutboxMessage
from polyfleet_controller.services.placement_reasons import PlacementReasons
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_controller.services.preflight import Preflights
from polyfleet_controller.services.release_history import ReleaseHistory
from polyfleet_controller.services.releases import Releases
from polyfleet_controller.services.rescheduling import Rescheduling
from polyfleet_controller.services.rollouts import Rollouts
from polyfleet_controller.services.views import Applied, DeviceDetail, DeviceView, WorkloadDetail
from polyfleet_controller.services.workloads import Workloads
from polyfleet_controller.store.database import Database
from polyfleet_shared.desired import DesiredDocument, read_desired
from polyfleet_shared.features import Feature
from polyfleet_shared.messages import (
    ContainerReport,
    Event,
    EventKind,
    HostFacts,
    Inventory,
    Phase,
    PlatformSource,
    Presence,
    Reported,
    Stamp,
    Telemetry,
    WorkloadReport,
)
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform
from polyfleet_shared.topics import Channel, format_topic
from polyfleet_shared.wire import CHANNEL_OF, UpwardMessage, encode_message
from polyfleet_shared.workloads import DesiredWorkload

START = datetime(2026, 1, 1, tzinfo=UTC)
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/riscv64")
REPOSITORY = "localhost:5000/hello"


def digest(text: str) -> str:
    """A digest that is easy to tell from others."""
    return "sha256:" + text.encode().hex().rjust(64, "0")[-64:]


def index(tag: str, *platforms: str) -> ResolvedImage:
    """An image of these platforms, all four without any."""
    content = f"{tag} {sorted(platforms)}"
    is_whole = set(platforms or PLATFORMS) == set(PLATFORMS)
    return ResolvedImage(
        repository=REPOSITORY,
        index=digest(f"index {tag}") if is_whole else f"sha256:{sha256(content.encode()).hexdigest()}",
        children=tuple(
            IndexChild(
                platform=Platform.parse(platform),
                child=digest(f"{tag} {platform}"),
                config=digest(f"config {tag} {platform}"),
                size=1000,
            )
            for platform in platforms or PLATFORMS
        ),
    )


def named(*images: ResolvedImage) -> tuple[NamedImage, ...]:
    """Images under the references that `manifest` writes: the first is tag 1, the next tag 2."""
    return tuple(
        NamedImage(reference=ImageReference.parse(f"{REPOSITORY}:{number}"), image=image)
        for number, image in enumerate(images, start=1)
    )


def manifest(
    name: str = "hello", *, tag: str = "1", on_uncovered: str = "refuse", **container: object
) -> dict[str, Any]:
    """A manifest of one container, as parsed from JSON."""
    image = f"{REPOSITORY}:{tag}"
    return {
        "apiVersion": "polyfleet.io/v1",
        "kind": "Workload",
        "metadata": {"name": name},
        "spec": {
            "onUncovered": on_uncovered,
            "template": {"spec": {"containers": [{"name": "main", "image": image, **container}]}},
        },
    }


@dataclass
class Shelf:
    """A registry: what it answers for each tag. A tag that is not listed has every platform.

    `meanwhile` happens while it is asked the next time.
    """

    answers: dict[str, ResolvedImage | RegistryFailure] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    meanwhile: Callable[[], object] | None = None

    def resolve(self, reference: ImageReference, *, known: ResolvedImage | None = None) -> ResolvedImage:
        tag = reference.tag or ""
        self.asked.append(tag)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        answer = self.answers.get(tag, index(tag))
        if isinstance(answer, RegistryFailure):
            raise answer
        return known if known is not None and known.index == answer.index else answer


class ControlRoom:
    """The services. `now` moves only by `pass_time`; `woken` counts what they woke the outbox for."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = START
        self.woken = 0
        self.shelf = Shelf()
        self.ingest = Ingest(database)
        self.outbox = Outbox(database)
        self.devices = Devices(database, self._wake)
        self.marks = Marks(database, self._wake)
        self.events = Events(database)
        self.releases = Releases(database, self.shelf, self._wake)
        self.preflights = Preflights(database, self.shelf)
        self.workloads = Workloads(database, self.shelf, self._wake)
        self.rescheduling = Rescheduling(database, self._wake)
        self.rollouts = Rollouts(database, self._wake)
        self.release_history = ReleaseHistory(database, self._wake)
        self.placement_reasons = PlacementReasons(database)

    def _wake(self) -> None:
        self.woken += 1

    def pass_time(self, **duration: float) -> None:
        """Let time pass, as `timedelta` takes it."""
        self.now += timedelta(**duration)

    def receive(self, *arrivals: Arrival) -> Outcome:
        """One batch, arriving now."""
        return self.ingest.apply([replace(arrival, received_at=self.now) for arrival in arrivals])

    def deliver(self) -> tuple[OutboxMessage, ...]:
        """Publish all that is due."""
        messages = self.outbox.pending(10_000, now=self.now)
        self.outbox.delivered([message.id for message in messages], now=self.now)
        return messages

    def deliver_documents(self) -> dict[str, DesiredDocument]:
        """Publish all that is due; give the documents by device."""
        return {
            message.device: read_desired(message.payload, features=frozenset(Feature))
            for message in self.deliver()
            if message.channel is Channel.DESIRED and message.payload
        }

    def advance(self) -> dict[str, DesiredDocument]:
        """Bring rollouts on, and publish all that is due; give the documents by device."""
        self.rollouts.advance(now=self.now)
        return self.deliver_documents()

    def apply(
        self, name: str = "hello", *, tag: str = "1", on_uncovered: str = "refuse", **container: object
    ) -> Applied:
        document = manifest(name, tag=tag, on_uncovered=on_uncovered, **container)
        return self.workloads.apply(document, now=self.now)

    def show(self, device: "str | Voice") -> DeviceDetail:
        return self.devices.show(device if isinstance(device, str) else device.name)

    def label(self, device: str, *remove: str, overwrite: bool = False, **labels: str) -> DeviceView:
        change = LabelChange(set=labels, remove=remove, overwrite=overwrite)
        return self.marks.label(device, change, now=self.now)

    def workload(self, name: str = "hello") -> WorkloadDetail:
        return self.workloads.get("default", name)

    def enrol(self, *voices: "Voice") -> None:
        """Each says for the first time what it is, and gets its first document."""
        self.receive(*(arrival for voice in voices for arrival in voice.introduce()))
        self.settle(*voices)

    def settle(self, *voices: "Voice") -> None:
        """Deliver documents and let these devices carry them out, until nothing is due and rollouts end."""
        known = {voice.name: voice for voice in voices}
        while documents := self.advance():
            heard = [known[name] for name in documents if name in known]
            for voice in heard:
                voice.obey(documents[voice.name])
            self.receive(*(voice.report() for voice in heard))


@dataclass
class Voice:
    """A device that talks. Each message is newer than the one before of its channel."""

    name: str = "dev-1"
    platform: str = "linux/amd64"
    incarnation: str = "life-1"
    boot: int = 1
    connection: int = 0
    platforms: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    document: DesiredDocument | None = None
    workloads: tuple[WorkloadReport, ...] = ()
    seqs: dict[Channel, int] = field(default_factory=dict)

    def introduce(self) -> tuple[Arrival, ...]:
        """What an agent sends on every connect."""
        return (self.connect(), self.describe(), self.report())

    def connect(self) -> Arrival:
        self.connection += 1
        return self.say(self._presence(online=True))

    def disconnect(self) -> Arrival:
        return self.say(self._presence(online=False))

    def describe(self) -> Arrival:
        return self.say(self.inventory())

    def report(self, **changes: Any) -> Arrival:  # noqa: ANN401 - the fields of Reported
        return self.say(replace(self.reported(), **changes))

    def tell(self, kind: EventKind = EventKind.STARTED, **changes: Any) -> Arrival:  # noqa: ANN401 - of Event
        return self.say(replace(self.event(kind), **changes))

    def measure(self) -> Arrival:
        return self.say(self.telemetry())

    def say(self, message: UpwardMessage) -> Arrival:
        return self.send(CHANNEL_OF[type(message)], encode_message(message))

    def send(self, channel: Channel, payload: bytes) -> Arrival:
        return Arrival(
            topic=format_topic(self.name, channel), payload=payload, retained=False, received_at=START
        )

    def obey(self, document: DesiredDocument) -> None:
        """Take a document if it is newer, and run all that it says."""
        if self.document is None or document.version.order > self.document.version.order:
            self.document = document
            self.workloads = tuple(run(workload) for workload in document.workloads)

    def reinstall(self, incarnation: str) -> "Voice":
        """The same machine with an empty disk; or another one under its name."""
        return Voice(
            name=self.name, platform=self.platform, incarnation=incarnation, platforms=self.platforms
        )

    def inventory(self) -> Inventory:
        platforms = self.platforms or (self.platform,)
        return Inventory(
            stamp=self.stamp(Channel.INVENTORY),
            agent_version="0.1.0",
            wire_versions=(1,),
            features=(),
            platform=Platform.parse(self.platform),
            platform_source=PlatformSource.CONFIGURED,
            platforms=tuple(
                RunnablePlatform(platform=Platform.parse(platform), fit=Fit.NATIVE) for platform in platforms
            ),
            host=HOST,
            labels=self.labels,
        )

    def reported(self) -> Reported:
        return Reported(
            stamp=self.stamp(Channel.REPORTED),
            observed=None if self.document is None else self.document.version,
            workloads=self.workloads,
        )

    def event(self, kind: EventKind) -> Event:
        return Event(stamp=self.stamp(Channel.EVENT), kind=kind, at=START)

    def telemetry(self) -> Telemetry:
        return Telemetry(
            stamp=self.stamp(Channel.TELEMETRY),
            at=START,
            cpu_percent=12.5,
            memory_used=1,
            memory_total=2,
            disk_used=3,
            disk_total=4,
        )

    def stamp(self, channel: Channel) -> Stamp:
        """The next place in a channel's order."""
        self.seqs[channel] = self.seqs.get(channel, 0) + 1
        return Stamp(incarnation=self.incarnation, boot=self.boot, seq=self.seqs[channel])

    def _presence(self, *, online: bool) -> Presence:
        return Presence(
            incarnation=self.incarnation,
            boot=self.boot,
            connection=self.connection,
            online=online,
            since=START,
        )


HOST = HostFacts(
    hostname="board",
    machine="x86_64",
    cpu_model="a processor",
    cpu_count=4,
    memory_total=1 << 30,
    disk_total=1 << 33,
    os_name="debian",
    os_version="12",
    kernel="6.1.0",
    podman_version="4.3.1",
    boot_id="boot",
)


def run(workload: DesiredWorkload) -> WorkloadReport:
    """The report of a workload that runs as it should."""
    return WorkloadReport(
        uid=workload.uid,
        namespace=workload.namespace,
        name=workload.name,
        release=workload.release,
        phase=Phase.RUNNING,
        ready_seconds=max(1, workload.min_ready_seconds),
        containers=tuple(
            ContainerReport(
                name=container.name,
                container_id="c1",
                running=True,
                image_id=container.image.config,
                child=container.image.child,
            )
            for container in workload.containers
        ),
    )


def retained(arrival: Arrival) -> Arrival:
    """The broker's stored copy of a message."""
    return replace(arrival, retained=True)
