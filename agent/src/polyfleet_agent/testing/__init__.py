"""Fakes of the agent's ports, in memory. They pass the same contract suites as the real adapters."""

from polyfleet_agent.testing.machine import FakeClock, FakeHost, FakeSupervisor
from polyfleet_agent.testing.messaging import FakeBroker, FakeTransport, PublishedMessage
from polyfleet_agent.testing.podman import FakeMachine, FakeRuntime
from polyfleet_agent.testing.registry import FakeRegistry
from polyfleet_agent.testing.storage import MemoryDisk, MemorySpool, MemoryState

__all__ = [
    "FakeBroker",
    "FakeClock",
    "FakeHost",
    "FakeMachine",
    "FakeRegistry",
    "FakeRuntime",
    "FakeSupervisor",
    "FakeTransport",
    "MemoryDisk",
    "MemorySpool",
    "MemoryState",
    "PublishedMessage",
]
