"""What a database may refuse."""

from polyfleet_shared.errors import PolyfleetError


class StoreError(PolyfleetError):
    """The database does not answer, or is none that this version can work with."""


class UnstorableError(PolyfleetError, ValueError):
    """The database answers, and does not take this data: trying again helps nothing."""
