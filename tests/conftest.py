"""What all tests share: the lab's real parts, and how hypothesis searches."""

import os

from hypothesis import settings

pytest_plugins = [
    "fixtures.databases",
    "fixtures.debian",
    "fixtures.lab",
    "fixtures.registries",
    "fixtures.builds",
    "fixtures.fleet",
    "fixtures.foreign",
    "fixtures.api",
    "fixtures.rolling",
]

# A deadline would fail a test for the machine's load, not for its own fault.
settings.register_profile("dev", deadline=None)
# The same examples on every run: a change fails for what it changed.
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if "CI" in os.environ else "dev")
