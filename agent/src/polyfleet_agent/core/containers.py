"""Containers as the runtime shows them."""

from dataclasses import dataclass
from enum import StrEnum

from polyfleet_agent.core.programs import MissingFile
from polyfleet_shared.images import PinnedImage


class ContainerStatus(StrEnum):
    """Podman's states, reduced to what a decision needs."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    BROKEN = "broken"  # half removed, stuck or unknown: good for nothing but removal


class ContainerKind(StrEnum):
    """What a container is to its workload."""

    MAIN = "main"
    INIT = "init"
    INFRA = "infra"  # the runtime's own, which holds a pod's network; it goes last


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedContainer:
    """One of our containers, known by its labels and never by its name.

    `image_id` is the config digest of the image it was made from; `repository_digests` are the manifest
    digests (`sha256:…`) under which the runtime knows that image. `started_at` is the runtime's text for
    the last start, empty before the first: it tells two ends of the same container apart. `output` is the
    last that it logged before it ended in failure, None where that is not known; `missing` is what it needed
    to start and did not find, if its log says that there was something.
    """

    container_id: str
    uid: str
    release: str
    container: str
    spec_hash: str
    status: ContainerStatus
    image_id: str
    kind: ContainerKind = ContainerKind.MAIN
    repository_digests: tuple[str, ...] = ()
    started_at: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    output: bytes | None = None
    missing: MissingFile | None = None

    def proves(self, image: PinnedImage) -> bool:
        """Whether this container was made from exactly this child (design: labels prove nothing)."""
        return self.image_id == image.config and image.child in self.repository_digests
