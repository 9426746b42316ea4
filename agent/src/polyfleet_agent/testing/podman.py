"""A Podman in memory."""

import itertools
import posixpath
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from polyfleet_agent.core.containers import ContainerKind, ContainerStatus, ObservedContainer
from polyfleet_agent.core.diagnosis import blames_missing_file
from polyfleet_agent.core.health import Answer
from polyfleet_agent.core.programs import Examination, FileHead, Gap, Invocation, examine
from polyfleet_agent.core.secrets import describe_missing, find_secrets
from polyfleet_agent.ports import PullResult, RuntimeFailure
from polyfleet_agent.testing.probes import FakeProbes
from polyfleet_agent.testing.registry import FakeRegistry
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.messages import PullProgress
from polyfleet_shared.probes import Probe
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import ContainerSpec, DesiredWorkload

_LOOK_UP_SECONDS: Final = 0.02
_TERMINATED: Final = 143  # 128 and SIGTERM
_PAUSE_IMAGE: Final = "sha256:" + "0" * 64
_SEARCH_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True)
class _Container:
    name: str
    device: str
    workload: DesiredWorkload | None
    seen: ObservedContainer
    spec: ContainerSpec | None = None


class FakeRuntime:
    """The runtime port. Programs run until `crash`, or end at once if `exit_at_once` says so.

    Several devices may share one machine: `on_same_machine`.
    """

    def __init__(self, device: str, registry: FakeRegistry, *, machine: "FakeMachine | None" = None) -> None:
        self._device = device
        self._registry = registry
        self.machine = machine or FakeMachine()

    def on_same_machine(self, device: str) -> "FakeRuntime":
        return FakeRuntime(device, self._registry, machine=self.machine)

    def list_containers(self) -> tuple[ObservedContainer, ...]:
        with self.machine.lock:
            self.machine.check()
            return tuple(
                replace(
                    container.seen,
                    repository_digests=tuple(sorted(self.machine.images.get(container.seen.image_id, ()))),
                )
                for container in self.machine.containers.values()
                if container.device == self._device
            )

    def has_image(self, image: PinnedImage) -> bool:
        with self.machine.lock:
            self.machine.check()
            return image.child in self.machine.images.get(image.config, ())

    def pull(
        self,
        image: PinnedImage,
        on_progress: Callable[[PullProgress], None],
        secrets: tuple[str, ...] = (),  # noqa: ARG002 - whom the registry serves, a test says there
    ) -> PullResult:
        with self.machine.lock:
            self.machine.check()
            config = self._registry.serve(image)
            if config != image.config:
                raise RuntimeFailure(
                    Reason.DIGEST_MISMATCH, f"{image.reference} is the image {config}, not {image.config}"
                )
            there = config in self.machine.images
            self.machine.images.setdefault(config, set()).add(image.child)
        on_progress(PullProgress(done=image.size, total=image.size))
        return PullResult(size=0 if there else image.size)

    def create(self, workload: DesiredWorkload, container: ContainerSpec) -> str:
        machine = self.machine
        with machine.lock:
            machine.check()
            if container.image.config not in machine.images:
                raise RuntimeFailure(
                    Reason.IMAGE_NOT_FOUND, f"image {container.image.config} is no longer in the store"
                )
            secrets = find_secrets(workload, container, machine.secrets)
            if secrets.missing:
                raise RuntimeFailure(Reason.SECRET_MISSING, describe_missing(secrets.missing))
            if workload.is_pod:
                machine.ensure_pod(self._device, workload)
            name = name_container(workload, container)
            for container_id, other in list(machine.containers.items()):
                if other.name == name:
                    if other.device != self._device:
                        raise RuntimeFailure(Reason.NAME_CONFLICT, f"{name}: that name is already in use")
                    del machine.containers[container_id]
            container_id = f"{next(machine.numbers):064x}"
            seen = ObservedContainer(
                container_id=container_id,
                uid=workload.uid,
                release=workload.release,
                container=container.name,
                spec_hash=workload.spec_hash,
                status=ContainerStatus.CREATED,
                image_id=container.image.config,
                kind=(ContainerKind.INIT if container in workload.init_containers else ContainerKind.MAIN),
            )
            machine.containers[container_id] = _Container(
                name=name, device=self._device, workload=workload, seen=seen, spec=container
            )
            machine.hint()
            return container_id

    def fill(
        self,
        container_id: str,
        workload: DesiredWorkload,  # noqa: ARG002 - nobody reads files here
        container: ContainerSpec,  # noqa: ARG002
    ) -> None:
        with self.machine.lock:
            self.machine.check()
            if container_id not in self.machine.containers:
                raise RuntimeFailure(Reason.START_FAILED, f"container {container_id[:12]} is gone")
            self.machine.filled.add(container_id)

    def examine(self, container_id: str) -> Examination:
        with self.machine.lock:
            self.machine.check()
            container = self.machine.containers.get(container_id)
            if container is None:
                raise RuntimeFailure(Reason.START_FAILED, f"container {container_id[:12]} is gone")
            return self.machine.examine(container)

    def start(self, container_id: str) -> None:
        machine = self.machine
        with machine.lock:
            machine.check()
            container = machine.containers.get(container_id)
            if container is None:
                raise RuntimeFailure(Reason.START_FAILED, f"container {container_id[:12]} is gone")
            if container.seen.status is ContainerStatus.RUNNING:
                return
            infra = machine.find_infra(container)
            if infra is not None and infra.seen.status is not ContainerStatus.RUNNING:
                machine.check_start(infra)
                machine.run(infra)
            machine.check_start(container)
            machine.run(container)

    def stop(self, container_id: str, *, grace: int) -> None:  # noqa: ARG002 - programs here obey at once
        with self.machine.lock:
            self.machine.check()
            self.machine.end(container_id, _TERMINATED)

    def remove(self, container_id: str) -> None:
        with self.machine.lock:
            self.machine.check()
            removed = self.machine.containers.pop(container_id, None)
            if removed is not None:
                if removed.seen.kind is ContainerKind.INFRA:
                    self.machine.empty_pod(removed)
                self.machine.hint()

    def probe(self, container_id: str, probe: Probe) -> Answer:
        with self.machine.lock:
            self.machine.check()
            container = self.machine.containers.get(container_id)
            if container is None or container.seen.status is not ContainerStatus.RUNNING:
                raise RuntimeFailure(Reason.START_FAILED, f"container {container_id[:12]} does not run")
            return self.machine.probes.answer(container.seen.image_id, probe)

    def crash(
        self, container_id: str, exit_code: int = 1, *, oom_killed: bool = False, output: bytes = b""
    ) -> None:
        """Let a running program end, with these last words in its log."""
        with self.machine.lock:
            self.machine.end(container_id, exit_code, oom_killed=oom_killed, output=output)

    def watch(self, stop: Callable[[], bool]) -> Iterator[None]:
        with self.machine.lock:
            self.machine.check()
            seen = self.machine.hints
        yield
        while not stop():
            with self.machine.lock:
                self.machine.check()
                if self.machine.hints == seen:
                    self.machine.lock.wait(_LOOK_UP_SECONDS)
                    continue
                seen = self.machine.hints
            yield

    def version(self) -> str:
        with self.machine.lock:
            self.machine.check()
        return "0.fake"


