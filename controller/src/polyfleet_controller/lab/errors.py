"""What goes wrong while a fleet is set up on this machine."""

from polyfleet_shared.errors import PolyfleetError


class LabError(PolyfleetError):
    """A part of the lab could not be started, reached or removed; the message names it and the next step."""
