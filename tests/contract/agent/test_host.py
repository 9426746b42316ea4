"""What a host tells of itself, the one in memory and this machine alike."""

import platform as machine
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from polyfleet_agent.adapters.hostinfo import LinuxHost, gather_facts
from polyfleet_agent.core.platforms.facts import Handler, MachineFacts
from polyfleet_agent.core.platforms.listing import list_platforms
from polyfleet_agent.ports import Host
from polyfleet_agent.testing import FakeHost
from polyfleet_controller.lab.binfmt import native_platform
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
    directory = tmp_path / "proc/sys/fs/binfmt_misc"
    directory.mkdir(parents=True)
    (directory / "status").write_text("enabled\n", encoding="utf-8")
    (directory / "qemu-s390x").write_text(
        "enabled\nflags: F\noffset 0\nmagic 7f454c4602020100000000000000000000020016\n", encoding="utf-8"
    )
    for emulation in (False, True):
        host = LinuxHost(configured=None, emulation=emulation, disk=tmp_path, root=tmp_path)
        emulated = [each for each in host.platform().platforms if each.fit is Fit.EMULATED]
        assert [str(each.platform) for each in emulated] == (["linux/s390x"] if emulation else [])


@pytest.mark.parametrize(
    ("link", "text", "zone"),
    [
        ("/usr/share/zoneinfo/Europe/Berlin", "", "Europe/Berlin"),
        ("../usr/share/zoneinfo/America/Argentina/Ushuaia", "Asia/Tokyo", "America/Argentina/Ushuaia"),
        (None, "Asia/Tokyo\n", "Asia/Tokyo"),
        ("/srv/my-zone", "Etc/GMT+2\n", "Etc/GMT+2"),
        (None, "", ""),
        ("/usr/share/zoneinfo/", "no zone at all\n", ""),
    ],
)
def test_the_time_zone_is_the_one_that_the_clock_shows(
    link: str | None, text: str, zone: str, tmp_path: Path
) -> None:
    (tmp_path / "etc").mkdir()
    if link is not None:
        (tmp_path / "etc/localtime").symlink_to(link)
    if text:
        (tmp_path / "etc/timezone").write_text(text, encoding="utf-8")
    assert LinuxHost(configured=None, disk=tmp_path, root=tmp_path).facts("").time_zone == zone


@pytest.mark.parametrize("config", ["boot/config-{}", "lib/modules/{}/config"])
def test_all_that_the_kernel_says_is_read(config: str, tmp_path: Path) -> None:
    files = {
        "proc/cpuinfo": "processor\t: 0\n",
        "proc/cmdline": "quiet\n",
        "proc/sys/abi/swp": "1\n",
        "proc/sys/abi/setend": "1\n",
        "proc/sys/fs/binfmt_misc/register": "",
        "proc/sys/fs/binfmt_misc/status": "enabled\n",
        "proc/sys/fs/binfmt_misc/qemu-arm": "enabled\nflags: F\n",
        config.format(machine.release()): "CONFIG_COMPAT=y\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    facts = MachineFacts(
        machine=machine.machine(),
        bits=64 if sys.maxsize > 1 << 32 else 32,
        cpuinfo="processor\t: 0\n",
        command_line="quiet\n",
        abi=frozenset({"swp", "setend"}),
        kernel_config="CONFIG_COMPAT=y\n",
        handlers=(Handler(name="qemu-arm", registration="enabled\nflags: F\n"),),
    )
    assert gather_facts(tmp_path) == facts
    (tmp_path / "proc/sys/fs/binfmt_misc/status").write_text("disabled\n", encoding="utf-8")
    assert gather_facts(tmp_path) == replace(facts, handlers=())


def test_a_machine_that_says_nothing_is_read_as_well(tmp_path: Path) -> None:
    facts = gather_facts(tmp_path)
    assert facts == MachineFacts(machine=facts.machine, bits=facts.bits)


def test_a_host_is_what_its_machine_says(tmp_path: Path) -> None:
    facts = gather_facts()
    assert facts.cpuinfo
    assert LinuxHost(configured=None, disk=tmp_path).platform().platforms == list_platforms(facts)


def test_a_configured_platform_overrides_the_detected_one(tmp_path: Path) -> None:
    platform = Platform.parse("linux/arm/v6")
    detected = LinuxHost(configured=platform, disk=tmp_path).platform()
    assert (detected.platform, detected.source) == (platform, PlatformSource.CONFIGURED)
    assert [str(item.platform) for item in detected.platforms] == ["linux/arm/v6", "linux/arm/v5"]
