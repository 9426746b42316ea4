"""What a use case refuses."""

from polyfleet_controller.services.image_views import ImageCheck
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import Problem


class NotFoundError(PolyfleetError):
    """There is nothing of this kind under this name."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"there is no {kind} {name!r}")
        self.kind = kind
        self.name = name


class DevicesUncoveredError(PolyfleetError):
    """Devices get nothing of a manifest's image, and it does not say what to do about them."""

    def __init__(self, message: str, check: ImageCheck) -> None:
        super().__init__(message)
        self.check = check


class ConflictError(PolyfleetError):
    """The workload is not in the state any more that an operator acts on.

    `resource_version` is of the state that it is in, None if it is not there; `changes` are what was written
    in between, as far as that is known.
    """

    def __init__(self, message: str, resource_version: str | None, changes: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.resource_version = resource_version
        self.changes = changes


class NotSteerableError(PolyfleetError):
    """A rollout that cannot be steered like this: as it is now, or any more."""


class InvalidPageError(PolyfleetError, ValueError):
    """A page that cannot be asked for."""
