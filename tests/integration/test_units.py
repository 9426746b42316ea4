"""The units in systemd/, as systemd itself reads and judges them."""

import subprocess
import sys
from pathlib import Path

import pytest

from polyfleet_controller.lab.processes import run

SYSTEMD = Path(__file__).resolve().parents[2] / "systemd"
UNITS = ("polyfleet-agent.service", "polyfleet-controller.service")
# systemd.exec(5)'s sandbox, from 0 (everything is used) to 100; below 20 systemd calls it "OK".
EXPOSURE = 16


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_understands_every_line(unit: str, tmp_path: Path) -> None:
    text = (SYSTEMD / unit).read_text(encoding="utf-8")
    program = text.partition("ExecStart=")[2].split()[0]
    installed = tmp_path / unit
    installed.write_text(text.replace(program, sys.executable), encoding="utf-8")
    answer = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(installed)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS)
def test_the_sandbox_is_closed(unit: str) -> None:
    run(
        [
            *("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager"),
            str(SYSTEMD / unit),
        ]
    )
