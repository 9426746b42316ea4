"""Whatever probes answer, and whether they do: they stop only what they may, and delay nothing."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_agent.core.actions import (
    CreateContainer,
    PullImage,
    RemoveContainer,
    RunProbe,
    StartContainer,
    StopContainer,
)
from polyfleet_agent.core.containers import ContainerStatus
from polyfleet_agent.core.events import DesiredReceived, ProbeAnswered, TransportConnected, Woken
from polyfleet_agent.core.health import Answer
from polyfleet_agent.core.state import Settings
from polyfleet_shared.desired import read_desired
from polyfleet_shared.messages import EventKind
from polyfleet_shared.probes import Probe
from polyfleet_shared.workloads import DesiredWorkload
from simulation import Device, asks, hint, payload, workload

AT_ONCE = 2

answers = st.builds(Answer, succeeded=st.sampled_from([None, True, False]), message=st.just("answered 503"))
probes = st.builds(
    replace,
    st.just(asks("ready")),
    period_seconds=st.integers(1, 20),
    failure_threshold=st.integers(1, 3),
    success_threshold=st.integers(1, 3),
)


def with_readiness(item: DesiredWorkload, probe: Probe) -> DesiredWorkload:
    main = replace(item.containers[0], readiness_probe=probe)
    return replace(item, containers=(main, *item.containers[1:]))


def deploy(*wanted: DesiredWorkload) -> Device:
    device = Device(settings=Settings(device="dev-1", probes_at_once=AT_ONCE))
    device.tell(TransportConnected(connection=1))
    sent = payload(1, *wanted)
    device.tell(DesiredReceived(document=read_desired(sent, features=frozenset()), payload=sent))
    return device


@given(
    asked=st.lists(probes, min_size=1, max_size=4),
    sides=st.integers(0, 1),
    told=st.lists(st.tuples(answers, st.sampled_from([0.1, 1.0, 30.0])), max_size=60),
)
def test_readiness_alone_never_stops_a_container(
    asked: list[Probe], sides: int, told: list[tuple[Answer, float]]
) -> None:
    device = deploy(
        *(with_readiness(workload(f"w{number}", sides=sides), probe) for number, probe in enumerate(asked))
    )
    for answer, seconds in told:
        device.answers["ready"] = answer
        device.settle(steps=5, seconds=seconds)
        device.now += seconds
        device.tell(Woken())
    device.settle(steps=300, seconds=30)
    assert [item.kind for item in device.happenings if item.kind is EventKind.EXITED] == []
    assert len(device.running()) == len(asked)


def take_quick_actions(device: Device) -> list[tuple[str, str]]:
    """Answer all that is pending but probes, until nothing is; say which pulls and steps there were."""
    done: list[tuple[str, str]] = []
    while quick := [at for at, action in enumerate(device.pending) if not isinstance(action, RunProbe)]:
        action = device.pending[quick[0]]
        if isinstance(action, PullImage | CreateContainer | StartContainer | StopContainer | RemoveContainer):
            done.append((type(action).__name__, action.uid))
        device.answer(quick[0])
    return done


@given(
    count=st.integers(1, 4),
    probe=probes,
    moves=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([0.5, 10.0, 100.0]), st.booleans()), max_size=30
    ),
)
def test_probes_that_hang_delay_no_pull_no_start_and_no_restart(
    count: int, probe: Probe, moves: list[tuple[int, float, bool]]
) -> None:
    plain = [workload(f"w{number}") for number in range(count)]
    devices = (deploy(*plain), deploy(*(with_readiness(item, probe) for item in plain)))
    for crashed, seconds, answered in moves:
        done = [take_quick_actions(device) for device in devices]
        assert done[0] == done[1]
        for device in devices:
            found = [item for item in device.containers.values() if item.uid == f"w{crashed}"]
            if found and found[0].status is ContainerStatus.RUNNING:
                device.crash(found[0].container_id)
                hint(device)
            device.now += seconds
            device.tell(Woken())
        hanging = [action for action in devices[1].pending if isinstance(action, RunProbe)]
        assert len(hanging) <= AT_ONCE
        if answered and hanging:
            devices[1].pending.remove(hanging[0])
            devices[1].tell(ProbeAnswered(number=hanging[0].number, answer=Answer(succeeded=False)))
