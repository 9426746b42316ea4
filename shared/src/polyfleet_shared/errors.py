"""The root of every error that Polyfleet raises on purpose."""


class PolyfleetError(Exception):
    """Its text is for a person: what is wrong, with which element, and what to do next."""
