"""What alembic runs for every command: the steps, on the connection that it was given."""

from alembic import context

from polyfleet_controller.store.columns import METADATA

# SQLite changes a table by making a new one (`render_as_batch`).
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
