"""`polyfleet demo`, as a new user runs it."""

import json
import subprocess
import sys
from pathlib import Path

from polyfleet_controller.lab.image import PLATFORMS, ImageRecipe, build_image


def run_cli(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from polyfleet_controller.cli.root import main; main()", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)


def leftovers() -> set[str]:
    namespaces = subprocess.run(
        ["ip", "netns"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return {line for line in (*namespaces, *mounts) if "polyfleet-" in line}


def test_four_architectures_run_their_own_child_and_say_so(tmp_path: Path) -> None:
    before = leftovers()
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
    assert leftovers() - before == set()
