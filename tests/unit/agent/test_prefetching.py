"""Images that are fetched ahead of their release: one at a time, after what is wanted, at nobody's cost."""

from dataclasses import replace

from polyfleet_agent.core.actions import PullImage
from polyfleet_agent.core.events import DesiredReceived, TransportConnected
from polyfleet_shared.desired import read_desired
from polyfleet_shared.features import Feature
from polyfleet_shared.messages import EventKind, Phase, WorkloadReport
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import DesiredWorkload
from simulation import Device, image, payload, workload


def receive(device: Device, generation: int, *workloads: DesiredWorkload) -> None:
    sent = payload(generation, *workloads)
    document = read_desired(sent, features=frozenset(Feature))
    device.tell(DesiredReceived(document=document, payload=sent))


def deployed(*workloads: DesiredWorkload) -> Device:
    device = Device()
    device.tell(TransportConnected(connection=1))
    receive(device, 1, *workloads)
    device.settle(seconds=100)
    return device


def ahead(uid: str, version: str, *versions: str) -> DesiredWorkload:
    """A workload that wants other versions to be prefetched."""
    return replace(workload(uid, version), prefetch=tuple(image(other) for other in versions))


def pulls(device: Device) -> list[str]:
    """The children that are being pulled, or are about to be."""
    return [action.image.child for action in device.pending if isinstance(action, PullImage)]


def last_report(device: Device) -> WorkloadReport:
    return device.reports[-1].workloads[0]


def step_until_pulled(device: Device) -> list[list[str]]:
    """Answer everything; what was being pulled at each step."""
    seen: list[list[str]] = []
    while device.pending:
        if pulls(device) and (not seen or seen[-1] != pulls(device)):
            seen.append(pulls(device))
        device.answer()
    return seen


def test_what_is_wanted_comes_first_and_the_rest_one_by_one() -> None:
    device = deployed()
    receive(device, 2, ahead("w1", "1", "2", "3"), ahead("w2", "1", "4"))
    one, *rest = step_until_pulled(device)
    assert one == [image("1").child] * 2
    fetched = [found for found in rest if found != [image("1").child]]
    assert fetched == [[image(version).child] for version in ("2", "3", "4")]
    assert set(last_report(device).prefetched) == {image("2").child, image("3").child}
    assert last_report(device).phase is Phase.RUNNING


def test_what_cannot_be_prefetched_fails_nothing_and_is_tried_again() -> None:
    device = deployed(workload("w1"))
    device.unpullable[image("2").child] = Reason.REGISTRY_UNREACHABLE
    receive(device, 2, ahead("w1", "1", "2", "3"))
    device.settle(seconds=1000)
    report = last_report(device)
    assert (report.phase, report.reason, report.prefetched) == (Phase.RUNNING, None, (image("3").child,))
    failures = [item for item in device.happenings if item.kind is EventKind.PULL_FAILED]
    assert [(item.reason, item.release) for item in failures] == [(Reason.REGISTRY_UNREACHABLE, "release-1")]
    device.unpullable.clear()
    device.settle(seconds=400)
    assert set(last_report(device).prefetched) == {image("2").child, image("3").child}


def test_what_was_prefetched_is_not_pulled_again_when_its_release_comes() -> None:
    device = deployed(ahead("w1", "1", "2"))
    device.unpullable[image("2").child] = Reason.REGISTRY_UNREACHABLE
    receive(device, 2, workload("w1", "2"))
    device.settle(seconds=100)
    assert device.running() == {"w1": image("2").config}
    assert last_report(device).prefetched == ()


def test_a_release_that_comes_while_its_image_is_on_the_way_waits_for_that_pull() -> None:
    device = deployed(workload("w1"))
    receive(device, 2, ahead("w1", "1", "2"))
    device.answer()
    while not pulls(device):
        device.answer()
    receive(device, 3, workload("w1", "2"))
    save = len(device.pending) - 1
    device.answer(save)
    while any(not isinstance(action, PullImage) for action in device.pending):
        device.answer(next(at for at, item in enumerate(device.pending) if not isinstance(item, PullImage)))
    assert pulls(device) == [image("2").child]
    assert last_report(device).phase is Phase.PULLING
    device.settle(seconds=100)
    assert (last_report(device).phase, device.running()) == (Phase.RUNNING, {"w1": image("2").config})


def test_after_a_restart_the_device_knows_again_what_it_has() -> None:
    device = deployed(ahead("w1", "1", "2"))
    device.kill()
    device.tell(TransportConnected(connection=2))
    device.settle(seconds=100)
    assert last_report(device).prefetched == (image("2").child,)
