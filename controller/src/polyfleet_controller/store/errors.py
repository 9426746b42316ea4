"""What a database may refuse."""

from polyfleet_shared.errors import PolyfleetError


class StoreError(PolyfleetError):
    """The database does not answer, or is none that this version can work with."""
