"""Agent and controller, installed on a Debian with a real systemd by the very commands of docs/install.md."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.machine import Machine
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.workspace import Workspace
from waiting import wait_until

pytestmark = pytest.mark.xdist_group("systemd")

ROOT = Path(__file__).resolve().parents[2]
INSTALL = ROOT / "docs/install.md"
AGENT, CONTROLLER = "polyfleet-agent.service", "polyfleet-controller.service"
CONFIG = "etc/polyfleet/agent.toml"
# Where the files to install from lie on the machine.
SOURCE = "/mnt/polyfleet"
PIP_CONFIG = "[global]\nno-index = true\nfind-links = /mnt/wheels\ndisable-pip-version-check = true\n"


def documented_commands(marker: str) -> list[str]:
    """Return the shell blocks of the page that carry this mark."""
    text = INSTALL.read_text(encoding="utf-8")
    return re.findall(rf"^<!-- {re.escape(marker)} -->\n```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def install(machine: Machine, commands: str) -> None:
    try:
        machine.run("sh", "-euxc", f"cd {SOURCE}\n{commands}", seconds=180)
    except LabError as error:
        error.add_note(machine.run("journalctl", "--no-pager", "--lines=60"))
        raise


@pytest.fixture(scope="module")
def machine(
    debian_tree: Path, dependency_wheels: Path, wheels: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """A machine with the controller and, beside it, a device's agent, both as documented."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(wheels, source / "dist")
    shutil.copytree(ROOT / "systemd", source / "systemd")
    for name in ("agent", "controller"):
        (source / name).mkdir()
        shutil.copy(ROOT / name / "requirements.lock", source / name)
    with Workspace() as workspace:
        device = workspace.create_device("gate-7", registry="127.0.0.1:1", ports=())
        machine = Machine(device, debian_tree)
        try:
            machine.boot(binds=[(source, SOURCE), (dependency_wheels, "/mnt/wheels")])
            machine.write("etc/pip.conf", PIP_CONFIG)
            for marker in ("run on a controller", "run on a device"):
                for commands in documented_commands(marker):
                    install(machine, commands)
            yield machine
        finally:
            machine.close()


@pytest.fixture(autouse=True)
def restored(machine: Machine) -> Iterator[None]:
    """Each test finds the agent as it was installed, and running."""
    configured = machine.read(CONFIG)
    yield
    machine.write(CONFIG, configured)
    machine.run("systemctl", "revert", AGENT)
    machine.run("systemctl", "restart", AGENT)


def agent_status(machine: Machine) -> dict[str, Any]:
    """What the agent says of itself; nothing while it has not said anything yet."""
    try:
        answer: dict[str, Any] = json.loads(
            machine.run("/opt/polyfleet/bin/polyfleet-agent", "status", "-o", "json")
        )
    except LabError:
        return {}
    return answer


def device_detail(machine: Machine) -> dict[str, Any]:
    """What the controller says of the device; nothing while it does not know it."""
    try:
        answer: dict[str, Any] = json.loads(
            machine.run("/opt/polyfleet/bin/polyfleet", "device", "show", "gate-7", "-o", "json")
        )
    except LabError:
        return {}
    return answer


def wait_until_online(machine: Machine) -> None:
    wait_until(
        lambda: device_detail(machine).get("device", {}).get("connectivity") == "online",
        timeout=60,
        describe=lambda: f"online: {device_detail(machine)}\n{machine.journal(AGENT)}",
    )


def test_both_units_report_ready_and_the_device_is_online(machine: Machine) -> None:
    states = {unit: machine.show(unit, "ActiveState", "SubState", "Type") for unit in (AGENT, CONTROLLER)}
    running = {"ActiveState": "active", "SubState": "running", "Type": "notify"}
    assert states == {AGENT: running, CONTROLLER: running}
    wait_until_online(machine)


def test_the_agent_reaches_podman_without_being_root(machine: Machine) -> None:
    version = machine.run("podman", "version", "--format", "{{.Client.Version}}").strip()
    wait_until(
        lambda: (device_detail(machine).get("host") or {}).get("podmanVersion") == version,
        timeout=60,
        describe=lambda: f"Podman {version}: {device_detail(machine)}\n{machine.journal(AGENT)}",
    )
    assert machine.show(AGENT, "User") == {"User": "polyfleet-agent"}


def test_an_agent_that_hangs_is_ended_with_a_trace_and_started_again(machine: Machine) -> None:
    machine.write(f"etc/systemd/system/{AGENT}.d/quick.conf", "[Service]\nWatchdogSec=2\nRestartSec=0\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", AGENT)
    boot = agent_status(machine)["boot"]
    machine.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", AGENT)
    wait_until(
        lambda: agent_status(machine).get("boot") == boot + 1,
        timeout=60,
        describe=lambda: f"a second start: {agent_status(machine)}\n{machine.journal(AGENT)}",
    )
    journal = machine.journal(AGENT)
    assert "Watchdog timeout" in journal
    assert "Fatal Python error: Aborted" in journal
    wait_until_online(machine)


def test_a_wrong_configuration_is_named_and_not_tried_again(machine: Machine) -> None:
    machine.write(CONFIG, "[broker]\nport = 0\nhostname = 'x'\n")
    with pytest.raises(LabError, match="control process exited with error code"):
        machine.run("systemctl", "restart", AGENT)
    # Were it to be started again, it would be activating.
    assert machine.show(AGENT, "ActiveState", "ExecMainStatus", "NRestarts") == {
        "ActiveState": "failed",
        "ExecMainStatus": "255",
        "NRestarts": "0",
    }
    journal = machine.journal(AGENT)
    assert "/etc/polyfleet/agent.toml: broker.hostname: unknown field" in journal
    assert "/etc/polyfleet/agent.toml: broker: port is between 1 and 65535, not 0" in journal
