"""A clock that a test moves, a host that is what a test says, and a systemd that listens."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from polyfleet_agent.core.platforms.entries import make_chain
from polyfleet_agent.ports import DetectedPlatform, Usage
from polyfleet_shared.messages import HostFacts, PlatformSource
from polyfleet_shared.platforms import Platform


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0

    def monotonic(self) -> float:
        return self._elapsed

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def advance(self, seconds: float) -> None:
        self._elapsed += seconds


@dataclass
class FakeHost:
    """A small machine of the given platform."""

    native: Platform = field(default_factory=lambda: Platform.parse("linux/arm64"))
    source: PlatformSource = PlatformSource.DETECTED
    temperature: float | None = None

    def facts(self, podman_version: str) -> HostFacts:
        return HostFacts(
            hostname="host",
            machine="aarch64",
            cpu_model="Fake",
            cpu_count=4,
            memory_total=1 << 30,
            disk_total=1 << 33,
            os_name="Debian GNU/Linux",
            os_version="12",
            kernel="6.1.0",
            podman_version=podman_version,
            boot_id="11111111-2222-3333-4444-555555555555",
            time_zone="Europe/Berlin",
        )

    def platform(self) -> DetectedPlatform:
        platforms = make_chain(self.native, "a fake says so")
        return DetectedPlatform(platform=self.native, source=self.source, platforms=platforms)

    def usage(self) -> Usage:
        return Usage(
            cpu_percent=12.5,
            memory_used=1 << 28,
            memory_total=1 << 30,
            disk_used=1 << 32,
            disk_total=1 << 33,
            temperature=self.temperature,
        )


@dataclass
class FakeSupervisor:
    """Keeps what it was told, as systemd would read it."""

    watchdog_interval: float | None = None
    told: list[str] = field(default_factory=list)

    def ready(self) -> None:
        self.told.append("READY=1")

    def status(self, text: str) -> None:
        self.told.append("STATUS=" + " ".join(text.splitlines()))

    def stopping(self) -> None:
        self.told.append("STOPPING=1")

    def alive(self) -> None:
        if self.watchdog_interval is not None:
            self.told.append("WATCHDOG=1")
