"""Kubernetes' LabelSelector: nothing is selected here, but what is written must select its own pods."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from polyfleet_controller.domain.requirements import Requirement, find_unmet
from polyfleet_shared.codec import decode
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSelector:
    """A Kubernetes LabelSelector. An empty one selects everything."""

    match_labels: Mapping[str, str] = field(default_factory=dict)
    match_expressions: tuple[Requirement, ...] = ()

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether it selects a pod with these labels."""
        return (
            self.match_labels.items() <= labels.items() and find_unmet(self.match_expressions, labels) is None
        )


def check_selector(selector: JsonValue, labels: Mapping[str, str], path: str) -> tuple[Problem, ...]:
    """Why a selector does not select pods of these labels."""
    if selector is None:
        return (Problem(path=path, message="missing; write matchLabels with labels of the pod"),)
    try:
        read = decode(PodSelector, selector)
    except DecodeError as error:
        return error.under(path).problems
    if read.selects(labels):
        return ()
    return (Problem(path=path, message="it does not select the labels of its own pod: they must agree"),)
