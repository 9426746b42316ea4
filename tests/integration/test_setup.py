"""`tools/install-debian-packages`, where it cannot install anything."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIST = """\
[demo]
coreutils                  # there on every Debian
polyfleet-missing          # there on none
polyfleet-cross [!amd64]   # there on none, and not asked for on one architecture
[test]
polyfleet-tested           # of the other group
"""
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")


@pytest.fixture
def tree() -> Iterator[Path]:
    """A copy of the script beside a list of its own, which anybody may read, unlike pytest's directories."""
    with TemporaryDirectory(prefix="polyfleet-setup-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        shutil.copytree(ROOT / "tools", directory / "tools")
        (directory / "debian-packages.txt").write_text(LIST, encoding="utf-8")
        yield directory


def install(tree: Path, *groups: str, path: str, skip: str = "") -> tuple[int, str]:
    environment = ("env", "--ignore-environment", f"PATH={path}", f"SKIP_PACKAGES={skip}")
    completed = subprocess.run(
        [*NOBODY, *environment, str(tree / "tools/install-debian-packages"), *groups],
        check=False,
        capture_output=True,
        text=True,
    )
    return completed.returncode, completed.stdout + completed.stderr


def test_without_root_it_says_what_to_install(tree: Path) -> None:
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
    cross = [] if architecture == "amd64" else ["polyfleet-cross"]
    packages = " ".join(["polyfleet-missing", *cross])
    code, said = install(tree, "demo", path="/usr/bin:/bin")
    assert code == 1
    assert said.splitlines() == [
        "Debian packages are missing. Install them, then run the command again:",
        f"    sudo apt-get install --no-install-recommends {packages}",
    ]


def test_elsewhere_than_on_debian_it_says_what_to_have(tree: Path) -> None:
    programs = tree / "bin"
    programs.mkdir()
    for name in ("bash", "dirname", "awk", "tr", "fold", "sed"):
        program = shutil.which(name)
        assert program is not None
        (programs / name).symlink_to(program)
    code, said = install(tree, "demo", "test", path=str(programs))
    assert code == 1
    assert said.endswith("    coreutils polyfleet-missing polyfleet-cross polyfleet-tested \n")
    assert "SKIP_PACKAGES=1" in said
    assert install(tree, "demo", path=str(programs), skip="1") == (0, "")


def test_it_says_nothing_where_nothing_is_missing(tree: Path) -> None:
    (tree / "debian-packages.txt").write_text("[demo]\ncoreutils  # there\n", encoding="utf-8")
    assert install(tree, "demo", path="/usr/bin:/bin") == (0, "")
