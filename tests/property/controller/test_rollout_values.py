"""A rollout is kept: as JSON without its members, and each member by itself."""

from hypothesis import given

from polyfleet_controller.domain.rollout.states import Member, MemberChanges, Rollout, find_changes
from polyfleet_shared.codec import decode, encode
from polyfleet_shared.json_text import dump_json, parse_json
from rollout_strategies import rollouts

LIMIT = 1_000_000


@given(rollouts)
def test_a_rollout_comes_back_from_json_and_rows_as_it_was(rollout: Rollout) -> None:
    body = dump_json(encode(rollout.without_members()))
    rows = [dump_json(encode(member)) for member in rollout.members.values()]
    found = [decode(Member, parse_json(row, limit=LIMIT)) for row in rows]
    members = {member.device: member for member in found}
    assert decode(Rollout, parse_json(body, limit=LIMIT)).with_members(members) == rollout


@given(rollouts, rollouts)
def test_what_is_written_of_the_members_leads_from_one_rollout_to_the_next(
    before: Rollout, after: Rollout
) -> None:
    changes = find_changes(before, after)
    kept = {device: member for device, member in before.members.items() if device not in changes.removed}
    assert {**kept, **{member.device: member for member in changes.written}} == after.members
    assert find_changes(after, after) == MemberChanges(written=(), removed=())
