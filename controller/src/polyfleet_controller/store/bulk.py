"""Statements for many rows at once.

For each row, SQLAlchemy works out anew how to pass each parameter; for a device, that takes three times as
long as SQLite takes to write it. Here it is worked out once for each kind of database.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, Dialect, Table, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import UpdateBase

Values: TypeAlias = tuple[Any, ...]
_Convert: TypeAlias = Callable[[Any], Any]

# Times repeat: all that arrived together did so at one.
_REMEMBERED: Final = 1024
_KEY: Final = "key_"


class BulkStatement:
    """Writes rows that are tuples of `columns`' values, in their order."""

    def __init__(self, table: Table, columns: Sequence[str], make: Callable[[Dialect], UpdateBase]) -> None:
        self._table = table
        self._columns = tuple(columns)
        self._make = make
        self._compiled: dict[str, _Compiled] = {}

    def execute(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Write all rows; nothing without any."""
        if not rows:
            return
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = _Compiled(self._table, self._columns, self._make(dialect), dialect)
            self._compiled[dialect.name] = compiled
        connection.exec_driver_sql(compiled.text, compiled.pass_on(rows))


def bulk_upsert(table: Table) -> BulkStatement:
    """Write whole rows, new or known."""
    keys = [column.name for column in table.primary_key]
    columns = [column.name for column in table.columns]

    def make(dialect: Dialect) -> UpdateBase:
        insert = postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)
        values = {name: insert.excluded[name] for name in columns if name not in keys}
        return insert.on_conflict_do_update(index_elements=keys, set_=values)

    return BulkStatement(table, columns, make)


def bulk_insert(table: Table, columns: Sequence[str]) -> BulkStatement:
    """Write rows that are new."""
    return BulkStatement(table, columns, lambda _dialect: table.insert())


def bulk_update(table: Table, columns: Sequence[str], *, key: str) -> BulkStatement:
    """Set columns of known rows; a row of values ends with its key."""

    def make(_dialect: Dialect) -> UpdateBase:
        return (
            table.update()
            .where(table.c[key] == bindparam(_KEY + key, type_=table.c[key].type))
            .values({name: bindparam(name) for name in columns})
        )

    return BulkStatement(table, [*columns, _KEY + key], make)


class _Compiled:
    """A statement's text for one kind of database, and how values are passed to its driver."""

    def __init__(self, table: Table, columns: Sequence[str], statement: UpdateBase, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(columns))
        self.text = str(compiled)
        # A driver that takes parameters by place gets tuples, one that takes them by name gets mappings.
        order = compiled.positiontup
        self._places = None if order is None else [columns.index(name) for name in order]
        self._names = columns
        self._conversions: dict[int, _Convert] = {}
        for place, name in enumerate(columns):
            kind = table.c[name.removeprefix(_KEY)].type.dialect_impl(dialect)
            convert = kind.bind_processor(dialect)
            if convert is not None:
                self._conversions[place] = lru_cache(maxsize=_REMEMBERED)(convert)

    def pass_on(self, rows: Sequence[Values]) -> Any:  # noqa: ANN401 - rows, as the driver wants them
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for place, convert in self._conversions.items():
            columns[place] = [convert(value) for value in columns[place]]
        if self._places is not None:
            return list(zip(*(columns[place] for place in self._places), strict=True))
        return [dict(zip(self._names, row, strict=True)) for row in zip(*columns, strict=True)]
