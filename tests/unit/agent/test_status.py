"""What a technician at the device reads."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from polyfleet_agent import cli
from polyfleet_agent.status import (
    AgentStatus,
    StatusUnavailableError,
    is_running,
    read_status,
    write_status,
)
from polyfleet_shared.messages import (
    Condition,
    ContainerReport,
    DocumentVersion,
    Phase,
    PlatformSource,
    PullProgress,
    WorkloadReport,
)
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform
from polyfleet_shared.reasons import Reason

NOON = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
CHILD = "sha256:" + "c" * 64


def make_status(pid: int = 4711) -> AgentStatus:
    return AgentStatus(
        device="edge-7",
        platform=Platform.parse("linux/arm/v7"),
        agent_version="0.1.0",
        pid=pid,
        incarnation="a1",
        boot=3,
        updated_at=NOON,
        broker="127.0.0.1:1883",
        connected=False,
        platforms=(
            RunnablePlatform(
                platform=Platform.parse("linux/arm/v7"), fit=Fit.NATIVE, found="the kernel says armv7l"
            ),
            *(
                RunnablePlatform(
                    platform=Platform.parse(f"linux/arm/{variant}"),
                    fit=Fit.COMPATIBLE,
                    found="below linux/arm/v7",
                )
                for variant in ("v6", "v5")
            ),
            RunnablePlatform(
                platform=Platform.parse("linux/386"),
                fit=Fit.EMULATED,
                found="binfmt_misc handler qemu-i386",
            ),
        ),
        broker_problem="connection refused",
        unacknowledged_events=2,
        observed=DocumentVersion(epoch=1, generation=9, digest="sha256:" + "d" * 64),
        conditions=(Condition(reason=Reason.DISK_FULL, message="/var/lib: 0 bytes free"),),
        workloads=(
            WorkloadReport(
                uid="u1",
                namespace="default",
                name="hello",
                release="r1",
                phase=Phase.RUNNING,
                restarts=1,
                containers=(
                    ContainerReport(
                        name="main", container_id="f" * 64, running=True, image_id=CHILD, child=CHILD
                    ),
                ),
            ),
            WorkloadReport(
                uid="u2",
                namespace="default",
                name="camera",
                release="r2",
                phase=Phase.BACKING_OFF,
                reason=Reason.REGISTRY_UNREACHABLE,
                message="dial tcp: connection refused",
                pull=PullProgress(done=10, total=100),
            ),
        ),
    )


def test_the_page_says_what_is_wrong_and_what_to_do() -> None:
    page = cli.format_status(make_status(), running=True, now=NOON.replace(second=5))
    assert page == (
        "device      edge-7\n"
        "platform    linux/arm/v7  detected: the kernel says armv7l\n"
        "  also runs linux/arm/v6, linux/arm/v5  compatible: below linux/arm/v7\n"
        "  also runs linux/386  emulated: binfmt_misc handler qemu-i386\n"
        "agent       0.1.0, running (process 4711), last change 5 s ago\n"
        "broker      127.0.0.1:1883  NOT CONNECTED: connection refused\n"
        "document    epoch 1, generation 9\n"
        "events      2 not yet acknowledged by the controller\n"
        "\n"
        "PROBLEM     disk_full\n"
        "  what      The device's disk is full.\n"
        "  next      Free space on the device; work goes on by itself after that.\n"
        "  details   /var/lib: 0 bytes free\n"
        "\n"
        "workload    default/hello  running, restarted 1 times\n"
        f"  container ffffffffffff  runs  {CHILD}\n"
        "\n"
        "workload    default/camera  backing_off, 10 of 100 bytes pulled\n"
        "  reason    registry_unreachable\n"
        "  what      The registry does not answer.\n"
        "  next      Check the network, DNS and proxy between here and the registry;"
        " work goes on by itself after that.\n"
        "  details   dial tcp: connection refused\n"
    )


@pytest.mark.parametrize(("fallback", "told"), [("till-3", "till-3, which runs"), ("", "nothing that runs")])
def test_a_device_that_went_back_says_so_and_to_what(fallback: str, told: str) -> None:
    report = WorkloadReport(
        uid="u1",
        namespace="default",
        name="till",
        release="till-4",
        phase=Phase.ROLLED_BACK,
        reason=Reason.OOM_KILLED,
        message="ended with exit code 137",
        fallback=fallback,
    )
    page = cli.format_status(replace(make_status(), workloads=(report,)), running=True, now=NOON)
    assert page.endswith(
        "\nworkload    default/till  rolled_back\n"
        f"  back to   {told}: till-4 failed here and is not tried again\n"
        "  reason    oom_killed\n"
        "  what      The container needed more memory than its limit and was killed.\n"
        "  next      Raise the workload's memory limit, or find what uses the memory.\n"
        "  details   ended with exit code 137\n"
    )


def test_a_dead_agent_is_called_dead() -> None:
    page = cli.format_status(make_status(), running=False, now=NOON)
    assert "NOT RUNNING; this is what it said last" in page


def test_a_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "run" / "status.json"
    write_status(path, make_status(os.getpid()))
    assert read_status(path) == make_status(os.getpid())
    assert is_running(read_status(path))


def test_how_a_platform_was_found_is_unknown_of_an_older_agent() -> None:
    status = replace(make_status(), platforms=(), platform_source=PlatformSource.CONFIGURED)
    page = cli.format_status(status, running=True, now=NOON)
    assert page.splitlines()[1] == "platform    linux/arm/v7  configured"


def test_where_no_agent_ran_the_next_step_is_named(tmp_path: Path) -> None:
    with pytest.raises(StatusUnavailableError) as caught:
        read_status(tmp_path / "status.json")
    assert "systemctl start polyfleet-agent" in str(caught.value)


def test_a_status_that_cannot_be_read_says_where(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text('{"device": 7}', encoding="utf-8")
    with pytest.raises(StatusUnavailableError) as caught:
        read_status(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "device: expected a text, got the number 7" in str(caught.value)


def test_the_command_answers_in_json_and_fails_when_the_agent_is_dead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(
        f'[device]\nname = "edge-7"\n[state]\nstatus = "{tmp_path}/status.json"\n', encoding="utf-8"
    )
    dead = 2**22 - 1  # above Linux's default pid_max
    write_status(tmp_path / "status.json", make_status(dead))
    assert cli.main(["status", "--config", str(config), "-o", "json"]) == cli.EXIT_FAILED
    assert '"running":false' in capsys.readouterr().out
    write_status(tmp_path / "status.json", make_status(os.getpid()))
    assert cli.main(["status", "--config", str(config)]) == 0


def test_a_wrong_configuration_ends_with_255(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--config", str(tmp_path / "none.toml")]) == cli.EXIT_CONFIGURATION
    assert capsys.readouterr().err == f"polyfleet-agent: {tmp_path}/none.toml: there is no such file\n"
