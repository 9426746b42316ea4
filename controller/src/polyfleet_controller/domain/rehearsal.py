"""What a workload's new state would change on the devices, beside what their documents hold now."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from polyfleet_controller.domain.documents import Content, put_decision
from polyfleet_controller.domain.images import Layer, NamedImage
from polyfleet_controller.domain.placement import Assigned, Decision
from polyfleet_controller.domain.preflight import PullSize, size_pull
from polyfleet_controller.domain.scheduling.fleet import Member
from polyfleet_shared.platforms import Platform
from polyfleet_shared.workloads import DesiredWorkload


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A workload on the devices that are to have it: all that list the same platforms get the same of it.

    `decisions` are by the name of such a list; `images` are the workload's.
    """

    uid: str
    chosen: frozenset[str]
    decisions: Mapping[str, Decision]
    images: tuple[NamedImage, ...]

    def decide(self, member: Member) -> Decision | None:
        """What a device gets of it; None if it is not to have it."""
        return self.decisions[member.platform_set] if member.name in self.chosen else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPull:
    """Devices of one platform that get the same child of each image.

    The layers of what they are to run already are not pulled.
    """

    platform: Platform
    devices: int
    children: tuple[str, ...]
    pull: PullSize


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Devices by name: each is in one of these, or goes on as before.

    Of those that keep the workload, `changed` get other children, or none; `restarted` the same in new
    containers.
    """

    gained: Collection[str] = ()
    lost: Collection[str] = ()
    changed: Collection[str] = ()
    restarted: Collection[str] = ()
    pulls: tuple[PlannedPull, ...] = ()


def find_moves(
    plan: Plan,
    members: Iterable[Member],
    contents: Mapping[str, Content],
    layers: Mapping[str, tuple[Layer, ...]],
) -> Moves:
    """Compare a plan with the contents, by digest. `layers` are of what devices are to run now."""
    before = {digest: _find_run(content, plan.uid) for digest, content in contents.items()}
    after = {name: _make_run(decision) for name, decision in plan.decisions.items()}
    gained, lost, changed, restarted = set[str](), set[str](), set[str](), set[str]()
    pulling: list[tuple[Member, tuple[str, ...]]] = []
    for member in members:
        old = before.get(member.content or "")
        new = after[member.platform_set] if member.name in plan.chosen else None
        if new is None:
            if old is not None:
                lost.add(member.name)
            continue
        if old is None:
            gained.add(member.name)
        elif old.children != new.children:
            changed.add(member.name)
        elif old.spec_hash != new.spec_hash:
            restarted.add(member.name)
        if new.children and (old is None or old.children != new.children):
            pulling.append((member, new.children))
    pulls = _plan_pulls(pulling, plan.images, contents, layers)
    return Moves(gained=gained, lost=lost, changed=changed, restarted=restarted, pulls=pulls)


def play(
    plan: Plan, members: Iterable[Member], contents: Mapping[str, Content]
) -> tuple[tuple[Member, ...], dict[str, Content]]:
    """The devices, and the contents by digest, as they would be if the plan were carried out."""
    given: dict[tuple[str, str | None], str] = {}
    after = dict(contents)
    moved: list[Member] = []
    for member in members:
        decision = plan.decide(member)
        digest = member.content or ""
        key = (digest, None if decision is None else member.platform_set)
        if key not in given:
            content = put_decision(contents[digest], plan.uid, decision)
            given[key] = content.digest
            after[content.digest] = content
        moved.append(member if given[key] == digest else replace(member, content=given[key]))
    return tuple(moved), after


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What a device runs of the workload, one child of each image; nothing where it is held."""

    children: tuple[str, ...] = ()
    spec_hash: str | None = None


def _find_run(content: Content, uid: str) -> _Run | None:
    for workload in content.workloads:
        if workload.uid == uid:
            return _describe(workload)
    return _Run() if any(held.uid == uid for held in content.held) else None


def _make_run(decision: Decision) -> _Run:
    return _describe(decision.workload) if isinstance(decision, Assigned) else _Run()


def _describe(workload: DesiredWorkload) -> _Run:
    """Of two images that are the same child, once."""
    containers = (*workload.containers, *workload.init_containers)
    children = tuple(dict.fromkeys(container.image.child for container in containers))
    return _Run(children=children, spec_hash=workload.spec_hash)


def _plan_pulls(
    pulling: Iterable[tuple[Member, tuple[str, ...]]],
    images: Iterable[NamedImage],
    contents: Mapping[str, Content],
    layers: Mapping[str, tuple[Layer, ...]],
) -> tuple[PlannedPull, ...]:
    offered = {child.child: child for named in images for child in named.image.children}
    sizes: dict[tuple[str, tuple[str, ...]], int] = {}
    pulls: dict[tuple[Platform, tuple[str, ...]], PlannedPull] = {}
    for member, children in pulling:
        digest = member.content or ""
        if (digest, children) not in sizes:
            wanted = [offered[child] for child in children]
            sizes[digest, children] = size_pull(wanted, _list_children(contents.get(digest)), layers)
        each = sizes[digest, children]
        pull = PlannedPull(
            platform=member.platforms[0].platform,
            devices=1,
            children=children,
            pull=PullSize(total=each, least=each, most=each),
        )
        key = (pull.platform, children)
        pulls[key] = _join(pulls[key], pull) if key in pulls else pull
    return tuple(pulls[key] for key in sorted(pulls))


def _list_children(content: Content | None) -> frozenset[str]:
    if content is None:
        return frozenset()
    return frozenset(
        container.image.child for workload in content.workloads for container in workload.all_containers
    )


def _join(one: PlannedPull, other: PlannedPull) -> PlannedPull:
    return replace(one, devices=one.devices + other.devices, pull=one.pull + other.pull)
