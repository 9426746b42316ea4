"""What a desired document holds, apart from its version: devices that run the same share it."""

from dataclasses import dataclass
from typing import Final, assert_never

from polyfleet_controller.domain.observation import MAX_COUNTER
from polyfleet_controller.domain.placement import Assigned, Decision, Held
from polyfleet_shared.desired import digest_desired, write_desired
from polyfleet_shared.wire import OversizedMessageError
from polyfleet_shared.workloads import DesiredWorkload, HeldWorkload


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The workloads of a document, in the order of their uids."""

    workloads: tuple[DesiredWorkload, ...] = ()
    held: tuple[HeldWorkload, ...] = ()

    @property
    def digest(self) -> str:
        """The digest that a document of this content carries."""
        return digest_desired(self.workloads, self.held)


EMPTY: Final = Content()


def put_decision(content: Content, uid: str, decision: Decision | None) -> Content:
    """The content with this decision in place of what it had for the workload; None takes it out."""
    workloads = [item for item in content.workloads if item.uid != uid]
    held = [item for item in content.held if item.uid != uid]
    match decision:
        case Assigned(workload=workload):
            workloads.append(workload)
        case Held(workload=holding):
            held.append(holding)
        case None:
            pass
        case _:
            assert_never(decision)
    return Content(
        workloads=tuple(sorted(workloads, key=lambda item: item.uid)),
        held=tuple(sorted(held, key=lambda item: item.uid)),
    )


def render(content: Content, *, epoch: int, generation: int) -> bytes:
    """The payload of a document."""
    return write_desired(epoch=epoch, generation=generation, workloads=content.workloads, held=content.held)


def find_excess(content: Content) -> str | None:
    """Why no document can hold the content, whatever its version; None if one can."""
    try:
        render(content, epoch=MAX_COUNTER, generation=MAX_COUNTER)
    except OversizedMessageError as error:
        return str(error)
    return None
