"""SQLite behind typed rows.

The server answers every request on one thread, so one connection is enough and transactions never
meet. (Joining a multipart upload is done beside it; that only reads, one statement, and SQLite
serialises statements.) WAL with synchronous=NORMAL survives a killed process; only a power cut can
lose the last commits.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

Row = TypeVar("Row")
Value = str | int | float | None

TABLES = Path(__file__).with_name("tables.sql")


class Database:
    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.execute("pragma foreign_keys = on")
        self._connection.executescript(TABLES.read_text())

    def close(self) -> None:
        self._connection.close()

    def all(self, kind: type[Row], sql: str, *values: Value) -> list[Row]:
        """Rows as records: the columns selected are the record's fields."""
        return [kind(**dict(row)) for row in self._connection.execute(sql, values)]

    def one(self, kind: type[Row], sql: str, *values: Value) -> Row | None:
        row = self._connection.execute(sql, values).fetchone()
        return None if row is None else kind(**dict(row))

    def sure(self, kind: type[Row], sql: str, *values: Value) -> Row:
        """The row that is known to be there."""
        row = self.one(kind, sql, *values)
        if row is None:
            raise LookupError(f"no {kind.__name__} for {values}")
        return row

    def texts(self, sql: str, *values: Value) -> list[str]:
        return [str(row[0]) for row in self._connection.execute(sql, values)]

    def number(self, sql: str, *values: Value) -> int:
        row = self._connection.execute(sql, values).fetchone()
        return 0 if row is None or row[0] is None else int(row[0])

    def write(self, sql: str, *values: Value) -> int:
        """Run one statement; answers the id of the row it inserted."""
        return self._connection.execute(sql, values).lastrowid or 0

    def write_many(self, sql: str, rows: list[tuple[Value, ...]]) -> None:
        self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nested transactions join the outer one."""
        if self._connection.in_transaction:
            yield
            return
        with self._connection:
            self._connection.execute("begin immediate")
            yield
