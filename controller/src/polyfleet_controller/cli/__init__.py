"""The command line, `polyfleet`: data on stdout, messages on stderr; exit code 0, 1 (failed) or 2 (input)."""

from polyfleet_controller.cli.root import main

__all__ = ["main"]
