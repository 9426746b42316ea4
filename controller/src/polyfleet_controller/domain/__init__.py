"""Decides, from values alone: no clock, no I/O."""
