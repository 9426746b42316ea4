"""Desired documents: only the newest counts, and none is acted on before it is on disk."""

import math
from collections.abc import Iterable
from dataclasses import replace

from polyfleet_agent.core.actions import Action, RecordEvent, SaveDesired
from polyfleet_agent.core.events import DesiredNotSaved, DesiredReceived
from polyfleet_agent.core.gate import aim, let_go
from polyfleet_agent.core.happenings import Happening
from polyfleet_agent.core.memory import NOTHING_REMEMBERED
from polyfleet_agent.core.observation import set_back
from polyfleet_agent.core.prefetching import keep_wanted
from polyfleet_agent.core.runtime import want_listing
from polyfleet_agent.core.state import PendingDocument, State, Workload
from polyfleet_agent.core.transition import Transition
from polyfleet_shared.desired import DesiredDocument
from polyfleet_shared.messages import Condition, DocumentVersion, EventKind
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import DesiredWorkload, HeldWorkload


def receive(state: State, event: DesiredReceived) -> Transition:
    """Begin to save it if it is newer than all that is known; an old or repeated one changes nothing."""
    known = [item.version.order for item in (state.document, _saving(state)) if item is not None]
    newest = max(known, default=(0, 0))
    if event.document.version.order < newest:
        return Transition(state=state)
    readable = replace(state, refused=None)
    if event.document.version.order == newest:
        return Transition(state=readable)
    pending = PendingDocument(document=event.document, payload=event.payload)
    return Transition(state=replace(readable, saving=pending), actions=(_save(pending),))


def refuse(state: State, message: str) -> Transition:
    """An unreadable document leaves the one in force in force, and is told once."""
    condition = Condition(reason=Reason.INVALID_DOCUMENT, message=message)
    if condition == state.refused:
        return Transition(state=state)
    happening = Happening(kind=EventKind.DOCUMENT_REFUSED, reason=Reason.INVALID_DOCUMENT, message=message)
    return Transition(state=replace(state, refused=condition), actions=(RecordEvent(happening=happening),))


def adopt(state: State, version: DocumentVersion) -> Transition:
    """Work by the document that has just been saved; an answer about an older save changes nothing."""
    saving = state.saving
    if saving is None or saving.document.version != version:
        return Transition(state=state)
    installed = install(replace(state, saving=None), saving.document)
    message = f"epoch {version.epoch}, generation {version.generation}"
    accepted = Happening(kind=EventKind.DOCUMENT_ACCEPTED, message=message)
    return replace(installed, actions=(RecordEvent(happening=accepted), *installed.actions))


def install(state: State, document: DesiredDocument) -> Transition:
    """Make a document that is on disk the one in force."""
    targets = {item.uid: item for item in document.workloads}
    holds = {item.uid: item for item in document.held}
    names: Iterable[str] = (*state.workloads, *targets, *holds)
    workloads: dict[str, Workload] = {}
    actions: list[Action] = []
    for uid in dict.fromkeys(names):
        before = state.workloads.get(uid)
        known = _recall(state, uid) if before is None else before
        workloads[uid] = _retarget(known, targets.get(uid), holds.get(uid))
        hold = workloads[uid].hold
        if hold is not None and (before is None or before.hold != hold):
            actions.append(RecordEvent(happening=_held(hold)))
    installed = replace(state, document=document, workloads=workloads)
    return Transition(state=want_listing(installed), actions=tuple(actions))


def keep_trying(state: State, event: DesiredNotSaved, now: float) -> Transition:
    """The disk refused it: the document in force stays in force, and saving is tried again."""
    saving = state.saving
    if saving is None or saving.document.version != event.version:
        return Transition(state=state)
    trouble = set_back(
        saving.trouble, event.reason, event.message, seed=state.settings.seed("desired"), now=now
    )
    return Transition(state=replace(state, saving=replace(saving, trouble=trouble, under_way=False)))


def save_again_if_due(state: State, now: float) -> Transition:
    """Try again to save after the disk refused."""
    saving = state.saving
    if saving is None or saving.under_way or saving.trouble.waits(now) is not None:
        return Transition(state=state)
    return Transition(state=replace(state, saving=replace(saving, under_way=True)), actions=(_save(saving),))


def retry_at(state: State) -> float:
    """When saving is tried again, infinity if it is not waited for."""
    saving = state.saving
    if saving is None or saving.under_way or saving.trouble.setback is None:
        return math.inf
    return saving.trouble.setback.retry_at


def _saving(state: State) -> DesiredDocument | None:
    return None if state.saving is None else state.saving.document


def _save(pending: PendingDocument) -> SaveDesired:
    return SaveDesired(version=pending.document.version, payload=pending.payload)


def _retarget(known: Workload, target: DesiredWorkload | None, hold: HeldWorkload | None) -> Workload:
    if hold is not None:
        return replace(known, hold=hold, namespace=hold.namespace, name=hold.name)
    if target is None:
        gone = replace(let_go(known), wanted=None, target=None, spec_hash="", failure=None, hold=None)
        return keep_wanted(gone)
    return keep_wanted(aim(known, target))


def _recall(state: State, uid: str) -> Workload:
    """A workload that is new to this agent, with what the disk knows of it."""
    record = state.recorded.get(uid, NOTHING_REMEMBERED)
    return Workload(uid=uid, namespace="", name="", record=record, kept_good=record.good_hash)


def _held(hold: HeldWorkload) -> Happening:
    return Happening(kind=EventKind.HELD, workload=hold.uid, reason=hold.reason, message=hold.message)
