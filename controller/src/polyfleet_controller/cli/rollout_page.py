"""`rollout list` and `rollout show` for people."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from polyfleet_controller.cli.humanized import exact_time
from polyfleet_controller.cli.layout import (
    BAD,
    HEADING,
    join_lines,
    make_facts,
    make_section,
    make_table,
    styled,
)
from polyfleet_controller.cli.rollout_words import (
    count_places,
    count_unnamed,
    say_failed_device,
    say_status,
    say_stratum_status,
)
from polyfleet_controller.cli.words import NOTHING, count_devices, say_since
from polyfleet_controller.services.rollout_views import (
    RecordView,
    RolloutDetail,
    RolloutView,
    StratumView,
    TallyView,
)


def draw_rollout_list(rollouts: Sequence[RolloutView]) -> RenderableType:
    """One line for each rollout; DONE counts the devices that prove the release, of all."""
    if not rollouts:
        return styled("no rollout is in effect")
    return make_table(
        ("NAMESPACE", "NAME", "ROLLOUT", "STATUS", "DONE", "FAILED", "RELEASE", "WAITS FOR"),
        (
            (
                rollout.namespace,
                rollout.name,
                str(rollout.number),
                say_status(rollout.status),
                _say_done(rollout),
                str(sum(tally.failed for tally in _tallies(rollout))),
                rollout.release,
                join_lines(_say_waits(rollout)),
            )
            for rollout in rollouts
        ),
        wrapped=("NAMESPACE", "NAME", "RELEASE", "WAITS FOR"),
    )


def draw_rollout(detail: RolloutDetail, now: datetime) -> RenderableType:
    """One rollout on all of its platforms, with its history."""
    rollout = detail.rollout
    parts: list[RenderableType] = [
        styled(f"{rollout.namespace}/{rollout.name}, rollout {rollout.number}", HEADING),
        make_facts(_facts(detail, now)),
    ]
    parts += [_draw_stratum(stratum) for stratum in rollout.strata]
    if detail.records:
        parts.append(make_section("History", _draw_records(detail.records)))
    return Group(*parts)


def _tallies(rollout: RolloutView) -> list[TallyView]:
    return [stratum.tally for stratum in rollout.strata if stratum.tally is not None]


def _say_done(rollout: RolloutView) -> str:
    tallies = _tallies(rollout)
    if not tallies:
        return NOTHING
    return f"{sum(tally.succeeded for tally in tallies)} of {sum(tally.devices for tally in tallies)}"


def _say_waits(rollout: RolloutView) -> list[Text]:
    waits = [
        styled(f"{stratum.platform}: {stratum.waits_for}") for stratum in rollout.strata if stratum.waits_for
    ]
    return waits or [styled(NOTHING)]


def _facts(detail: RolloutDetail, now: datetime) -> Iterator[tuple[str, str | Text]]:
    rollout = detail.rollout
    yield "status", say_status(rollout.status)
    yield "release", rollout.release
    yield "begun", f"{say_since(rollout.created_at, now)} by {rollout.created_by}"
    if rollout.ended_at is not None:
        yield "ended", say_since(rollout.ended_at, now)
    if not rollout.in_effect:
        yield "in effect", "no: it decides nothing any more"
    for wave in detail.approvals:
        yield f"wave {wave}", "approved" if wave in detail.approved else "needs an approval before it begins"


def _draw_stratum(stratum: StratumView) -> RenderableType:
    heading = Text.assemble(styled(f"{stratum.platform}: "), say_stratum_status(stratum))
    return make_section(heading, make_facts(_stratum_facts(stratum)))


def _stratum_facts(stratum: StratumView) -> Iterator[tuple[str, str | Text]]:
    if stratum.tally is not None:
        places = [styled(words, style) for words, style in count_places(stratum.tally)]
        counted = Text(", ").join(places) if places else styled("none")
        yield "devices", Text.assemble(f"{count_devices(stratum.tally.devices)}: ", counted)
    if stratum.reason:
        yield "reason", styled(stratum.reason, BAD)
    if stratum.waits_for:
        yield "waits for", stratum.waits_for
    if stratum.status.is_open:
        yield "goes back to", stratum.base or "nothing: there is no release that it was proven on"
    for failure in stratum.failures:
        yield "failed", say_failed_device(failure)
    more = count_unnamed(stratum)
    if more:
        yield "failed", f"{more} more"


def _draw_records(records: Sequence[RecordView]) -> RenderableType:
    return make_table(
        ("TIME", "BY", "PLATFORM", "WHAT"),
        (
            (exact_time(record.at), record.by, str(record.platform or "all"), record.what)
            for record in records
        ),
        wrapped=("BY", "WHAT"),
    )
