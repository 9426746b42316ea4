"""What a use case refuses."""

from polyfleet_controller.services.image_views import ImageCheck
from polyfleet_shared.errors import PolyfleetError


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


class InvalidPageError(PolyfleetError, ValueError):
    """A page that cannot be asked for."""
