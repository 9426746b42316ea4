"""What a desired document holds, apart from its version: devices that run the same share it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, assert_never

from polyfleet_controller.domain.observation import MAX_COUNTER
from polyfleet_controller.domain.placement import Assigned, Decision, Held
from polyfleet_shared.desired import (
    digest_desired,
    digest_desired_content,
    write_desired,
    write_desired_content,
)
from polyfleet_shared.topics import DELIVERY, Channel
from polyfleet_shared.wire import OversizedMessageError
from polyfleet_shared.workloads import DesiredWorkload, HeldWorkload

# More than a document's version takes of it.
_VERSION_ROOM: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The workloads of a document, in the order of their uids."""

    workloads: tuple[DesiredWorkload, ...] = ()
    held: tuple[HeldWorkload, ...] = ()

    @property
    def digest(self) -> str:
        """The digest that a document of this content carries."""
        return digest_desired(self.workloads, self.held)


def make_content(decisions: Iterable[Decision]) -> Content:
    """The content that carries out these decisions."""
    workloads: list[DesiredWorkload] = []
    held: list[HeldWorkload] = []
    for decision in decisions:
        match decision:
            case Assigned(workload=workload):
                workloads.append(workload)
            case Held(workload=holding):
                held.append(holding)
            case _:
                assert_never(decision)
    return Content(
        workloads=tuple(sorted(workloads, key=lambda item: item.uid)),
        held=tuple(sorted(held, key=lambda item: item.uid)),
    )


def put_decision(content: Content, uid: str, decision: Decision | None) -> Content:
    """The content with this decision in place of what it had for the workload; None takes it out."""
    other = Content(
        workloads=tuple(item for item in content.workloads if item.uid != uid),
        held=tuple(item for item in content.held if item.uid != uid),
    )
    if decision is None:
        return other
    added = make_content([decision])
    return Content(
        workloads=tuple(sorted(other.workloads + added.workloads, key=lambda item: item.uid)),
        held=tuple(sorted(other.held + added.held, key=lambda item: item.uid)),
    )


def render(content: Content, *, epoch: int, generation: int) -> bytes:
    """The payload of a document."""
    return write_desired(epoch=epoch, generation=generation, workloads=content.workloads, held=content.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenContent:
    """A content as JSON text, with what follows from that; `excess` is as `find_excess` has it."""

    text: str
    digest: str
    excess: str | None


def write_content(content: Content) -> WrittenContent:
    """Write a content once for its digest, its size and the store."""
    text = write_desired_content(content.workloads, content.held)
    is_near = len(text) + _VERSION_ROOM > DELIVERY[Channel.DESIRED].limit
    return WrittenContent(
        text=text.decode(),
        digest=digest_desired_content(text),
        excess=find_excess(content) if is_near else None,
    )


def find_excess(content: Content) -> str | None:
    """Why no document can hold the content, whatever its version; None if one can."""
    try:
        render(content, epoch=MAX_COUNTER, generation=MAX_COUNTER)
    except OversizedMessageError as error:
        return str(error)
    return None
