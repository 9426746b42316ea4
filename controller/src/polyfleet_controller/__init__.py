"""Polyfleet's controller: what decides which device runs what, and tells what they do run."""

__version__ = "0.1.0"