class FakeMachine:
    """What Podmans on one machine share. `up` is false while no Podman answers there.

    `started` has the image's ID of every start there was, `filled` the containers whose volumes were filled;
    `secrets` are the names of those that an administrator has made.
    """

    def __init__(self) -> None:
        self.lock = threading.Condition(threading.RLock())
        self.up = True
        self.probes = FakeProbes()
        self.images: dict[str, set[str]] = {}
        self.containers: dict[str, _Container] = {}
        self.numbers = itertools.count(1)
        self.hints = 0
        self._starts = itertools.count(1)
        self._start_failures: dict[str, RuntimeFailure] = {}
        self.started: list[str] = []
        self.filled: set[str] = set()
        self.secrets: set[str] = set()
        self._exits: dict[str, tuple[int, bytes]] = {}
        self._files: dict[str, dict[str, bytes]] = {}

    def fail_start(self, image: PinnedImage, reason: Reason, message: str = "as the test says") -> None:
        """Let every start of a container of this image fail, until `heal_start`."""
        self._start_failures[image.config] = RuntimeFailure(reason, message)

    def heal_start(self, image: PinnedImage) -> None:
        self._start_failures.pop(image.config, None)

    def exit_at_once(self, image: PinnedImage, exit_code: int, output: bytes = b"") -> None:
        """Let every program of this image end as soon as it has started, with these last words."""
        self._exits[image.config] = (exit_code, output)

    def fill(self, image: PinnedImage, files: dict[str, bytes]) -> None:
        """Say what the image holds; its entrypoint is the first file, and without any unknown."""
        self._files[image.config] = files

    def delete_image(self, image: PinnedImage) -> None:
        """Prune it, as an administrator would."""
        with self.lock:
            self.images.pop(image.config, None)

    def add_foreign_container(self, name: str) -> str:
        """A container that no Polyfleet made."""
        with self.lock:
            container_id = f"{next(self.numbers):064x}"
            seen = ObservedContainer(
                container_id=container_id,
                uid="",
                release="",
                container="",
                spec_hash="",
                status=ContainerStatus.CREATED,
                image_id="",
            )
            self.containers[container_id] = _Container(name=name, device="", workload=None, seen=seen)
            return container_id

    # -- for the runtimes, under the lock

    def check(self) -> None:
        if not self.up:
            raise RuntimeFailure(Reason.PODMAN_UNAVAILABLE, "Podman's API does not answer: no such socket")

    def hint(self) -> None:
        self.hints += 1
        self.lock.notify_all()

    def ensure_pod(self, device: str, workload: DesiredWorkload) -> None:
        name = f"{_name_pod(workload)}-infra"
        known = next((item for item in self.containers.values() if item.name == name), None)
        if known is not None and known.device != device:
            raise RuntimeFailure(Reason.NAME_CONFLICT, f"{name}: a pod that is not ours has that name")
        if known is not None:
            return
        container_id = f"{next(self.numbers):064x}"
        seen = ObservedContainer(
            container_id=container_id,
            uid=workload.uid,
            release=workload.release,
            container="",
            spec_hash=workload.spec_hash,
            status=ContainerStatus.CREATED,
            image_id=_PAUSE_IMAGE,
            kind=ContainerKind.INFRA,
        )
        self.containers[container_id] = _Container(name=name, device=device, workload=workload, seen=seen)

    def find_infra(self, container: _Container) -> _Container | None:
        if container.workload is None or not container.workload.is_pod:
            return None
        name = f"{_name_pod(container.workload)}-infra"
        return next((item for item in self.containers.values() if item.name == name), None)

    def empty_pod(self, infra: _Container) -> None:
        pod = infra.name.removesuffix("infra")
        for container_id, container in list(self.containers.items()):
            if container.name.startswith(pod):
                del self.containers[container_id]

    def check_start(self, container: _Container) -> None:
        failure = self._start_failures.get(container.seen.image_id)
        if failure is not None:
            raise RuntimeFailure(failure.reason, failure.message)
        for other in self.containers.values():
            if other.seen.status is ContainerStatus.RUNNING:
                taken = _published(container) & _published(other)
                if taken:
                    raise RuntimeFailure(
                        Reason.PORT_CONFLICT, f"port {min(taken)}: bind: address already in use"
                    )

    def run(self, container: _Container) -> None:
        container.seen = replace(
            container.seen,
            status=ContainerStatus.RUNNING,
            started_at=f"start-{next(self._starts)}",
            exit_code=None,
            oom_killed=False,
            output=None,
            missing=None,
        )
        if container.seen.kind is ContainerKind.INFRA:
            return
        self.started.append(container.seen.image_id)
        self.hint()
        missing = self.examine(container, loaders=True).missing
        if missing is not None:
            output = f"exec {missing.needed_by}: no such file or directory\n".encode()
            self.end(container.seen.container_id, 1, output=output)
        elif container.seen.image_id in self._exits:
            exit_code, output = self._exits[container.seen.image_id]
            self.end(container.seen.container_id, exit_code, output=output)

    def examine(self, container: _Container, *, loaders: bool = False) -> Examination:
        files = self._files.get(container.seen.image_id, {})
        command = None if container.spec is None else container.spec.command
        invocation = Invocation(
            arguments=command or tuple(files)[:1],
            search_path=_SEARCH_PATH,
            working_directory="/",
        )

        def look(path: str) -> FileHead | Gap:
            content = files.get(posixpath.normpath(path))
            return Gap.ABSENT if content is None else FileHead(content=content)

        return examine(invocation, look, loaders=loaders)

    def end(
        self, container_id: str, exit_code: int, *, oom_killed: bool = False, output: bytes = b""
    ) -> None:
        container = self.containers.get(container_id)
        if container is None or container.seen.status is not ContainerStatus.RUNNING:
            return
        blames = exit_code != 0 and blames_missing_file(output)
        container.seen = replace(
            container.seen,
            status=ContainerStatus.EXITED,
            exit_code=exit_code,
            oom_killed=oom_killed,
            output=output if exit_code else None,
            missing=self.examine(container, loaders=True).missing if blames else None,
        )
        self.hint()


def name_container(workload: DesiredWorkload, container: ContainerSpec) -> str:
    """As the real runtime names it."""
    name = _name_pod(workload)
    return f"{name}-{container.name}" if workload.is_pod else name


def _name_pod(workload: DesiredWorkload) -> str:
    return f"polyfleet-{workload.name}-{workload.uid[:8]}-{workload.spec_hash}"


def _published(container: _Container) -> set[int]:
    workload, is_infra = container.workload, container.seen.kind is ContainerKind.INFRA
    if workload is None or workload.host_network or workload.is_pod is not is_infra:
        return set()
    return {
        port.host_port
        for spec in workload.all_containers
        for port in spec.ports
        if port.host_port is not None
    }
