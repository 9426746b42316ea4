"""The schema's history. Each step is applied once, in the transaction of the start that needs it.

A new step is drafted from the tables with alembic's `revision --autogenerate`; a test holds the result of all
steps to be exactly the tables.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from polyfleet_controller.store.errors import StoreError


def configure(connection: Connection) -> Config:
    """Alembic's view of this package, on a connection whose transaction the caller ends."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("file_template", "v%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Apply every step that the database lacks.

    Raises:
        StoreError: the database has a step that this version does not know.
    """
    try:
        command.upgrade(configure(connection), "head")
    except CommandError as error:
        raise StoreError(
            f"the database is from a newer version of polyfleet-controller ({error}): "
            "upgrade this one, or restore the backup that was made before"
        ) from None
