"""Every test here runs on both databases."""

import pytest

from controlroom import ControlRoom
from polyfleet_controller.store.database import Database


@pytest.fixture
def room(database: Database) -> ControlRoom:
    return ControlRoom(database)
