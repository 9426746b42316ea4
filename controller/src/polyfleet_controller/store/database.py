"""One database, SQLite or PostgreSQL, with one promise: one writer at a time, which sees all before it.

SQLite has one writer by nature; on PostgreSQL a lock that ends with the transaction gives the same, so that
no use case behaves differently there. Readers never wait for the writer, nor it for them.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, event, select, text, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from polyfleet_controller.store import migrations
from polyfleet_controller.store.errors import StoreError, UnstorableError
from polyfleet_controller.store.tables import CONTROLLER

# A use case hands its transaction to the store's functions, and needs no more of SQLAlchemy than its type.
__all__ = ["POSTGRESQL", "SQLITE", "Connection", "Database", "transaction_number"]

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"

# The longest that a writer waits for the ones before it, in seconds; beyond that something hangs.
_BUSY_TIMEOUT: Final = 60
_CONNECT_TIMEOUT: Final = 10
_WRITES: Final = "polyfleet_writes"
_NUMBER: Final = "polyfleet_number"
_COUNT: Final = update(CONTROLLER).values(writes=CONTROLLER.c.writes + 1).returning(CONTROLLER.c.writes)
# Any number that no other application takes in this database.
_WRITER_LOCK: Final = 0x706F6C79


class Database:
    """`url` is SQLAlchemy's: `sqlite:////var/lib/…/polyfleet.db`, `postgresql+psycopg://user@host/name`."""

    def __init__(self, url: str) -> None:
        self._url = _read_url(url)
        self._engine = _make_engine(self._url, foreign_keys=True)

    def migrate(self) -> None:
        """Bring the schema to this version's.

        Raises:
            StoreError: the database does not answer, or a newer version has written it.
        """
        # SQLite rebuilds a table by dropping it, which foreign keys would take for deleting all of its rows.
        engine = _make_engine(self._url, foreign_keys=False)
        try:
            with self._wrapping_errors(), _writing(engine) as connection:
                migrations.upgrade(connection)
        finally:
            engine.dispose()

    def check(self) -> None:
        """Read one row.

        Raises:
            StoreError: that does not work.
        """
        with self.read() as connection:
            connection.execute(select(CONTROLLER.c.epoch))

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that may write; it is committed at the end, and rolled back by an error."""
        with self._wrapping_errors(), _writing(self._engine) as connection:
            connection.execution_options(**{_NUMBER: connection.execute(_COUNT).scalar_one()})
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the data."""
        with self._wrapping_errors(), self._engine.connect() as connection:
            if self._engine.dialect.name == POSTGRESQL:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    @contextmanager
    def _wrapping_errors(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError, PoolTimeoutError) as error:
            place = self._url.render_as_string(hide_password=True)
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise StoreError(f"the database {place} failed: {cause}; check that it is up") from error
        except DBAPIError as error:
            raise UnstorableError(f"the database does not take this: {error.orig}") from error


def transaction_number(connection: Connection) -> int:
    """How many transactions have written until now, this one of `begin` included.

    Whoever saw the one before knows all that is there: nobody has written in between.
    """
    number: int = connection.get_execution_options()[_NUMBER]
    return number


def _read_url(text_form: str) -> URL:
    try:
        url = make_url(text_form)
    except ArgumentError as error:
        raise StoreError(f"{text_form!r} is no database URL: {error}") from None
    if url.get_backend_name() not in (SQLITE, POSTGRESQL):
        raise StoreError(
            f"{text_form!r}: write sqlite:////path/to/file or postgresql+psycopg://user@host/name"
        )
    if url.get_backend_name() == SQLITE and url.database in (None, "", ":memory:"):
        raise StoreError(f"{text_form!r}: a database in memory would forget the fleet; name a file")
    return url


def _make_engine(url: URL, *, foreign_keys: bool) -> Engine:
    sqlite = url.get_backend_name() == SQLITE
    timeout = {"timeout": _BUSY_TIMEOUT} if sqlite else {"connect_timeout": _CONNECT_TIMEOUT}
    try:
        engine = create_engine(url, connect_args=timeout, pool_pre_ping=not sqlite, pool_size=10)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"the driver of {url.drivername} is missing ({error}): install polyfleet-controller[postgresql] "
            "and write postgresql+psycopg://"
        ) from None
    if sqlite:
        _prepare_sqlite(engine, foreign_keys=foreign_keys)
    return engine


def _prepare_sqlite(engine: Engine, *, foreign_keys: bool) -> None:
    """SQLAlchemy's recipe (its documentation of SQLite, "Transactions"): the driver would begin too late."""

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later cannot wait for another writer: it fails at once.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    with engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
        if engine.dialect.name == POSTGRESQL:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITER_LOCK})
        yield connection
