"""`polyfleet demo`, as a new user runs it."""

import json
import re
import subprocess
import sys
from pathlib import Path

from polyfleet_controller.lab.image import PLATFORMS, ImageRecipe, build_image


def run_cli(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from polyfleet_controller.cli.root import main; main()", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)


def leftovers(workspace: str) -> list[str]:
    """Namespaces of the demo's devices, mounts in its workspace, and the workspace itself."""
    namespaces = subprocess.run(["ip", "netns"], check=True, capture_output=True, text=True).stdout
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    found = [line for line in namespaces.splitlines() if line.startswith("polyfleet-demo-")]
    found += [line for line in mounts.splitlines() if workspace in line]
    return [*found, workspace] if Path(workspace).exists() else found


def test_four_architectures_run_their_own_child_and_say_so(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    completed = run_cli("demo", "--exit", "--report", str(report))
    assert completed.returncode == 0, completed.stderr
    expected = build_image(ImageRecipe())
    assert json.loads(report.read_text(encoding="utf-8")) == {
        "devices": [
            {
                "name": "demo-" + platform.removeprefix("linux/").replace("/", "-"),
                "platform": platform,
                "digest": expected.child(platform).manifest.digest,
                "phase": "running",
                "answer": platform,
            }
            for platform in PLATFORMS
        ]
    }
    assert completed.stdout.count("right") == len(PLATFORMS)
    workspace = re.search(r"a workspace in (/\S+)", completed.stderr)
    assert workspace is not None
    assert leftovers(workspace[1]) == []
