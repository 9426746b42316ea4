"""The controller's process is told what opens its registries, and says so when it cannot be right."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.api import manifest
from fixtures.oci import listed, make_child, make_index
from fixtures.registries import Access, DoorMaker
from polyfleet_controller.lab.workspace import Workspace


@pytest.mark.parametrize("access", [Access.BASIC, Access.BEARER])
def test_a_release_is_cut_from_a_registry_with_a_private_ca_and_credentials(
    access: Access, doors: DoorMaker, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = doors.make(access)
    image = make_index(listed(make_child("linux/amd64")))
    reference = door.push(image, "guarded/hello")
    monkeypatch.setenv("POLYFLEET_REGISTRY_AUTH_FILE", str(door.auth_file))
    monkeypatch.setenv("POLYFLEET_REGISTRY_CERTS", str(door.certificates))
    controller = workspace.create_controller(registry=door.shelf.address)
    controller.ask("PUT", "/v1/workloads/default/hello", manifest(str(reference)))
    releases = controller.ask("GET", "/v1/workloads/default/hello/releases")
    assert [release["index"] for release in releases["items"]] == [image.index.digest]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        ('{"auths": {"r": {"auth": "c2VjcmV0"', "not JSON: "),
        ('{"credsStore": "desktop"}', "credsStore is Docker's alone: name a helper for each registry"),
    ],
)
def test_credentials_that_cannot_be_read_are_a_wrong_configuration(
    tmp_path: Path, content: str | None, message: str
) -> None:
    file = tmp_path / "auth.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    command = ("-m", "polyfleet_controller.server", "serve", "--data", str(tmp_path / "data"))
    ended = subprocess.run(
        [sys.executable, *command, "--registry-auth-file", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "POLYFLEET_LISTEN": "127.0.0.1:1"},
        check=False,
    )
    assert ended.returncode == 255
    assert ended.stderr.startswith(f"polyfleet-controller: --registry-auth-file: {file}")
    assert message in ended.stderr
    assert "c2VjcmV0" not in ended.stderr
