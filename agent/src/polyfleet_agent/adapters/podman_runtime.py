"""The container runtime port over Podman's API socket."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, assert_never
from urllib.parse import quote

from polyfleet_agent.adapters import podman_pull
from polyfleet_agent.adapters.host_paths import check_host_path
from polyfleet_agent.adapters.podman_api import ANSWER_SECONDS, PodmanApi, PodmanRefusal, Reasons, unavailable
from polyfleet_agent.adapters.podman_containers import (
    LABEL_DEVICE,
    describe_container,
    image_id,
    read_container,
    read_listed,
    read_repository_digests,
)
from polyfleet_agent.adapters.podman_failures import find_missing_secret
from polyfleet_agent.adapters.podman_files import examine_container
from polyfleet_agent.adapters.podman_logs import read_tail
from polyfleet_agent.adapters.podman_pods import ensure_pod, remove_pod, start_infra
from polyfleet_agent.adapters.podman_probes import Dial, PodmanProber, dial
from polyfleet_agent.adapters.podman_pull import PullLimits
from polyfleet_agent.adapters.podman_stream import Ended, Line, LineStream, Opened, Refused, StreamRequest
from polyfleet_agent.adapters.podman_volumes import fillings
from polyfleet_agent.adapters.pull_secrets import PullSecrets
from polyfleet_agent.core.containers import ObservedContainer
from polyfleet_agent.core.diagnosis import blames_missing_file, judge_missing, make_printable
from polyfleet_agent.core.health import Answer
from polyfleet_agent.core.programs import Examination, MissingFile
from polyfleet_agent.core.secrets import NO_SECRETS, SecretUse, describe_missing, find_secrets
from polyfleet_agent.ports import PullResult, RuntimeFailure
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.messages import PullProgress
from polyfleet_shared.probes import Probe
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import ContainerSpec, DesiredWorkload

_STEP_SECONDS: Final = 180.0  # a slow card, a loaded board
# A container that Podman will not stop is that container's trouble, and no sign that Podman is away.
_STEP_REASONS: Final = Reasons(otherwise=Reason.START_FAILED, late=Reason.START_TIMEOUT)
_NOTHING_FOUND: Final = frozenset({Reason.COMMAND_NOT_FOUND, Reason.LOADER_MISSING})
_LOOK_UP_SECONDS: Final = 0.5
_DIGESTS_FRESH_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Digests:
    digests: tuple[str, ...]
    read_at: float


class PodmanRuntime:
    """Podman, for one device's containers.

    A listing costs one request: a container is inspected when the list shows that its state changed (and
    its log read, if it ended in failure), and its image's digests are asked for once a minute, since an
    image gains digests without the container's doing.
    """

    def __init__(
        self,
        socket: str,
        device: str,
        *,
        limits: PullLimits | None = None,
        dial: Dial = dial,
        pull_secrets: Path | None = None,
    ) -> None:
        """`socket` is `unix:///path/of/the.sock`; `dial` reaches the containers' network.

        `pull_secrets` is a directory with credentials for registries.
        """
        self._pull_secrets = PullSecrets(pull_secrets)
        self._api = PodmanApi(socket)
        self._prober = PodmanProber(self._api, dial)
        self._device = device
        self._limits = limits or PullLimits()
        self._filter = json.dumps({"label": [f"{LABEL_DEVICE}={device}"]})
        self._lock = threading.Lock()
        self._inspected: dict[str, tuple[tuple[object, ...], ObservedContainer]] = {}
        self._digests: dict[str, _Digests] = {}
        self._restarted: dict[str, float] = {}  # when, in seconds of the epoch as in Podman's logs

    def list_containers(self) -> tuple[ObservedContainer, ...]:
        entries = self._api.get("/containers/json", {"all": "true", "filters": self._filter}).body or []
        observed = [container for entry in entries if (container := self._observe(entry)) is not None]
        self._forget_all_but({container.container_id for container in observed})
        return tuple(observed)

    def has_image(self, image: PinnedImage) -> bool:
        answer = self._api.get(f"/images/{_hex(image.config)}/json")
        return not answer.missing and image.child in read_repository_digests(answer.body)

    def pull(
        self, image: PinnedImage, on_progress: Callable[[PullProgress], None], secrets: tuple[str, ...] = ()
    ) -> PullResult:
        size = self._pull_secrets.lend(
            image.repository,
            secrets,
            lambda credentials: podman_pull.pull(
                self._api.address, image, self._limits, on_progress, credentials
            ),
        )
        with self._lock:
            self._digests.pop(image.config, None)
        if not self.has_image(image):
            raise self._not_as_promised(image)
        return PullResult(size=size)

    def create(self, workload: DesiredWorkload, container: ContainerSpec) -> str:
        self._check(workload, container)
        secrets = self._find_secrets(workload, container)
        if workload.is_pod:
            ensure_pod(self._api, self._device, workload)
        spec = describe_container(self._device, workload, container, secrets)
        try:
            return self._create(spec)
        except RuntimeFailure as failure:
            if failure.reason is not Reason.NAME_CONFLICT or not self._is_ours(spec["name"]):
                raise
        # Ours, and not finished: the agent, or Podman, was killed in the middle.
        self.remove(spec["name"])
        return self._create(spec)

    def fill(self, container_id: str, workload: DesiredWorkload, container: ContainerSpec) -> None:
        for filling in fillings(workload, container):
            answer = self._api.put_archive(
                f"/containers/{container_id}/archive",
                {"path": filling.path},
                filling.archive,
                reasons=_STEP_REASONS,
            )
            if answer.missing:
                raise _is_gone(container_id)

    def examine(self, container_id: str) -> Examination:
        answer = self._api.get(f"/containers/{container_id}/json")
        if answer.missing:
            raise _is_gone(container_id)
        return examine_container(self._api, container_id, answer.body, loaders=False)

    def start(self, container_id: str) -> None:
        self._prober.forget(container_id)
        with self._lock:
            # Two runs within one second look alike in the list.
            known = self._inspected.pop(container_id, None)
            # One that changed while it was listed is not known here, and may have run before.
            if known is None or known[1].started_at:
                self._restarted[container_id] = time.time()
        try:
            answer = self._api.post(
                f"/containers/{container_id}/start", seconds=_STEP_SECONDS, reasons=_STEP_REASONS
            )
        except PodmanRefusal as refusal:
            raise self._explain(refusal, container_id) from refusal
        if answer.missing:
            raise _is_gone(container_id)

    def stop(self, container_id: str, *, grace: int) -> None:
        self._api.post(
            f"/containers/{container_id}/stop",
            {"timeout": grace},
            seconds=grace + 2 * ANSWER_SECONDS,
            reasons=_STEP_REASONS,
        )

    def remove(self, container_id: str) -> None:
        try:
            self._api.delete(
                f"/containers/{container_id}",
                {"force": "true", "volumes": "true"},
                seconds=_STEP_SECONDS,
                reasons=_STEP_REASONS,
            )
        except PodmanRefusal:
            answer = self._api.get(f"/containers/{container_id}/json")
            if answer.missing or not answer.body.get("IsInfra"):
                raise
            remove_pod(self._api, answer.body)

    def probe(self, container_id: str, probe: Probe) -> Answer:
        return self._prober.ask(container_id, probe)

    def watch(self, stop: Callable[[], bool]) -> Iterator[None]:
        filters = json.dumps({"type": ["container"], "label": [f"{LABEL_DEVICE}={self._device}"]})
        request = StreamRequest(
            method="GET", path="/events", parameters={"stream": "true", "filters": filters}
        )
        with LineStream(self._api.address, request) as stream:
            if not self._wait_until_open(stream, stop):
                return
            yield
            while not stop():
                item = stream.next(_LOOK_UP_SECONDS)
                match item:
                    case None | Opened():
                        pass
                    case Line():
                        yield
                    case Refused():
                        raise RuntimeFailure(Reason.PODMAN_UNAVAILABLE, item.words)
                    case Ended():
                        raise item.failure or unavailable(self._api.address)
                    case _:
                        assert_never(item)

    def version(self) -> str:
        return str(self._api.get("/version").body["Version"])

    def _wait_until_open(self, stream: LineStream, stop: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + ANSWER_SECONDS
        while not stop():
            match stream.next(_LOOK_UP_SECONDS):
                case Opened():
                    return True
                case Refused(words=words):
                    raise RuntimeFailure(Reason.PODMAN_UNAVAILABLE, words)
                case Ended(failure=failure):
                    raise failure or unavailable(self._api.address)
                case _:
                    if time.monotonic() > deadline:
                        raise RuntimeFailure(
                            Reason.PODMAN_UNAVAILABLE, f"Podman gave no events within {ANSWER_SECONDS:g} s"
                        )
        return False

    def _check(self, workload: DesiredWorkload, container: ContainerSpec) -> None:
        """What Podman itself does not look at before it makes a container."""
        mounted = {mount.name for mount in container.volume_mounts}
        for volume in workload.volumes:
            if volume.name in mounted and volume.host_path is not None:
                check_host_path(volume.host_path)
        context = container.security_context
        if context.run_as_non_root and context.run_as_user is None:
            answer = self._api.get(f"/images/{_hex(container.image.config)}/json")
            user = "" if answer.missing else str(answer.body.get("User") or "").partition(":")[0]
            if not answer.missing and user in ("", "0", "root"):
                raise RuntimeFailure(
                    Reason.START_FAILED, "runAsNonRoot: the image's user is root; set runAsUser"
                )

    def _find_secrets(self, workload: DesiredWorkload, container: ContainerSpec) -> SecretUse:
        """Asked for only where they are used; Podman itself would not tell how a missing one is made."""
        if not workload.uses_secrets:
            return NO_SECRETS
        entries = self._api.get("/secrets/json").body or []
        found = find_secrets(workload, container, {str(entry["Spec"]["Name"]) for entry in entries})
        if found.missing:
            raise RuntimeFailure(Reason.SECRET_MISSING, describe_missing(found.missing))
        return found

    def _create(self, spec: dict[str, Any]) -> str:
        answer = self._api.post("/containers/create", body=spec, seconds=_STEP_SECONDS, reasons=_STEP_REASONS)
        if answer.missing:
            raise RuntimeFailure(
                Reason.IMAGE_NOT_FOUND, f"image {spec['image'][:12]} is no longer in Podman's store"
            )
        return str(answer.body["Id"])

    def _is_ours(self, name: str) -> bool:
        """Whether the container of this name carries this device's label, or is no container of Podman's.

        The latter is what a Podman that was killed while it created one leaves in its storage.
        """
        answer = self._api.get(f"/containers/{name}/json")
        if answer.missing:
            return True
        labels = answer.body["Config"].get("Labels") or {}
        return bool(labels.get(LABEL_DEVICE) == self._device)

    def _observe(self, entry: dict[str, Any]) -> ObservedContainer | None:
        """None if the container went away between the list and this."""
        container_id = str(entry["Id"])
        key = (entry["State"], entry["Pid"], entry["StartedAt"], entry["ExitedAt"], entry["ExitCode"])
        with self._lock:
            known = self._inspected.get(container_id)
        digests = self._read_digests(image_id(entry["ImageID"]))
        if known is not None and known[0] == key:
            return replace(known[1], repository_digests=digests)
        try:
            answer = self._api.get(f"/containers/{container_id}/json")
        except PodmanRefusal:
            return read_listed(entry)
        if answer.missing:
            return None
        observed = read_container(entry, answer.body, digests)
        if observed.exit_code:
            observed = self._add_evidence(observed, answer.body)
        if answer.body["State"]["Status"] == entry["State"]:  # else it changed again; look anew next time
            with self._lock:
                self._inspected[container_id] = (key, observed)
        return observed

    def _add_evidence(self, ended: ObservedContainer, inspected: dict[str, Any]) -> ObservedContainer:
        """What is left of a container that ended in failure."""
        with self._lock:
            since = self._restarted.get(ended.container_id)
        output = read_tail(self._api, ended.container_id, since)
        blames = output is not None and blames_missing_file(output)
        missing = self._find_missing(ended.container_id, inspected) if blames else None
        return replace(ended, output=output, missing=missing)

    def _find_missing(self, container_id: str, inspected: dict[str, Any]) -> MissingFile | None:
        try:
            return examine_container(self._api, container_id, inspected, loaders=True).missing
        except RuntimeFailure:
            return None  # it is only said in other words then

    def _explain(self, refusal: PodmanRefusal, container_id: str) -> PodmanRefusal:
        """Tell a program that is missing from one that misses something: crun hardly does.

        Of a pod that cannot start, Podman tells nothing: its infra container is asked. A secret may have gone
        since the container was made.
        """
        secret = find_missing_secret(refusal.message)
        if secret is not None:
            return PodmanRefusal(Reason.SECRET_MISSING, describe_missing((secret,)))
        if refusal.reason not in (*_NOTHING_FOUND, Reason.START_FAILED):
            return refusal
        answer = self._api.get(f"/containers/{container_id}/json")
        if refusal.reason is Reason.START_FAILED:
            if not answer.missing and answer.body.get("Pod"):
                start_infra(self._api, answer.body["Pod"])
            return refusal
        missing = None if answer.missing else self._find_missing(container_id, answer.body)
        if missing is None:
            return refusal
        text = f"{make_printable(str(missing))}; Podman says: {refusal.message}"
        return PodmanRefusal(judge_missing(missing), text)

    def _read_digests(self, config: str) -> tuple[str, ...]:
        now = time.monotonic()
        with self._lock:
            known = self._digests.get(config)
        if known is None or now - known.read_at > _DIGESTS_FRESH_SECONDS:
            answer = self._api.get(f"/images/{_hex(config)}/json")
            digests = () if answer.missing else read_repository_digests(answer.body)
            known = _Digests(digests=digests, read_at=now)
            with self._lock:
                self._digests[config] = known
        return known.digests

    def _forget_all_but(self, containers: set[str]) -> None:
        self._prober.forget_all_but(containers)
        with self._lock:
            self._inspected = {key: seen for key, seen in self._inspected.items() if key in containers}
            self._restarted = {key: at for key, at in self._restarted.items() if key in containers}
            used = {seen.image_id for _, seen in self._inspected.values()}
            self._digests = {key: seen for key, seen in self._digests.items() if key in used}

    def _not_as_promised(self, image: PinnedImage) -> RuntimeFailure:
        answer = self._api.get(f"/images/{quote(image.reference, safe='')}/json")
        if answer.missing:
            return RuntimeFailure(
                Reason.START_FAILED, f"Podman ended the pull of {image.reference} without storing it"
            )
        return RuntimeFailure(
            Reason.DIGEST_MISMATCH,
            f"{image.reference} is the image {image_id(answer.body['Id'])}, not {image.config}",
        )


def _is_gone(container_id: str) -> RuntimeFailure:
    return RuntimeFailure(Reason.START_FAILED, f"container {container_id[:12]} is gone")


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
