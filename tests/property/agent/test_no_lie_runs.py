"""No container of a lying image ever runs, wherever the agent is killed; what is true runs beside it."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_agent.core.actions import CreateContainer
from polyfleet_agent.core.containers import ContainerStatus
from polyfleet_agent.core.events import TransportConnected, Woken
from polyfleet_shared.messages import Phase
from polyfleet_shared.reasons import Reason
from simulation import Device, hint, image, payload, workload

LIE, TRUTH = image("1").config, image("2").config


def answer_one(device: Device, number: int) -> None:
    if device.pending:
        device.answer(number % len(device.pending))


def die_while_creating(device: Device, number: int) -> None:
    creations = [at for at, action in enumerate(device.pending) if isinstance(action, CreateContainer)]
    if creations:
        device.die_between_create_and_start(creations[number % len(creations)])


def pass_time(device: Device, number: int) -> None:
    device.now += number
    device.tell(Woken())


def stick_or_come_loose(device: Device, number: int) -> None:
    device.unremovable = number % 2 == 0


def die(device: Device, _number: int) -> None:
    device.kill()


def lose_power(device: Device, _number: int) -> None:
    device.reboot()


def get_a_hint(device: Device, _number: int) -> None:
    hint(device)


moves = st.sampled_from(
    [
        answer_one,
        answer_one,
        answer_one,
        die_while_creating,
        die_while_creating,
        die,
        lose_power,
        get_a_hint,
        pass_time,
        stick_or_come_loose,
    ]
)


@given(moves=st.lists(st.tuples(moves, st.integers(0, 400)), max_size=60))
def test_no_lie_ever_runs(moves: list[tuple[Callable[[Device, int], None], int]]) -> None:
    device = Device(disk=payload(1, workload("w1", "1"), workload("w2", "2")), lying={LIE})
    device.tell(Woken())
    for move, number in moves:
        move(device, number)
        assert LIE not in device.ran
    device.unremovable = False
    hint(device)
    device.settle(seconds=1000)
    device.tell(TransportConnected(connection=1))
    device.settle(seconds=1)
    assert device.ran == {TRUTH}
    assert [item.status for item in device.containers.values()] == [ContainerStatus.RUNNING]
    told = {item.uid: (item.phase, item.reason) for item in device.reports[-1].workloads}
    assert told == {"w1": (Phase.FAILED, Reason.PLATFORM_MISMATCH), "w2": (Phase.RUNNING, None)}
