"""What of a workload a device gets that is to have it: the child for its platform, or the reason why none.

Which devices are to have it, `domain/scheduling` decides. This depends on the device's platforms alone, so it
is worked out once for all devices that list the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias, assert_never

from polyfleet_controller.domain.coverage import Coverage, Gap, cover
from polyfleet_controller.domain.images import ImageReference, IndexChild, NamedImage
from polyfleet_controller.domain.manifest import ContainerTemplate, PodSpec, WorkloadManifest
from polyfleet_controller.domain.pod_probes import ProbeTemplate
from polyfleet_controller.domain.scheduling.requests import Request
from polyfleet_controller.domain.staging import Staging
from polyfleet_controller.domain.sync import ImagePin, Pin, Standing
from polyfleet_shared.features import find_features
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.messages import Condition
from polyfleet_shared.platforms import Platform, RunnablePlatform
from polyfleet_shared.probes import Probe
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import ContainerSpec, DesiredWorkload, HeldWorkload


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An immutable snapshot: the manifest, and what its images' names stood for when it was cut."""

    release: str
    revision: int
    manifest: WorkloadManifest
    images: tuple[NamedImage, ...]

    @property
    def children(self) -> tuple[IndexChild, ...]:
        """The children of all images."""
        return tuple(child for each in self.images for child in each.image.children)

    def covers(self, platforms: tuple[RunnablePlatform, ...]) -> bool:
        """Whether it has something for devices that run `platforms`."""
        return isinstance(cover(platforms, self.images), Coverage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A workload to place.

    `manifest` places it: that of the newest release, or the newest while there is none. `failure` says why
    the newest has no release. `missing` replicas found no device when it was placed last. While a rollout is
    in effect, `staging` says which devices are given which of the `earlier` releases instead, by revision.
    """

    uid: str
    namespace: str
    name: str
    manifest: WorkloadManifest
    release: Release | None
    failure: Condition | None
    missing: int = 0
    staging: Staging | None = None
    earlier: Mapping[int, Release] = field(default_factory=dict)

    @property
    def request(self) -> Request:
        """What it asks of devices."""
        return self.manifest.request(self.uid, () if self.release is None else self.release.images)

    def find_share(self, device: str, platforms: tuple[RunnablePlatform, ...]) -> "Share":
        """What a device is given of it that runs `platforms`, the first of them its own.

        One that the newest release has nothing for is told so, whatever it had before.
        """
        newest = self.release
        if newest is None or self.staging is None or not newest.covers(platforms):
            return Share(release=newest)
        stage = self.staging.choose(device, platforms[0].platform)
        if stage.revision == newest.revision:
            return Share(release=newest, attempt=stage.attempt)
        return Share(
            release=None if stage.revision is None else self.earlier[stage.revision],
            attempt=stage.attempt,
            prefetches=device in self.staging.prefetching,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The release that a device is given, None if none yet, at which attempt.

    With `prefetches`, it gets the newest release's images ready beside it.
    """

    release: Release | None
    attempt: int = 1
    prefetches: bool = False

    @property
    def key(self) -> "ShareKey":
        """Equal for devices with the same share of a workload."""
        return (0 if self.release is None else self.release.revision, self.attempt, self.prefetches)


ShareKey: TypeAlias = tuple[int, int, bool]


_AWAITS_ROLLOUT: Final = Condition(
    reason=Reason.AWAITS_ROLLOUT, message="the workload's first release comes to this device in a later wave"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """The device runs it. `images` are what it must prove, in the order of the manifest's images."""

    workload: DesiredWorkload
    images: tuple[ImagePin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The device is meant to run it and cannot be given it."""

    workload: HeldWorkload


Decision: TypeAlias = Assigned | Held


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One workload on one device, as it is kept. `platform` is the device's.

    `images` are what it must prove, in the order of the manifest's images; none where it is held. It is
    `available` once it is proven and has been ready for `min_ready_seconds`, by the device's own clock;
    `prefetched` once the device has the children that it is to `prefetch` for the release that may follow.
    """

    workload: str
    platform: Platform
    release: str | None
    images: tuple[ImagePin, ...] = ()
    held: Condition | None
    standing: Standing
    attempt: int = 1
    min_ready_seconds: int = 0
    available: bool = False
    prefetch: frozenset[str] = frozenset()
    prefetched: bool = False

    def is_same_as(self, other: "Assignment") -> bool:
        """Whether both give a device the same, however it stands."""
        return (
            replace(self, standing=other.standing, available=other.available, prefetched=other.prefetched)
            == other
        )

    @property
    def pin(self) -> Pin | None:
        """What the device must prove, None where it is held."""
        if self.release is None or not self.images:
            return None
        return Pin(release=self.release, images=self.images)


def place(workload: Workload, platforms: tuple[RunnablePlatform, ...], share: Share) -> Decision | None:
    """Decide for devices that run `platforms`, are to have it, and have this share of it.

    A release that is in force stays so while a newer manifest has none. None while there is neither a release
    nor a failure: nothing is decided.
    """
    if workload.release is None:
        return None if workload.failure is None else _hold(workload, workload.failure)
    release = share.release
    if release is None:
        return _hold(workload, _AWAITS_ROLLOUT)
    found = cover(platforms, release.images)
    if not isinstance(found, Coverage):
        return _hold(workload, _uncovered(release.images, platforms, found))
    following = _find_images(workload.release, platforms) if share.prefetches else ()
    return _assign(workload, release, found, share.attempt, following)


def _find_images(release: Release, platforms: tuple[RunnablePlatform, ...]) -> tuple[PinnedImage, ...]:
    """What devices that run `platforms` need on their disk for a release; nothing, where it has nothing."""
    found = cover(platforms, release.images)
    return tuple(_pin_images(release, found).values()) if isinstance(found, Coverage) else ()


def make_assignment(decision: Decision, platform: Platform) -> Assignment:
    """What is kept of a decision for a device of `platform`, before the device has said anything about it."""
    match decision:
        case Assigned(workload=workload, images=images):
            return Assignment(
                workload=workload.uid,
                platform=platform,
                release=workload.release,
                images=images,
                held=None,
                standing=Standing.PENDING,
                attempt=workload.attempt,
                min_ready_seconds=workload.min_ready_seconds,
                prefetch=frozenset(image.child for image in workload.prefetch),
            )
        case Held(workload=held):
            return Assignment(
                workload=held.uid,
                platform=platform,
                release=None,
                held=Condition(reason=held.reason, message=held.message),
                standing=Standing.HELD,
            )
        case _:
            assert_never(decision)


def _assign(
    workload: Workload, release: Release, found: Coverage, attempt: int, following: tuple[PinnedImage, ...]
) -> Assigned:
    chosen = _pin_images(release, found)
    spec = release.manifest.spec
    pod = spec.template.spec
    desired = DesiredWorkload(
        uid=workload.uid,
        namespace=workload.namespace,
        name=workload.name,
        release=release.release,
        revision=release.revision,
        attempt=attempt,
        restart_policy=pod.restart_policy,
        termination_grace_seconds=pod.termination_grace_period_seconds,
        min_ready_seconds=spec.min_ready_seconds,
        progress_deadline_seconds=spec.progress_deadline_seconds,
        update_method=spec.strategy.method.on_wire,
        prefetch=following,
        host_network=pod.host_network,
        image_pull_secrets=tuple(item.name for item in pod.image_pull_secrets),
        volumes=tuple(volume.pin() for volume in pod.volumes),
        init_containers=tuple(_render(item, pod, chosen[item.image]) for item in pod.init_containers),
        containers=tuple(_render(item, pod, chosen[item.image]) for item in pod.containers),
    )
    return Assigned(
        images=tuple(_prove(reference, image, pod) for reference, image in chosen.items()),
        workload=replace(desired, requires=find_features(desired)),
    )


def _pin_images(release: Release, found: Coverage) -> dict[ImageReference, PinnedImage]:
    return {
        each.reference: _pin(each, child) for each, child in zip(release.images, found.children, strict=True)
    }


def _pin(named: NamedImage, child: IndexChild) -> PinnedImage:
    return PinnedImage(
        repository=named.image.repository,
        index=named.image.index,
        child=child.child,
        config=child.config,
        platform=child.platform,
        size=child.size,
    )


def _prove(reference: ImageReference, image: PinnedImage, pod: PodSpec) -> ImagePin:
    return ImagePin(
        platform=image.platform,
        child=image.child,
        config=image.config,
        containers=frozenset(item.name for item in pod.containers if item.image == reference),
    )


def _render(container: ContainerTemplate, pod: PodSpec, image: PinnedImage) -> ContainerSpec:
    return ContainerSpec(
        name=container.name,
        image=image,
        command=container.command,
        args=container.args,
        working_dir=container.working_dir,
        env=container.env,
        env_from=container.env_from,
        ports=container.ports,
        limits=container.limits,
        volume_mounts=container.volume_mounts,
        security_context=pod.security_context.complete(container.security_context),
        startup_probe=_pin_probe(container.startup_probe, container),
        liveness_probe=_pin_probe(container.liveness_probe, container),
        readiness_probe=_pin_probe(container.readiness_probe, container),
    )


def _pin_probe(probe: ProbeTemplate | None, container: ContainerTemplate) -> Probe | None:
    return None if probe is None else probe.pin(container.ports)


def _hold(workload: Workload, why: Condition) -> Held:
    return Held(
        workload=HeldWorkload(
            uid=workload.uid,
            namespace=workload.namespace,
            name=workload.name,
            reason=why.reason,
            message=why.message,
        )
    )


def _uncovered(
    images: tuple[NamedImage, ...], platforms: tuple[RunnablePlatform, ...], gap: Gap
) -> Condition:
    runs = ", ".join(str(item.platform) for item in platforms)
    lacking = {reference for reference, _ in gap.lacks}
    named = (each.image for each in images if each.reference in lacking)
    pinned = ", ".join(f"{image.repository}@{image.index}" for image in named)
    message = f"{gap}; this device runs {runs} ({pinned})"
    return Condition(reason=Reason.NO_MATCHING_PLATFORM, message=message)
