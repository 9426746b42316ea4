"""What is remembered goes to the disk, and is asked to again and again while the disk refuses.

Going back waits for no disk: a device whose disk is full still has to run what worked.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from polyfleet_agent.core.actions import SaveRecords
from polyfleet_agent.core.events import RecordsNotSaved, RecordsSaved
from polyfleet_agent.core.memory import NOTHING_REMEMBERED, Record, write_memory
from polyfleet_agent.core.observation import set_back
from polyfleet_agent.core.state import UNTROUBLED, Recording, State
from polyfleet_agent.core.transition import Transition


def save_if_due(state: State, now: float) -> Transition:
    """Begin to save what the disk does not know yet. Before there is a document, nothing is forgotten."""
    if state.document is None:
        return Transition(state=state)
    before = state.recording
    if before is not None and (before.under_way or before.trouble.waits(now) is not None):
        return Transition(state=state)
    records = _gather(state)
    if records == state.recorded:
        return Transition(state=state if before is None else replace(state, recording=None))
    number = state.recordings + 1
    trouble = UNTROUBLED if before is None else before.trouble
    recording = Recording(number=number, records=records, trouble=trouble)
    return Transition(
        state=replace(state, recording=recording, recordings=number),
        actions=(SaveRecords(number=number, payload=write_memory(sorted(records.items()))),),
    )


def take_saved(state: State, event: RecordsSaved) -> State:
    """From now on what has given way may be removed: after a restart the device still knows its successor."""
    saving = state.recording
    if saving is None or saving.number != event.number:
        return state
    workloads = {
        uid: replace(item, kept_good=saving.records.get(uid, NOTHING_REMEMBERED).good_hash)
        for uid, item in state.workloads.items()
    }
    return replace(state, recorded=saving.records, recording=None, workloads=workloads)


def keep_trying(state: State, event: RecordsNotSaved, now: float) -> State:
    """The disk refused: it is asked again, with what there is to remember by then."""
    saving = state.recording
    if saving is None or saving.number != event.number:
        return state
    seed = state.settings.seed("records")
    trouble = set_back(saving.trouble, event.reason, event.message, seed=seed, now=now)
    return replace(state, recording=replace(saving, under_way=False, trouble=trouble))


def retry_at(state: State) -> float:
    """When saving is tried again, infinity if it is not waited for."""
    saving = state.recording
    if saving is None or saving.under_way or saving.trouble.setback is None:
        return math.inf
    return saving.trouble.setback.retry_at


def _gather(state: State) -> Mapping[str, Record]:
    lasting = {uid: item.record.lasting for uid, item in state.workloads.items()}
    return {uid: record for uid, record in lasting.items() if record != NOTHING_REMEMBERED}
