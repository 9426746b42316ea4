"""The API's states in words, each with its colour: nothing here decides, it only says."""

from datetime import datetime
from typing import Final

from rich.text import Text

from polyfleet_controller.cli.humanized import exact_time, humanize_age, humanize_bytes
from polyfleet_controller.cli.layout import BAD, GOOD, WEAK, styled
from polyfleet_controller.services.views import (
    Admission,
    Connectivity,
    DeviceView,
    ImageFailure,
    Sync,
)
from polyfleet_shared.messages import Condition, Phase, PullProgress, WorkloadReport
from polyfleet_shared.reasons import Reason, explain

NOTHING: Final = "-"

_SYNC: Final = {
    Sync.IN_SYNC: ("in sync", GOOD, "every workload runs, proven by its digest"),
    Sync.WORKING: ("working", WEAK, "it has its newest document and is not there yet"),
    Sync.BEHIND: ("behind", WEAK, "it has not confirmed its newest document"),
    Sync.FAILING: ("failing", BAD, "something on it does not run; the reason is below"),
    Sync.HELD: ("held", WEAK, "all that it is given runs; a workload cannot be given to it, see below"),
    Sync.UNASSIGNED: ("unassigned", "", "nothing was ever meant for it"),
}
_CONNECTIVITY: Final = {Connectivity.ONLINE: GOOD, Connectivity.OFFLINE: BAD, Connectivity.UNKNOWN: WEAK}
_PHASE: Final = {Phase.RUNNING: GOOD, Phase.COMPLETED: GOOD, Phase.FAILED: BAD, Phase.BACKING_OFF: WEAK}


def say_connectivity(connectivity: Connectivity) -> Text:
    """`online`, `offline` or `unknown`."""
    return styled(connectivity, _CONNECTIVITY[connectivity])


def say_sync(device: DeviceView) -> Text:
    """In one or two words; a device that may not have work yet says that instead."""
    if device.admission is Admission.PENDING:
        return styled("not admitted", WEAK)
    word, style, _ = _SYNC[device.sync]
    return styled(word, style)


def say_sync_in_full(device: DeviceView) -> Text:
    """The same, with what it means."""
    if device.admission is Admission.PENDING:
        meaning = f"it is given no work until `polyfleet device admit {device.name}`"
    else:
        meaning = _SYNC[device.sync][2]
    return Text.assemble(say_sync(device), f": {meaning}")


def say_phase(phase: Phase) -> Text:
    """`backing off`."""
    return styled(phase.replace("_", " "), _PHASE.get(phase, ""))


def say_since(moment: datetime | None, now: datetime) -> str:
    """`3 min ago (2024-05-01 10:00:03Z)`."""
    return NOTHING if moment is None else f"{humanize_age(moment, now)} ({exact_time(moment)})"


def say_pull(pull: PullProgress) -> str:
    """`12.3 MiB of 45.6 MiB (27 %)`."""
    share = f" ({100 * pull.done // pull.total} %)" if pull.total else ""
    return f"{humanize_bytes(pull.done)} of {humanize_bytes(pull.total)}{share}"


def say_progress(report: WorkloadReport) -> str:
    """The phase, and while pulling how far."""
    word = report.phase.replace("_", " ")
    return f"{word} {say_pull(report.pull)}" if report.pull and report.phase is Phase.PULLING else word


def explain_reason(reason: Reason, message: str) -> list[tuple[str, str | Text]]:
    """Facts: the reason with its sentence, what the reporter says in its own words, and what to do."""
    explanation = explain(reason)
    facts: list[tuple[str, str | Text]] = [
        ("reason", Text.assemble(styled(reason, BAD), f": {explanation.sentence}"))
    ]
    if message:
        facts.append(("message", message))
    return [*facts, ("next step", explanation.next_step)]


def explain_condition(condition: Condition) -> str:
    """The same in one line, for stderr."""
    explanation = explain(condition.reason)
    message = f" ({condition.message})" if condition.message else ""
    sentence = explanation.sentence.removesuffix(".")
    return f"{condition.reason}: {sentence}{message}. Next step: {explanation.next_step}"


def say_failure(failure: ImageFailure, now: datetime) -> Text:
    """What a device found out about a child."""
    where = f"{failure.device} ({failure.platform}), {humanize_age(failure.seen_at, now)}"
    message = f": {failure.message}" if failure.message else ""
    return Text.assemble(
        styled("failed", BAD), " as ", styled(failure.reason, BAD), styled(f" on {where}{message}")
    )


def count_devices(count: int) -> str:
    """`1 device`, `12 devices`."""
    return "1 device" if count == 1 else f"{count} devices"
