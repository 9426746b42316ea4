"""Polyfleet's wire contract: the values that travel between a device and the controller, and their codec."""

__version__ = "0.1.0"
