"""Where a pod belongs, as a Kubernetes PodSpec says it, under its names and with its rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from polyfleet_controller.domain.requirements import Requirement
from polyfleet_controller.domain.scheduling.requests import Preference, Spread, Term, WhenUnsatisfiable
from polyfleet_shared.json_text import DecodeError, Problem

_MAX_WEIGHT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSelectorTerm:
    """A Kubernetes NodeSelectorTerm: its expressions are all to be met. One of none is met by no device."""

    match_expressions: tuple[Requirement, ...] = ()

    @property
    def term(self) -> Term:
        """The term as the scheduler has it."""
        return Term(requirements=self.match_expressions)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSelector:
    """A Kubernetes NodeSelector: one of its terms is to be met."""

    node_selector_terms: tuple[NodeSelectorTerm, ...]

    def __post_init__(self) -> None:
        if not self.node_selector_terms:
            raise DecodeError((Problem(path="nodeSelectorTerms", message="needs at least one term"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferredSchedulingTerm:
    """A Kubernetes PreferredSchedulingTerm."""

    weight: int
    preference: NodeSelectorTerm

    def __post_init__(self) -> None:
        if not 1 <= self.weight <= _MAX_WEIGHT:
            message = f"expected 1 to {_MAX_WEIGHT}, got {self.weight}"
            raise DecodeError((Problem(path="weight", message=message),))


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAffinity:
    """A Kubernetes NodeAffinity. What is required holds during execution, too: see docs/placement.md."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredSchedulingTerm, ...] = ()

    @property
    def required(self) -> tuple[Term, ...] | None:
        """The terms of which one is to be met; None asks nothing."""
        required = self.required_during_scheduling_ignored_during_execution
        return None if required is None else tuple(item.term for item in required.node_selector_terms)

    @property
    def preferred(self) -> tuple[Preference, ...]:
        """The preferences, each with its weight."""
        return tuple(
            Preference(weight=item.weight, term=item.preference.term)
            for item in self.preferred_during_scheduling_ignored_during_execution
        )


_NO_NODE_AFFINITY: Final = NodeAffinity()


@dataclass(frozen=True, slots=True, kw_only=True)
class Affinity:
    """A Kubernetes Affinity, of which there is only nodeAffinity here."""

    node_affinity: NodeAffinity = _NO_NODE_AFFINITY


NO_AFFINITY: Final = Affinity()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSelector:
    """A Kubernetes LabelSelector of labels that are to be equal."""

    match_labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologySpreadConstraint:
    """A Kubernetes TopologySpreadConstraint. It counts this workload's replicas, whatever it selects."""

    topology_key: str
    max_skew: int = 1
    when_unsatisfiable: WhenUnsatisfiable = WhenUnsatisfiable.DO_NOT_SCHEDULE
    label_selector: LabelSelector | None = None

    def __post_init__(self) -> None:
        if self.max_skew < 1:
            message = f"expected at least 1, got {self.max_skew}"
            raise DecodeError((Problem(path="maxSkew", message=message),))

    @property
    def spread(self) -> Spread:
        """The constraint as the scheduler has it."""
        return Spread(
            topology_key=self.topology_key,
            max_skew=self.max_skew,
            when_unsatisfiable=self.when_unsatisfiable,
        )
