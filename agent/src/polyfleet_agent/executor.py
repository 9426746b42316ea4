"""One function for each action: it touches the world and answers with what came of it.

Nothing here decides. Each function may be called again after a crash in its middle.
"""

from collections.abc import Callable
from typing import Final

from polyfleet_agent.core.actions import (
    CreateContainer,
    FirstStart,
    ListContainers,
    PullImage,
    RemoveContainer,
    RunProbe,
    SaveDesired,
    SaveRecords,
    StartContainer,
    Step,
    StopContainer,
)
from polyfleet_agent.core.diagnosis import make_printable
from polyfleet_agent.core.events import (
    AgentEvent,
    ContainersListed,
    ContainersNotListed,
    DesiredNotSaved,
    DesiredSaved,
    ProbeAnswered,
    PullAdvanced,
    PullFailed,
    PullSucceeded,
    RecordsNotSaved,
    RecordsSaved,
    StepFailed,
    StepSucceeded,
)
from polyfleet_agent.core.health import Answer
from polyfleet_agent.core.programs import find_lie
from polyfleet_agent.ports import ContainerRuntime, RuntimeFailure, StateFailure, World
from polyfleet_shared.messages import PullProgress
from polyfleet_shared.reasons import Reason

# A report has to fit its channel whatever a runtime says.
_LONGEST_MESSAGE: Final = 500


def save_desired(world: World, action: SaveDesired) -> AgentEvent:
    """Put the document on disk."""
    try:
        world.state.save_desired(action.payload)
    except StateFailure as failure:
        return DesiredNotSaved(
            version=action.version, reason=failure.reason, message=shorten(failure.message)
        )
    return DesiredSaved(version=action.version)


def save_records(world: World, action: SaveRecords) -> AgentEvent:
    """Put what is remembered on disk."""
    try:
        world.state.save_records(action.payload)
    except StateFailure as failure:
        return RecordsNotSaved(number=action.number, reason=failure.reason, message=shorten(failure.message))
    return RecordsSaved(number=action.number)


def list_containers(world: World, action: ListContainers) -> AgentEvent:
    """Look at what is there."""
    try:
        containers = world.runtime.list_containers()
    except RuntimeFailure as failure:
        return ContainersNotListed(
            number=action.number, reason=failure.reason, message=shorten(failure.message)
        )
    return ContainersListed(number=action.number, containers=containers)


def pull_image(world: World, action: PullImage, post: Callable[[AgentEvent], None]) -> AgentEvent:
    """Have the child in the store; one that is there costs nothing."""
    uid, image = action.uid, action.image

    def advance(progress: PullProgress) -> None:
        post(PullAdvanced(uid=uid, child=image.child, progress=progress))

    began = world.clock.monotonic()
    try:
        size = (
            0 if world.runtime.has_image(image) else world.runtime.pull(image, advance, action.secrets).size
        )
    except RuntimeFailure as failure:
        return PullFailed(uid=uid, child=image.child, reason=failure.reason, message=shorten(failure.message))
    return PullSucceeded(uid=uid, child=image.child, size=size, seconds=world.clock.monotonic() - began)


def run_probe(world: World, action: RunProbe) -> AgentEvent:
    """Ask a container. That Podman could not ask it says nothing about it."""
    try:
        answer = world.runtime.probe(action.container_id, action.probe)
    except RuntimeFailure as failure:
        answer = Answer(succeeded=None, message=failure.message)
    words = shorten(make_printable(answer.message))
    return ProbeAnswered(number=action.number, answer=Answer(succeeded=answer.succeeded, message=words))


def take_step(world: World, step: Step) -> AgentEvent:
    """Do one step with a container."""
    try:
        _step(world.runtime, step)
    except RuntimeFailure as failure:
        return StepFailed(uid=step.uid, reason=failure.reason, message=shorten(failure.message))
    return StepSucceeded(uid=step.uid)


def _step(runtime: ContainerRuntime, step: Step) -> None:
    match step:
        case CreateContainer(workload=workload, container=container):
            container_id = runtime.create(workload, container)
            _prepare(runtime, container_id, FirstStart(workload=workload, container=container))
            if step.start:
                runtime.start(container_id)
        case StartContainer(container_id=container_id, first=None):
            runtime.start(container_id)
        case StartContainer(container_id=container_id, first=FirstStart() as first):
            _prepare(runtime, container_id, first)
            runtime.start(container_id)
        case StopContainer(container_id=container_id, grace=grace):
            runtime.stop(container_id, grace=grace)
        case RemoveContainer(container_id=container_id):
            runtime.remove(container_id)


def _prepare(runtime: ContainerRuntime, container_id: str, first: FirstStart) -> None:
    """Have it ready to be started if its program is what the image claims to hold; a lie is removed.

    Labels lie, and where QEMU is registered a foreign program would run.
    """
    lie = find_lie(runtime.examine(container_id), first.container.image.platform)
    if lie is None:
        runtime.fill(container_id, first.workload, first.container)
        return
    lie = make_printable(lie)
    try:
        runtime.remove(container_id)
    except RuntimeFailure as failure:
        # It has never run, so before any start it is examined again.
        lie = f"{lie}; its container could not be removed: {failure.message}"
    raise RuntimeFailure(Reason.PLATFORM_MISMATCH, lie)


def shorten(message: str) -> str:
    """A message of bounded length, whose beginning and end say the most, in text that every peer takes.

    What Podman or the system said may hold NUL, or bytes that are no UTF-8: the controller would refuse the
    whole report for it.
    """
    message = message.replace("\0", "\ufffd").encode(errors="replace").decode()
    if len(message) <= _LONGEST_MESSAGE:
        return message
    half = (_LONGEST_MESSAGE - 3) // 2
    return f"{message[:half]} … {message[-half:]}"
