"""Beginnings of files in a container, out of Podman's archive of it.

Podman follows symbolic links itself, within the container's root, and packs what they lead to into a tar
archive. A program may be hundreds of megabytes: after its head, the connection is closed.
"""

import base64
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from polyfleet_agent.adapters.podman_api import PodmanApi, PodmanRefusal
from polyfleet_agent.core.programs import HEAD_BYTES, Examination, FileHead, Gap, Invocation, examine

_STAT_HEADER: Final = "X-Docker-Container-Path-Stat"
# A tar header of each kind and what extended attributes take, before the file itself.
_ARCHIVE_BYTES: Final = HEAD_BYTES + 128 * 1024
_ANYBODY_MAY_EXECUTE: Final = 0o111


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerFiles:
    """The files of one container. Its `mounts` hide the image's files, and are filled at its start."""

    api: PodmanApi
    container_id: str
    mounts: Sequence[str]

    def look(self, path: str) -> FileHead | Gap:
        """Read the head of what is there.

        Raises:
            RuntimeFailure: Podman does not answer, or not in time.
        """
        if self._is_mounted(path):
            return Gap.UNKNOWN
        try:
            answer = self.api.read(
                f"/containers/{self.container_id}/archive", {"path": path}, limit=_ARCHIVE_BYTES
            )
        except PodmanRefusal:
            return Gap.UNKNOWN  # links in a circle, for example
        if answer is None:
            return Gap.ABSENT
        if self._is_mounted(read_target(answer.headers.get(_STAT_HEADER, ""))):
            return Gap.UNKNOWN
        return read_first_file(answer.content)

    def _is_mounted(self, path: str) -> bool:
        return any(f"{path}/".startswith(f"{mount.rstrip('/')}/") for mount in self.mounts)


def examine_container(
    api: PodmanApi, container_id: str, inspected: dict[str, Any], *, loaders: bool
) -> Examination:
    """The programs that this container's start would run."""
    mounts = [str(mount["Destination"]) for mount in inspected.get("Mounts") or []]
    files = ContainerFiles(api=api, container_id=container_id, mounts=mounts)
    return examine(read_invocation(inspected), files.look, loaders=loaders)


def read_invocation(inspected: dict[str, Any]) -> Invocation:
    """What an inspected container runs."""
    config = inspected["Config"]
    variables = dict(entry.split("=", 1) for entry in config.get("Env") or [] if "=" in entry)
    return Invocation(
        arguments=(str(inspected["Path"]), *inspected.get("Args", ())),
        search_path=variables.get("PATH", ""),
        working_directory=config.get("WorkingDir") or "/",
    )


def read_target(header: str) -> str:
    """Where a path leads to in the container, by the header that Podman sends with an archive."""
    try:
        return str(json.loads(base64.b64decode(header))["linkTarget"])
    except (ValueError, KeyError, TypeError):
        return ""


def read_first_file(archive: bytes) -> FileHead | Gap:
    """The head of an archive's first file; the archive may be cut off."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            entry = tar.next()
    except tarfile.TarError:
        return Gap.UNKNOWN
    if entry is None or not entry.isreg():
        return Gap.UNKNOWN
    size = min(entry.size, HEAD_BYTES)
    content = archive[entry.offset_data : entry.offset_data + size]
    return FileHead(content=content, executable=bool(entry.mode & _ANYBODY_MAY_EXECUTE))
