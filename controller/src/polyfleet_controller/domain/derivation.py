"""What one device runs, decided anew from all that is known of it and of every workload."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from polyfleet_controller.domain.documents import Content, find_excess, make_content
from polyfleet_controller.domain.placement import Decision, Share, ShareKey, Workload, place
from polyfleet_controller.domain.scheduling.candidates import Candidate
from polyfleet_controller.domain.scheduling.fleet import Member
from polyfleet_controller.domain.scheduling.turns import take_turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """`lost` are the uids of the workloads that the device had and can no longer have.

    `excess` says why no document can hold the content.
    """

    decisions: tuple[Decision, ...]
    content: Content
    digest: str
    excess: str | None
    lost: frozenset[str]


class Derivation:
    """Derives devices. What they have in common is worked out once."""

    def __init__(self, workloads: Sequence[Workload], *, now: datetime) -> None:
        self._workloads = {workload.uid: workload for workload in workloads}
        self._requests = [workload.request for workload in workloads]
        self._now = now
        self._derived: dict[tuple[str, frozenset[tuple[str, ShareKey]]], Derived] = {}

    def derive(self, member: Member, placed: frozenset[str]) -> Derived:
        """What a device runs from now on that has the workloads of these uids.

        A replica stays while the device is out of reach: whether it is moved is decided over the whole fleet.
        """
        device = Candidate(
            name=member.name,
            labels=member.labels,
            taints=member.taints,
            platforms=member.platforms,
            capacity=member.capacity,
        )
        answers = take_turns(self._requests, device, placed, now=self._now)
        accepted = frozenset(uid for uid, refusal in answers.items() if refusal is None)
        shares = {uid: self._workloads[uid].find_share(member.name, member.platforms) for uid in accepted}
        key = (member.platform_set, frozenset((uid, share.key) for uid, share in shares.items()))
        if key not in self._derived:
            self._derived[key] = self._decide(member, shares)
        return replace(self._derived[key], lost=placed & self._workloads.keys() - accepted)

    def _decide(self, member: Member, shares: Mapping[str, Share]) -> Derived:
        found = (place(self._workloads[uid], member.platforms, shares[uid]) for uid in sorted(shares))
        decisions = tuple(decision for decision in found if decision is not None)
        content = make_content(decisions)
        return Derived(
            decisions=decisions,
            content=content,
            digest=content.digest,
            excess=find_excess(content),
            lost=frozenset(),
        )
