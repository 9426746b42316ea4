"""The promises of a database: one schema, one writer at a time, errors that say what to do."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, insert, inspect, select, text, update

from controlroom import START, ControlRoom, Voice
from polyfleet_controller.store.columns import METADATA
from polyfleet_controller.store.database import Database
from polyfleet_controller.store.epochs import load_epoch, save_epoch
from polyfleet_controller.store.errors import StoreError, UnstorableError
from polyfleet_controller.store.tables import CONTENT, CONTROLLER, DEVICE, PLATFORM_SET, REFUSAL


def test_the_migrated_schema_is_exactly_the_tables(database_url: str) -> None:
    Database(database_url).migrate()
    engine = create_engine(database_url)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, METADATA) == []
        inspector = inspect(connection)
        for name, table in METADATA.tables.items():
            found = {constraint["name"] for constraint in inspector.get_unique_constraints(name)}
            found |= {constraint["name"] for constraint in inspector.get_foreign_keys(name)}
            key = table.primary_key
            assert found == {constraint.name for constraint in table.constraints - {key}}
            assert inspector.get_pk_constraint(name)["constrained_columns"] == [item.name for item in key]
    engine.dispose()


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.begin() as connection:
        save_epoch(connection, 7)
    database.migrate()
    with database.read() as connection:
        assert load_epoch(connection) == 7


def test_several_controllers_may_start_on_an_empty_database(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Database.migrate, databases))
    for database in databases:
        database.check()
        database.close()


def test_a_database_of_a_newer_version_is_refused(database_url: str) -> None:
    database = Database(database_url)
    database.migrate()
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"newer version.*upgrade this one"):
        database.migrate()
    database.close()


def test_an_error_leaves_nothing_of_a_transaction(database: Database) -> None:
    class StopError(Exception):
        pass

    def fail() -> None:
        with database.begin() as connection:
            save_epoch(connection, 7)
            raise StopError

    with pytest.raises(StopError):
        fail()
    with database.read() as connection:
        assert load_epoch(connection) == 1


def test_writers_wait_for_each_other_and_never_fail(database: Database) -> None:
    threads, rounds = 8, 25
    together = threading.Barrier(threads)

    def count_up(_number: int) -> None:
        together.wait()
        for _ in range(rounds):
            with database.begin() as connection:
                save_epoch(connection, load_epoch(connection) + 1)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(count_up, range(threads)))
    with database.read() as connection:
        assert load_epoch(connection) == 1 + threads * rounds


def test_a_reader_sees_one_moment_and_waits_for_no_writer(database: Database) -> None:
    with database.read() as reader:
        assert load_epoch(reader) == 1
        with database.begin() as writer:
            save_epoch(writer, 2)
            assert load_epoch(reader) == 1
        assert load_epoch(reader) == 1
    with database.read() as reader:
        assert load_epoch(reader) == 2


def test_times_come_back_in_utc_and_numbers_of_the_wire_fit(database: Database) -> None:
    room = ControlRoom(database)
    room.receive(*Voice().introduce())
    largest = 2**63 - 1
    with database.begin() as connection:
        connection.execute(update(DEVICE).values(presence_boot=largest, events=largest))
    with database.read() as connection:
        row = connection.execute(select(DEVICE)).one()
    assert (row.presence_boot, row.events, row.first_seen) == (largest, largest, START)
    assert row.first_seen.tzinfo is not None


def test_rows_of_a_device_that_is_not_there_are_refused(database: Database) -> None:
    with pytest.raises(UnstorableError, match="does not take this"), database.begin() as connection:
        connection.execute(insert(REFUSAL), {"device": "nobody", "message": "x", "at": START})
    with database.read() as connection:
        assert connection.execute(select(REFUSAL)).all() == []


def test_there_is_one_epoch(database: Database) -> None:
    with database.read() as connection:
        assert connection.execute(select(CONTROLLER.c.id, CONTROLLER.c.epoch)).all() == [(1, 1)]


def test_a_lost_connection_is_an_error_that_names_the_database_and_heals(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/missing/polyfleet.db")
    with pytest.raises(StoreError, match=r"missing/polyfleet\.db failed: unable to open database file"):
        database.migrate()
    (tmp_path / "missing").mkdir()
    database.migrate()
    database.check()
    database.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "is no database URL"),
        ("mysql://host/name", "write sqlite:"),
        ("sqlite://", "in memory would forget the fleet"),
        ("sqlite:///:memory:", "in memory would forget the fleet"),
        ("postgresql+nodriver://host/name", "the driver of postgresql\\+nodriver is missing"),
    ],
)
def test_a_url_that_cannot_work_says_why(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        Database(url)


def test_a_password_is_not_shown() -> None:
    database = Database("postgresql+psycopg://user:secret@127.0.0.1:1/name")
    with pytest.raises(StoreError) as raised:
        database.check()
    assert "secret" not in str(raised.value)
    assert "check that it is up" in str(raised.value)
    database.close()


def test_a_file_is_written_so_that_a_power_cut_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/polyfleet.db")
    database.migrate()
    with database.begin() as connection:
        settings = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    database.close()


def test_what_no_device_has_any_more_is_swept(database: Database) -> None:
    room, voice = ControlRoom(database), Voice()
    room.enrol(voice)
    voice.platform = "linux/arm64"
    room.receive(voice.describe())
    for tag in ("1", "2", "3"):
        room.apply(tag=tag)
    with database.read() as connection:
        for table in (CONTENT, PLATFORM_SET):
            assert len(connection.execute(select(table)).all()) == 1
