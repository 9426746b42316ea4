"""A device as operators see it: in a list, and with everything that is known of it."""

from typing import Final

from polyfleet_controller.domain.device_labels import DeviceLabels
from polyfleet_controller.domain.devices import Device
from polyfleet_controller.services.events import view_event
from polyfleet_controller.services.rollout_reading import find_awaited
from polyfleet_controller.services.rollout_views import AwaitedRelease
from polyfleet_controller.services.views import AssignmentView, DeviceDetail, DeviceView, Incarnation
from polyfleet_controller.store.database import Connection
from polyfleet_controller.store.epochs import load_epoch
from polyfleet_controller.store.events import list_events
from polyfleet_controller.store.listings import (
    ListedDevice,
    NamedAssignment,
    list_assignments,
    load_inventory,
    load_telemetry,
)
from polyfleet_controller.store.lives import load_lives
from polyfleet_controller.store.marks import load_operator_labels
from polyfleet_controller.store.messages import load_reports
from polyfleet_controller.store.refusals import load_refusals
from polyfleet_shared.messages import Condition, WorkloadReport
from polyfleet_shared.reasons import Reason

_SHOWN_EVENTS: Final = 20


def view_device(listed: ListedDevice, epoch: int) -> DeviceView:
    """A device as lists show it."""
    device = listed.device
    observed = device.observed
    return DeviceView(
        name=device.name,
        admission=device.admission,
        connectivity=device.contact.connectivity,
        since=device.contact.since,
        last_seen=device.last_seen,
        platform=device.platform,
        platform_source=listed.platform_source,
        agent_version=listed.agent_version,
        labels=listed.labels,
        taints=listed.taints,
        epoch=epoch,
        generation=device.document.generation,
        observed_epoch=None if observed is None else observed.epoch,
        observed_generation=None if observed is None else observed.generation,
        sync=device.sync,
        conditions=_own_conditions(device) + listed.conditions,
    )


def _own_conditions(device: Device) -> tuple[Condition, ...]:
    """What the controller knows to be wrong, beside what the device says."""
    conditions: list[Condition] = []
    if device.duplicate_since is not None:
        since = device.duplicate_since.isoformat(timespec="seconds")
        message = f"a former machine of this name came online again at {since}; its document is frozen"
        conditions.append(Condition(reason=Reason.DUPLICATE_DEVICE, message=message))
    if device.document.oversized is not None:
        conditions.append(Condition(reason=Reason.OVERSIZED_DOCUMENT, message=device.document.oversized))
    return tuple(conditions)


def show_device(connection: Connection, listed: ListedDevice) -> DeviceDetail:
    """Everything about a device, with its newest events."""
    device = listed.device
    inventory = load_inventory(connection, device.name)
    operator = load_operator_labels(connection, [device.name]).get(device.name, {})
    labels = DeviceLabels.gather(device.name, inventory, operator)
    telemetry = load_telemetry(connection, device.name)
    lives = load_lives(connection, [device.name]).get(device.name, {})
    report = load_reports(connection, [device.name]).get(device.name)
    assignments = list_assignments(connection, device.name)
    awaited = find_awaited(connection, (item.assignment for item in assignments))
    reports = {} if report is None else {item.uid: item for item in report.workloads}
    if telemetry is not None and telemetry.stamp.incarnation != device.lives.current:
        telemetry = None
    return DeviceDetail(
        device=view_device(listed, load_epoch(connection)),
        platforms=() if inventory is None else inventory.platforms,
        host=None if inventory is None else inventory.host,
        telemetry=telemetry,
        incarnations=tuple(
            Incarnation(
                incarnation=life.incarnation, first_seen=life.first_seen, superseded_at=life.superseded_at
            )
            for life in lives.values()
        ),
        assignments=tuple(
            _view_assignment(
                item, reports.get(item.assignment.workload), awaited.get(item.assignment.workload)
            )
            for item in assignments
        ),
        events=tuple(
            view_event(event) for event in list_events(connection, device.name, limit=_SHOWN_EVENTS)
        ),
        labels=labels.explained,
        ignored_labels=labels.ignored,
        refusals=tuple(refusal.message for refusal in load_refusals(connection, [device.name])),
    )


def _view_assignment(
    named: NamedAssignment, report: WorkloadReport | None, awaited: AwaitedRelease | None
) -> AssignmentView:
    assignment = named.assignment
    return AssignmentView(
        uid=assignment.workload,
        namespace=named.namespace,
        name=named.name,
        release=assignment.release,
        platform=assignment.images[0].platform if assignment.images else None,
        child=assignment.images[0].child if assignment.images else None,
        held=assignment.held,
        standing=assignment.standing,
        report=report,
        other_children=tuple(image.child for image in assignment.images[1:]),
        awaits=awaited,
    )
