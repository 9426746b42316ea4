"""What a host tells of itself, the one in memory and this machine alike."""

from pathlib import Path

import pytest

from polyfleet_agent.adapters.hostinfo import LinuxHost
from polyfleet_agent.ports import Host
from polyfleet_agent.testing import FakeHost
from polyfleet_controller.lab.binfmt import BINFMT_MISC, is_enabled, native_platform
from polyfleet_shared.messages import PlatformSource
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform


@pytest.fixture(params=["memory", "linux"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return FakeHost() if request.param == "memory" else LinuxHost(configured=None, disk=tmp_path)


def test_what_the_machine_is_stays_the_same(host: Host) -> None:
    facts = host.facts("4.3.1")
    assert facts == host.facts("4.3.1")
    assert facts.podman_version == "4.3.1"
    assert all((facts.hostname, facts.machine, facts.os_name, facts.kernel, facts.boot_id))
    assert min(facts.cpu_count, facts.memory_total, facts.disk_total) > 0


def test_the_native_platform_comes_first(host: Host) -> None:
    detected = host.platform()
    assert detected.source is PlatformSource.DETECTED
    assert detected.platforms[0] == RunnablePlatform(platform=detected.platform, fit=Fit.NATIVE)
    assert all(entry.found for entry in detected.platforms)
    assert detected == host.platform()


def test_what_is_used_is_part_of_what_there_is(host: Host) -> None:
    usage, facts = host.usage(), host.facts("")
    assert usage.cpu_percent >= 0
    assert 0 < usage.memory_used <= usage.memory_total == facts.memory_total
    assert 0 < usage.disk_used <= usage.disk_total == facts.disk_total


def test_this_machine_is_detected_as_what_it_is(tmp_path: Path) -> None:
    found = LinuxHost(configured=None, disk=tmp_path).platform().platform
    assert (found.os, found.architecture) == ("linux", Platform.parse(native_platform()).architecture)


def test_emulated_platforms_are_listed_only_where_they_are_wanted(tmp_path: Path) -> None:
    fits = {
        emulation: {
            entry.fit
            for entry in LinuxHost(configured=None, emulation=emulation, disk=tmp_path).platform().platforms
        }
        for emulation in (False, True)
    }
    usable = any(is_enabled(path.name) for path in BINFMT_MISC.glob("qemu-*"))
    assert Fit.EMULATED not in fits[False]
    assert (Fit.EMULATED in fits[True]) is usable


def test_a_configured_platform_overrides_the_detected_one(tmp_path: Path) -> None:
    platform = Platform.parse("linux/arm/v6")
    detected = LinuxHost(configured=platform, disk=tmp_path).platform()
    assert (detected.platform, detected.source) == (platform, PlatformSource.CONFIGURED)
    assert [str(item.platform) for item in detected.platforms] == ["linux/arm/v6", "linux/arm/v5"]
