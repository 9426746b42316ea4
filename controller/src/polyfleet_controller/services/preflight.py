"""Which devices get which child of an image, and which get none, before anything is changed."""

from typing import Final

from polyfleet_controller.domain.images import ImageReference, ResolvedImage
from polyfleet_controller.domain.manifest import OnUncovered
from polyfleet_controller.domain.preflight import Covered, Uncovered, check_image
from polyfleet_controller.domain.selectors import Selector
from polyfleet_controller.services.errors import NotFoundError
from polyfleet_controller.services.image_views import CoveredDevices, ImageCheck, UncoveredDevices
from polyfleet_controller.services.ports import Registry
from polyfleet_controller.store.database import Connection, Database
from polyfleet_controller.store.image_failures import load_image_failures
from polyfleet_controller.store.targets import count_unjudged, list_target_names, load_targets
from polyfleet_controller.store.workloads import find_workload, load_placeable
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
        reference: ImageReference,
        *,
        workload: tuple[str, str] | None = None,
        selector: Selector = _EVERYTHING,
    ) -> ImageCheck:
        """Check what a reference names now, for all admitted devices or those that are selected.

        `workload` is (namespace, name): the devices that it is meant for, by its policy. Takes as long as the
        registry may.

        Raises:
            NotFoundError: there is no such workload.
            RegistryFailure: the registry has no such image, or no answer.
            StoreError: the database does not answer.
        """
        policy = None if workload is None else self._find_policy(*workload)
        image = self._registry.resolve(reference)
        with self._database.read() as connection:
            return check_targets(connection, reference, image, selector=selector, policy=policy)

    def _find_policy(self, namespace: str, name: str) -> OnUncovered:
        with self._database.read() as connection:
            found = find_workload(connection, namespace, name)
        if found is None:
            raise NotFoundError("workload", f"{namespace}/{name}")
        return found.manifest.spec.on_uncovered


def check_targets(
    connection: Connection,
    reference: ImageReference,
    image: ResolvedImage,
    *,
    selector: Selector = _EVERYTHING,
    policy: OnUncovered | None = None,
) -> ImageCheck:
    """Check an image that was resolved."""
    groups = load_targets(connection, selector)
    layers = {
        child.child: child.layers
        for workload in load_placeable(connection)
        if workload.release is not None
        for child in workload.release.image.children
    }
    found = check_image(image.children, groups, layers)
    names = list_target_names(
        connection, [each.platform_set for each in found.uncovered], selector, limit=MAX_NAMES
    )
    return ImageCheck(
        image=str(reference),
        index=image.index,
        offers=tuple(child.platform for child in image.children),
        devices=sum(group.devices for group in groups),
        covered=tuple(map(_view_covered, found.covered)),
        uncovered=tuple(_view_uncovered(each, names[each.platform_set]) for each in found.uncovered),
        unjudged=count_unjudged(connection, selector),
        on_uncovered=policy,
        warnings=load_image_failures(connection, {each.child.child for each in found.covered}),
    )


def is_refused(check: ImageCheck) -> bool:
    """Whether the image must not be released as it is."""
    return bool(check.uncovered) and check.on_uncovered is OnUncovered.REFUSE


def describe_uncovered(check: ImageCheck) -> str:
    """How many devices of each platform get nothing, and some of their names."""
    kinds = "; ".join(
        f"{gap.platform}: {gap.devices} ({_name_some(gap.names, gap.devices)})"
        for gap in check.uncovered[:MAX_KINDS]
    )
    more = f"; and {len(check.uncovered) - MAX_KINDS} more kinds" if check.uncovered[MAX_KINDS:] else ""
    offers = ", ".join(map(str, check.offers))
    return (
        f"{check.image} has {offers}: nothing that {check.count_uncovered} of {check.devices} devices can "
        f"run: {kinds}{more}"
    )


def _name_some(names: tuple[str, ...], devices: int) -> str:
    unnamed = devices - len(names)
    return ", ".join(names) + (f" and {unnamed} more" if unnamed else "")


def _view_covered(covered: Covered) -> CoveredDevices:
    return CoveredDevices(
        platform=covered.platform,
        devices=covered.devices,
        image_platform=covered.child.platform,
        child=covered.child.child,
        fit=covered.fit,
        size=covered.child.size,
        pull=covered.pull,
    )


def _view_uncovered(uncovered: Uncovered, names: tuple[str, ...]) -> UncoveredDevices:
    return UncoveredDevices(
        platform=uncovered.platform,
        devices=uncovered.devices,
        runs=tuple(item.platform for item in uncovered.platforms),
        reason=Reason.NO_MATCHING_PLATFORM,
        message=str(uncovered.mismatch),
        names=names,
    )
