"""What a container may take and asks for, as an operator writes it."""

from dataclasses import dataclass
from typing import Final

from polyfleet_controller.domain.quantities import Quantity
from polyfleet_shared.json_text import DecodeError, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceList:
    """Kubernetes' ResourceList: `cpu` in cores, `memory` in bytes."""

    cpu: Quantity | None = None
    memory: Quantity | None = None

    def __post_init__(self) -> None:
        problems = [
            Problem(path=name, message="a limit is above 0; leave it out to set none")
            for name, quantity in (("cpu", self.cpu), ("memory", self.memory))
            if quantity is not None and not quantity.nanos
        ]
        if self.memory is not None and not self.memory.is_whole:
            message = (
                f"{self.memory} is a fraction of a byte: M and Mi are millions of bytes, m is thousandths"
            )
            problems.append(Problem(path="memory", message=message))
        if problems:
            raise DecodeError(tuple(problems))


NO_QUANTITIES: Final = ResourceList()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRequirements:
    """Kubernetes' ResourceRequirements. What has a limit and no request asks for its limit, as there."""

    limits: ResourceList = NO_QUANTITIES
    requests: ResourceList = NO_QUANTITIES

    def __post_init__(self) -> None:
        problems = [
            Problem(path=f"requests.{name}", message=f"{request} is above the limit of {limit}")
            for name, request, limit in (
                ("cpu", self.requests.cpu, self.limits.cpu),
                ("memory", self.requests.memory, self.limits.memory),
            )
            if request is not None and limit is not None and request > limit
        ]
        if problems:
            raise DecodeError(tuple(problems))


ANY_RESOURCES: Final = ResourceRequirements()
