"""Rules for the tree as a whole: dependencies with reasons, and no place that a package comes from."""

import re
import tomllib

import pytest

from architecture.sources import ROOT, files, read
from polyfleet_controller.lab.requirements import NATIVE_COMPILER_PACKAGES, PACKAGES

PROJECTS = ("pyproject.toml", "shared/pyproject.toml", "agent/pyproject.toml", "controller/pyproject.toml")

LOCKS = (
    "requirements.lock",
    "build-requirements.lock",
    "agent/requirements.lock",
    "controller/requirements.lock",
)

# Put together here, so that this file does not name one either.
PACKAGE_HOSTS = [
    ".".join(labels)
    for labels in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("ftp", "debian", "org"),
        ("snapshot", "debian", "org"),
        ("crates", "io"),
        ("golang", "org"),
    )
]

DEPENDENCY = re.compile(r'^\s*"(?P<requirement>[A-Za-z][^"@]*)",?\s*(?P<reason>#.*\S)?$')
DEPENDENCY_LISTS = re.compile(r"^(dependencies|dev|postgresql) = \[$")


@pytest.mark.parametrize("path", PROJECTS)
def test_every_dependency_has_a_reason(path: str) -> None:
    without: list[str] = []
    inside = False
    for line in read(path).splitlines():
        inside = (inside or DEPENDENCY_LISTS.match(line) is not None) and line != "]"
        found = DEPENDENCY.match(line) if inside else None
        if found and not found["reason"] and not found["requirement"].startswith("polyfleet-"):
            without.append(found["requirement"])
    assert without == []


def test_the_distributions_have_one_version() -> None:
    versions = {path: tomllib.loads(read(path))["project"]["version"] for path in PROJECTS}
    assert set(versions.values()) == {versions["pyproject.toml"]}


def test_nothing_names_a_place_that_packages_come_from() -> None:
    found = [
        f"{path}: {host}"
        for path in files()
        for text in [(ROOT / path).read_bytes().decode("utf-8", errors="replace")]
        for host in PACKAGE_HOSTS
        if host in text
    ]
    assert found == []


def pins(path: str) -> set[str]:
    """Return the requirements of a lock, each with its version and without its hashes."""
    return {line.rstrip(" \\") for line in read(path).splitlines() if line[0] not in "# "}


@pytest.mark.parametrize("path", LOCKS)
def test_a_lock_pins_every_package_by_hash(path: str) -> None:
    lines = [line for line in read(path).splitlines() if not line.startswith("#")]
    requirements = [line for line in lines if not line.startswith(" ")]
    assert [line for line in requirements if not re.match(r"[a-z0-9.-]+==\S+( ; .+)? \\$", line)] == []
    assert [line for line in lines if re.match(r"\s", line) and "--hash=sha256:" not in line] == []


@pytest.mark.parametrize("path", LOCKS)
def test_what_is_installed_is_what_was_tested(path: str) -> None:
    assert pins(path) - pins("requirements.lock") == set()


def test_every_debian_package_has_a_reason() -> None:
    lines = [line for line in read("debian-packages.txt").splitlines() if line and line[0] not in "#["]
    assert [line for line in lines if not re.match(r"[a-z0-9.+-]+( \[![a-z0-9]+\])? +# \S", line)] == []


def test_setup_installs_what_the_demo_asks_for() -> None:
    demo = read("debian-packages.txt").partition("[demo]")[2].partition("[test]")[0]
    installed = {line.split()[0] for line in demo.splitlines() if line.strip()}
    asked_for = {package for packages in PACKAGES.values() for package in packages}
    assert installed >= asked_for | set(NATIVE_COMPILER_PACKAGES)
