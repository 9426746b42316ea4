"""A real MQTT broker (Mosquitto) on loopback."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from polyfleet_controller.lab.ports import LOOPBACK, free_port, is_listening, require_free
from polyfleet_controller.lab.processes import ChildProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """What a fleet needs of Mosquitto. The limits are per client, in messages and bytes.

    With Mosquitto's own limits (1,000 queued, 20 in flight) two thirds of a burst of 40,000 messages were
    dropped without a word.
    """

    port: int
    max_queued_messages: int = 100_000
    max_inflight_messages: int = 1_000
    max_packet_size: int = 1024 * 1024
    persistence: Path | None = None


def render_mosquitto_config(settings: BrokerSettings) -> str:
    """Return the configuration file (mosquitto.conf(5)) of a broker that only this machine reaches."""
    lines = [
        f"listener {settings.port} {LOOPBACK}",
        "allow_anonymous true",
        # Started by root, Mosquitto becomes the user `mosquitto`, who cannot write a directory of ours.
        "user root",
        f"max_queued_messages {settings.max_queued_messages}",
        f"max_inflight_messages {settings.max_inflight_messages}",
        f"max_packet_size {settings.max_packet_size}",
        # Otherwise Nagle's algorithm makes every round trip take 44 ms.
        "set_tcp_nodelay true",
        "log_dest stderr",
    ]
    if settings.persistence is None:
        lines.append("persistence false")
    else:
        lines += ["persistence true", f"persistence_location {settings.persistence}/"]
    return "\n".join(lines) + "\n"


class Broker:
    """A broker whose port stays the same while it is stopped and started."""

    def __init__(self, directory: Path, *, port: int) -> None:
        self.port = port
        self.directory = directory
        self._config = directory / "mosquitto.conf"
        self._process: ChildProcess | None = None

    @classmethod
    def create(cls, directory: Path, *, persistent: bool = False) -> Self:
        """Write its files into `directory`, which must not exist yet, and start it.

        A broker that is not persistent forgets sessions and retained messages when it stops.

        Raises:
            LabError: it did not start.
        """
        directory.mkdir(parents=True)
        broker = cls(directory, port=free_port())
        settings = BrokerSettings(port=broker.port, persistence=directory if persistent else None)
        broker._config.write_text(render_mosquitto_config(settings), encoding="utf-8")
        broker.start()
        return broker

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start it on its port.

        Raises:
            LabError: its port is taken, or it did not start; the message has the end of its log.
        """
        require_free(self.port)
        self._process = ChildProcess.start(
            ["mosquitto", "-c", str(self._config)], log=self.directory / "mosquitto.log"
        )
        self._process.wait_until_ready(lambda: is_listening(self.port))

    def stop(self) -> None:
        """Stop it as an init system does. Idempotent."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End it with SIGKILL. Idempotent."""
        if self._process is not None:
            self._process.kill()
