"""What a use case refuses."""

from polyfleet_shared.errors import PolyfleetError


class NotFoundError(PolyfleetError):
    """There is nothing of this kind under this name."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"there is no {kind} {name!r}")
        self.kind = kind
        self.name = name


class InvalidPageError(PolyfleetError, ValueError):
    """A page that cannot be asked for."""
