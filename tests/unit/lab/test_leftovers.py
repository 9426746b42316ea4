"""Finding what a Podman left, in files."""

import json
from pathlib import Path

import pytest

from polyfleet_controller.lab.leftovers import container_ids, container_namespaces, mounts_below, remove_tree

MOUNT_INFO = r"""
27 1 254:0 / / rw - ext4 /dev/vda rw
40 27 254:0 /srv/a/storage /srv/a/storage rw - ext4 /dev/vda rw
41 40 0:50 / /srv/a/storage/overlay/1/merged rw - overlay overlay rw
42 27 0:51 / /srv/a\040b/merged rw - overlay overlay rw
43 27 0:52 / /srv/ab rw - tmpfs tmpfs rw
""".strip()


@pytest.mark.parametrize(
    ("directory", "mounts"),
    [
        ("/srv/a", ["/srv/a/storage/overlay/1/merged", "/srv/a/storage"]),
        ("/srv/a b", ["/srv/a b/merged"]),
        ("/srv/none", []),
    ],
)
def test_mounts_below_a_directory_come_innermost_first(directory: str, mounts: list[str]) -> None:
    assert mounts_below(Path(directory), MOUNT_INFO) == [Path(mount) for mount in mounts]


def write_spec(graph_root: Path, container: str, namespaces: list[dict[str, str]]) -> None:
    directory = graph_root / "overlay-containers" / container / "userdata"
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps({"linux": {"namespaces": namespaces}}))


def test_a_container_s_own_network_namespace_is_found(tmp_path: Path) -> None:
    write_spec(tmp_path, "c1", [{"type": "pid"}, {"type": "network", "path": "/run/netns/netns-1"}])
    assert container_namespaces(tmp_path, "c1") == [Path("/run/netns/netns-1")]


@pytest.mark.parametrize(
    "namespaces",
    [
        [{"type": "pid"}],
        [{"type": "network"}],
        [{"type": "network", "path": "/proc/1/ns/net"}],
        [{"type": "network", "path": "/run/netns/polyfleet-a-1"}],
    ],
)
def test_a_network_namespace_that_podman_did_not_make_is_left_alone(
    tmp_path: Path, namespaces: list[dict[str, str]]
) -> None:
    write_spec(tmp_path, "c1", namespaces)
    assert container_namespaces(tmp_path, "c1") == []


def test_a_container_that_never_started_has_no_network_namespace(tmp_path: Path) -> None:
    (tmp_path / "overlay-containers/c1/userdata").mkdir(parents=True)
    assert list(container_ids(tmp_path)) == ["c1"]
    assert container_namespaces(tmp_path, "c1") == []


def test_a_tree_is_removed_once_and_for_all(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "below/file").write_text("x")
    remove_tree(tree)
    assert list(tmp_path.iterdir()) == []
    remove_tree(tree)
    assert list(tmp_path.iterdir()) == []
