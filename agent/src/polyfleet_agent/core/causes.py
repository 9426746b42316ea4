"""Why a workload is not where it should be: which of its troubles says so."""

from collections.abc import Mapping
from dataclasses import dataclass

from polyfleet_agent.core.state import Setback, Trouble, Workload
from polyfleet_shared.reasons import explain


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A setback, and the name of the container that it is of; empty where it is of none alone."""

    setback: Setback
    container: str = ""

    @property
    def is_lasting(self) -> bool:
        return not explain(self.setback.reason).transient


def find_cause(workload: Workload) -> Cause | None:
    """What keeps it back: its pull's setback until the images are there.

    Of the setbacks of several containers, one that will last.
    """
    if workload.pulls.setback is not None and _awaits_image(workload):
        return Cause(setback=workload.pulls.setback)
    return _find_worst({"": workload.steps, **_troubles_of_parts(workload)}, workload.preparation)


def find_fault(workload: Workload) -> Cause | None:
    """What is wrong with the containers themselves, made or started; a lasting one comes first."""
    return _find_worst(_troubles_of_parts(workload), workload.preparation)


def _find_worst(troubles: Mapping[str, Trouble], preparation: Mapping[str, Trouble]) -> Cause | None:
    named = [*preparation.items(), *troubles.items()]
    causes = [
        Cause(setback=trouble.setback, container=name)
        for name, trouble in named
        if trouble.setback is not None
    ]
    return next((cause for cause in causes if cause.is_lasting), causes[0] if causes else None)


def _troubles_of_parts(workload: Workload) -> dict[str, Trouble]:
    return {name: part.trouble for name, part in workload.parts.items()}


def _awaits_image(workload: Workload) -> bool:
    made = {container.container for container in workload.current}
    return workload.target is not None and any(
        spec.name not in made and spec.image.child not in workload.fetched
        for spec in workload.target.all_containers
    )
