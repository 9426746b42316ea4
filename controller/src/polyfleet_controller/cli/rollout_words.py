"""Rollouts in words: nothing here decides, it only says."""

from collections.abc import Iterator
from typing import Final

from rich.text import Text

from polyfleet_controller.cli.humanized import humanize_bytes
from polyfleet_controller.cli.layout import BAD, GOOD, WEAK, styled
from polyfleet_controller.cli.words import count_devices, explain_condition
from polyfleet_controller.domain.rollout.states import RolloutStatus, StratumStatus
from polyfleet_controller.services.rollout_views import (
    MAX_FAILURES,
    FailedDevice,
    RolloutGlance,
    RolloutView,
    StratumView,
    TallyView,
)

_STATUS: Final = {
    RolloutStatus.COMPLETED: GOOD,
    RolloutStatus.PROGRESSING: "",
    RolloutStatus.PAUSED: WEAK,
    RolloutStatus.AWAITING_APPROVAL: WEAK,
    RolloutStatus.SUPERSEDED: WEAK,
}
_STRATUM: Final = {
    StratumStatus.SUCCEEDED: GOOD,
    StratumStatus.ADVANCING: "",
    StratumStatus.AWAITING_APPROVAL: WEAK,
}
_ENDED: Final = frozenset({StratumStatus.SUCCEEDED, StratumStatus.ROLLED_BACK, StratumStatus.ABORTED})


def say_status(status: RolloutStatus) -> Text:
    """`awaiting approval`."""
    return styled(status.replace("_", " "), _STATUS.get(status, BAD))


def say_stratum_status(stratum: StratumView) -> Text:
    """`advancing, wave 2 of 3`."""
    word = styled(stratum.status.replace("_", " "), _STRATUM.get(stratum.status, BAD))
    if stratum.status in _ENDED:
        return word
    return Text.assemble(word, f", wave {stratum.wave} of {stratum.waves}")


def count_places(tally: TallyView) -> Iterator[tuple[str, str]]:
    """Where the devices of a platform are, without what is zero: in words, and in which colour."""
    pulled = f" {humanize_bytes(tally.pulled)} of {humanize_bytes(tally.to_pull)}" if tally.to_pull else ""
    for count, words, style in (
        (tally.succeeded, "done", GOOD),
        (tally.soaking, "soaking", WEAK),
        (tally.starting, "starting", WEAK),
        (tally.pulling, f"pulling{pulled}", WEAK),
        (tally.waiting, "waiting", ""),
        (tally.offline, "offline", ""),
        (tally.failed, "failed", BAD),
    ):
        if count:
            yield f"{count} {words}", style


def say_places(tally: TallyView) -> str:
    """`10 devices: 3 done, 1 soaking, 6 waiting`."""
    return f"{count_devices(tally.devices)}: {', '.join(words for words, _ in count_places(tally))}"


def say_stratum(stratum: StratumView) -> str:
    """A platform in one line."""
    parts = [f"{stratum.platform}: {say_stratum_status(stratum)}"]
    if stratum.tally is not None and stratum.tally.devices:
        parts.append(say_places(stratum.tally))
    if stratum.reason:
        parts.append(stratum.reason)
    if stratum.waits_for:
        parts.append(f"waits for {stratum.waits_for}")
    return "; ".join(parts)


def explain_failures(rollout: RolloutView) -> Iterator[str]:
    """Why platforms and devices have failed, a line each."""
    for stratum in rollout.strata:
        if stratum.status is not StratumStatus.SUCCEEDED:
            yield say_stratum(stratum)
        for failure in stratum.failures:
            yield f"{stratum.platform}: {say_failed_device(failure)}"
        more = count_unnamed(stratum)
        if more:
            yield f"{stratum.platform}: {more} more failed"


def say_failed_device(failure: FailedDevice) -> str:
    """`edge-7: illegal_instruction: …`."""
    if failure.condition is None:
        return f"{failure.device}: it did not prove the release in time, and says no reason"
    return f"{failure.device}: {explain_condition(failure.condition)}"


def count_unnamed(stratum: StratumView) -> int:
    """How many devices failed beside those that are named."""
    failed = 0 if stratum.tally is None else stratum.tally.failed
    return max(0, failed - len(stratum.failures)) if len(stratum.failures) >= MAX_FAILURES else 0


def say_glance(rollout: RolloutGlance) -> str:
    """The rollout in effect in one line: `2, progressing; linux/riscv64 rolled back: …`."""
    parts = [f"{rollout.number}, {rollout.status.replace('_', ' ')}"]
    for stratum in rollout.strata:
        said = stratum.reason or (stratum.waits_for and f"waits for {stratum.waits_for}")
        if said and stratum.status is not StratumStatus.SUCCEEDED:
            parts.append(f"{stratum.platform} {stratum.status.replace('_', ' ')}: {said}")
    return "; ".join(parts)
