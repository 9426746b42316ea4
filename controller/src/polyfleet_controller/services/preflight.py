"""Which devices get which children of images, and which get none, before anything is changed."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from polyfleet_controller.domain.images import ImageReference, Layer, NamedImage
from polyfleet_controller.domain.manifest import OnUncovered, WorkloadManifest
from polyfleet_controller.domain.placement import Workload
from polyfleet_controller.domain.preflight import (
    Covered,
    Preflight,
    TargetGroup,
    Uncovered,
    check_images,
)
from polyfleet_controller.domain.scheduling.fleet import Member
from polyfleet_controller.domain.selectors import Selector
from polyfleet_controller.services.errors import NotFoundError
from polyfleet_controller.services.image_views import (
    CoveredDevices,
    ImageCheck,
    OtherChild,
    OtherImage,
    UncoveredDevices,
)
from polyfleet_controller.services.placements import Snapshot, take_snapshot
from polyfleet_controller.services.ports import Registry
from polyfleet_controller.store.database import Connection, Database
from polyfleet_controller.store.image_failures import load_image_failures
from polyfleet_controller.store.targets import (
    count_unjudged,
    list_target_names,
    load_proven,
    load_targets,
)
from polyfleet_controller.store.workloads import StoredWorkload, find_workload, load_placeable
from polyfleet_shared.platforms import RunnablePlatform
from polyfleet_shared.reasons import Reason

# Of the uncovered devices of one kind; their number says how many more there are.
MAX_NAMES: Final = 10
MAX_KINDS: Final = 8

_EVERYTHING: Final = Selector()


class Preflights:
    """Checks images against the fleet."""

    def __init__(self, database: Database, registry: Registry) -> None:
        self._database = database
        self._registry = registry

    def check(
        self,
        reference: ImageReference | None = None,
        *,
        workload: tuple[str, str] | None = None,
        selector: Selector = _EVERYTHING,
        now: datetime,
    ) -> ImageCheck:
        """Check what a reference names now, for all admitted devices or those that are selected.

        `workload` is (namespace, name): the devices that it is meant for, by its policy; without a reference
        all of its images are checked together. Takes as long as the registries may.

        Raises:
            NotFoundError: there is no such workload.
            RegistryFailure: the registry has no such image, or no answer.
            StoreError: the database does not answer.
        """
        stored = None if workload is None else self._find(*workload)
        references = () if stored is None else stored.manifest.images
        if reference is not None:
            references = (reference,)
        images = tuple(NamedImage(reference=each, image=self._registry.resolve(each)) for each in references)
        with self._database.read() as connection:
            if stored is None:
                return check_targets(connection, images, selector=selector)
            snapshot = take_snapshot(connection)
            return check_workload(connection, snapshot, stored.uid, stored.manifest, images, now=now)

    def _find(self, namespace: str, name: str) -> StoredWorkload:
        with self._database.read() as connection:
            found = find_workload(connection, namespace, name)
        if found is None:
            raise NotFoundError("workload", f"{namespace}/{name}")
        return found


def check_targets(
    connection: Connection, images: tuple[NamedImage, ...], *, selector: Selector
) -> ImageCheck:
    """Check images that were resolved, for all devices that are selected by their labels."""
    groups = load_targets(connection, selector)
    found = check_images(images, groups, _find_layers(load_placeable(connection)))
    names = list_target_names(
        connection, [each.platform_set for each in found.uncovered], selector, limit=MAX_NAMES
    )
    return _view(connection, images, found, names=names, unjudged=count_unjudged(connection, selector))


def check_workload(
    connection: Connection,
    snapshot: Snapshot,
    uid: str,
    manifest: WorkloadManifest,
    images: tuple[NamedImage, ...],
    *,
    now: datetime,
) -> ImageCheck:
    """Check images that were resolved, for the devices that a manifest asks for, by its policy.

    `snapshot` was taken in the same transaction.
    """
    # The excluded are to be seen here, as what they are.
    request = replace(manifest.request(uid, images), excludes=False)
    chosen = snapshot.select(request, now=now).chosen
    members = [member for member in snapshot.members if member.name in chosen]
    groups = _group(members, load_proven(connection))
    found = check_images(images, groups, _find_layers(snapshot.workloads.values()))
    uncovered = {each.platform_set for each in found.uncovered}
    names: dict[str, tuple[str, ...]] = {}
    for member in members:
        some = names.get(member.platform_set, ())
        if member.platform_set in uncovered and len(some) < MAX_NAMES:
            names[member.platform_set] = (*some, member.name)
    return _view(
        connection,
        images,
        found,
        names=names,
        unjudged=count_unjudged(connection),
        policy=manifest.spec.on_uncovered,
    )


def _group(members: Iterable[Member], proven: Mapping[str, frozenset[str]]) -> list[TargetGroup]:
    none: frozenset[str] = frozenset()
    platforms: dict[str, tuple[RunnablePlatform, ...]] = {}
    counted: Counter[tuple[str, frozenset[str]]] = Counter()
    for member in members:
        platforms[member.platform_set] = member.platforms
        counted[member.platform_set, proven.get(member.name, none)] += 1
    return [
        TargetGroup(platform_set=name, platforms=platforms[name], proven=children, devices=devices)
        for (name, children), devices in counted.items()
    ]


def _find_layers(workloads: Iterable[Workload]) -> dict[str, tuple[Layer, ...]]:
    return {
        child.child: child.layers
        for workload in workloads
        if workload.release is not None
        for child in workload.release.children
    }


def _view(
    connection: Connection,
    images: tuple[NamedImage, ...],
    found: Preflight,
    *,
    names: Mapping[str, tuple[str, ...]],
    unjudged: int,
    policy: OnUncovered | None = None,
) -> ImageCheck:
    first, *others = map(_view_image, images)
    given = {child.child for each in found.covered for child in each.coverage.children}
    return ImageCheck(
        image=first.image,
        index=first.index,
        offers=first.offers,
        devices=found.devices,
        covered=tuple(_view_covered(each, images) for each in found.covered),
        uncovered=tuple(_view_uncovered(each, names[each.platform_set]) for each in found.uncovered),
        unjudged=unjudged,
        on_uncovered=policy,
        warnings=load_image_failures(connection, given),
        others=tuple(others),
    )


def _view_image(named: NamedImage) -> OtherImage:
    return OtherImage(
        image=str(named.reference),
        index=named.image.index,
        offers=tuple(child.platform for child in named.image.children),
    )


def is_refused(check: ImageCheck) -> bool:
    """Whether the images must not be released as they are."""
    return bool(check.uncovered) and check.on_uncovered is OnUncovered.REFUSE


def describe_uncovered(check: ImageCheck) -> str:
    """How many devices of each platform get nothing, and some of their names."""
    kinds = "; ".join(
        f"{gap.platform}: {gap.devices} ({_name_some(gap.names, gap.devices)})"
        for gap in check.uncovered[:MAX_KINDS]
    )
    more = f"; and {len(check.uncovered) - MAX_KINDS} more kinds" if check.uncovered[MAX_KINDS:] else ""
    images = (OtherImage(image=check.image, index=check.index, offers=check.offers), *check.others)
    offers = "; ".join(f"{each.image} has {', '.join(map(str, each.offers))}" for each in images)
    count = f"{check.count_uncovered} of {check.devices} devices"
    lack = f"not all containers have something that {count}" if check.others else f"nothing that {count}"
    return f"{offers}: {lack} can run: {kinds}{more}"


def _name_some(names: tuple[str, ...], devices: int) -> str:
    unnamed = devices - len(names)
    return ", ".join(names) + (f" and {unnamed} more" if unnamed else "")


def _view_covered(covered: Covered, images: tuple[NamedImage, ...]) -> CoveredDevices:
    first, *others = (
        OtherChild(
            image=str(named.reference),
            image_platform=match.child.platform,
            child=match.child.child,
            fit=match.fit,
            size=match.child.size,
        )
        for named, match in zip(images, covered.coverage.matches, strict=True)
    )
    return CoveredDevices(
        platform=covered.platform,
        devices=covered.devices,
        image_platform=first.image_platform,
        child=first.child,
        fit=first.fit,
        size=first.size,
        pull=covered.pull,
        others=tuple(others),
    )


def _view_uncovered(uncovered: Uncovered, names: tuple[str, ...]) -> UncoveredDevices:
    return UncoveredDevices(
        platform=uncovered.platform,
        devices=uncovered.devices,
        runs=tuple(item.platform for item in uncovered.platforms),
        reason=Reason.NO_MATCHING_PLATFORM,
        message=str(uncovered.gap),
        names=names,
    )
