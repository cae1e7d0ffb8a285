"""A connection to PostgreSQL on which prepared statements need little time and few round trips.

These statements do not use psycopg's cursors, which take longer than a small query, but libpq's pipeline mode. What
waits to be sent (the beginning of the transaction, and statements whose rows are needed later) is sent together with
the next statement. The end of a transaction that only read is sent, but its confirmation is read when the connection
is used again. All other statements use psycopg's cursors.
"""

from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

from psycopg import Connection, InterfaceError, OperationalError, abc
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

PREPARED = 100
"""Maximum number of statements that remain prepared on a connection, in addition to those of psycopg's cursors."""

_Receiver = Callable[[PGresult], None]

_Key = tuple[bytes, tuple[int, ...]]
"""A statement and the types of its parameters, on which its meaning depends."""


class Rows:
    """The rows of one statement: as much of a cursor as prepared statements need."""

    __slots__ = ("_connection", "_result", "formats", "key", "values")

    def __init__(self, connection: "PostgresqlConnection", key: _Key, values: Any, formats: Any) -> None:
        self._connection = connection
        self.key = key
        self.values = values
        self.formats = formats
        self._result: PGresult | None = None

    @property
    def description(self) -> list[tuple[str]]:
        """The names of the columns, each in a tuple."""
        result = self._received()
        return [((result.fname(number) or b"").decode(),) for number in range(result.nfields)]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Returns every row. Raises the driver's errors, also those of statements that were sent together."""
        result = self._received()
        return self._connection.loader(result).load_rows(0, result.ntuples, tuple)

    def fetchone(self) -> tuple[Any, ...] | None:
        """Returns the first row, or None. Raises like `fetchall`."""
        result = self._received()
        return self._connection.loader(result).load_row(0, tuple) if result.ntuples else None

    def receive(self, result: PGresult) -> None:
        """Takes the result of the statement."""
        self._result = result

    def _received(self) -> PGresult:
        if self._result is None:
            self._connection.send_waiting()
        if self._result is None:
            raise InterfaceError("the transaction of this statement has ended")
        return self._result


class PostgresqlConnection(Connection[tuple[Any, ...]]):
    """A connection of psycopg with autocommit, on which `begin` begins a transaction."""

    pooled = False
    """Whether a pooler may assign another server connection to each transaction."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._reads = False
        """Whether the transaction only reads."""
        self._ending = False
        """Whether the confirmation of the last transaction's end has not been read."""
        self._waiting: list[Rows] = []
        """What is sent together with the next statement."""
        self._names: OrderedDict[_Key, bytes] = OrderedDict()
        """The prepared statements, the least recently used one first."""
        self._named = 0
        self._converter: abc.Transformer | None = None

    def begin(self, statement: str, *, write: bool) -> None:
        """Begins a transaction, together with its first statement. Raises OperationalError if the connection is lost.

        Behind a pooler, where `statement` consists of several, it is executed at once.
        """
        self._reads = not write
        if self.pooled:
            self.execute(statement)
        else:
            self.send(statement.encode(), ())

    @property
    def in_transaction(self) -> bool:
        """Whether there is a transaction that can be committed: none of its statements has failed."""
        status = self.pgconn.transaction_status
        begins = bool(self._waiting) and (self._ending or status == TransactionStatus.IDLE)
        return begins or status == TransactionStatus.INTRANS

    @property
    def is_idle(self) -> bool:
        """Whether no transaction is open, and no result of one has still to be read."""
        pgconn = self.pgconn
        return pgconn.transaction_status == TransactionStatus.IDLE and pgconn.pipeline_status == PipelineStatus.OFF

    def send(self, statement: bytes, parameters: Sequence[Any]) -> Rows:
        """Lets a statement with the parameters `$1` … wait for the next one, or until its rows are fetched."""
        converter = self._converter
        if converter is None:
            converter = self._converter = Transformer.from_context(self)
        values = converter.dump_sequence(parameters, [PyFormat.AUTO] * len(parameters))
        rows = Rows(self, (statement, converter.types or ()), values, converter.formats)
        self._waiting.append(rows)
        return rows

    def run(self, statement: bytes, parameters: Sequence[Any]) -> Rows:
        """Executes a statement, after those that wait. Raises the driver's errors."""
        rows = self.send(statement, parameters)
        self.send_waiting()
        return rows

    def loader(self, result: PGresult) -> abc.Transformer:
        """Returns the converter of a result's rows. It converts those of one result at a time."""
        assert self._converter is not None
        self._converter.set_pgresult(result)
        return self._converter

    def send_waiting(self) -> None:
        """Sends what waits, and reads the results, in one round trip. Raises the first error."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        receivers = list[_Receiver | None]()
        if self._ending:
            receivers.append(None)
        else:
            self.pgconn.enter_pipeline_mode()
        preparing: dict[_Key, bytes] = {}
        for rows in waiting:
            receivers += self._send(rows, preparing)
        while len(self._names) > PREPARED:
            self.pgconn.send_query_params(b"DEALLOCATE " + self._names.popitem(last=False)[1], None)
            receivers.append(None)
        self.pgconn.pipeline_sync()
        pipelines, self._ending = 2 if self._ending else 1, False
        results = self.wait(_results(self.pgconn, pipelines))
        self.pgconn.exit_pipeline_mode()
        for receiver, result in zip(receivers, results, strict=True):
            if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
                raise error_from_result(result)
            if receiver is not None:
                receiver(result)

    def _send(self, rows: Rows, preparing: dict[_Key, bytes]) -> "list[_Receiver]":
        """Sends a statement, if necessary with its preparation. Returns what receives the results.

        `preparing` contains the names of the statements that are being prepared.
        """
        key, receivers = rows.key, list[_Receiver]()
        name = self._names.get(key)
        if name is not None:
            self._names.move_to_end(key)
        elif key in preparing:
            name = preparing[key]
        elif self.prepare_threshold is not None:
            self._named += 1
            name = preparing[key] = b"issue_tracker_%d" % self._named
            self.pgconn.send_prepare(name, *key)
            receivers.append(partial(self._note_prepared, key, name))
        if name is None:
            self.pgconn.send_query_params(key[0], rows.values, key[1], rows.formats)
        else:
            self.pgconn.send_query_prepared(name, rows.values, rows.formats)
        receivers.append(rows.receive)
        return receivers

    def _note_prepared(self, key: _Key, name: bytes, _result: PGresult) -> None:
        self._names[key] = name

    def forget_waiting(self) -> None:
        """Forgets what waits to be sent, because its transaction is rolled back."""
        self._waiting.clear()
        self._confirm_end()

    def cursor(self, *arguments: Any, **options: Any) -> Any:
        """Returns a cursor of psycopg, for the transaction that was begun."""
        self._confirm_end()
        self.send_waiting()
        return super().cursor(*arguments, **options)

    def commit(self) -> None:
        """Commits. Nothing depends on the end of a transaction that only reads, so that it is not waited for."""
        if not self._reads:
            self.send_waiting()
            super().commit()
            return
        self._waiting.clear()
        if not self._ending and self.pgconn.transaction_status != TransactionStatus.IDLE:
            self.pgconn.enter_pipeline_mode()
            self.pgconn.send_query_params(b"COMMIT", None)
            self.pgconn.pipeline_sync()
            self._ending = True

    def _confirm_end(self) -> None:
        """Reads the confirmation of the last transaction's end. Raises OperationalError if the connection is lost."""
        if self._ending:
            self._ending = False
            self.wait(_results(self.pgconn, 1))
            self.pgconn.exit_pipeline_mode()

    def _deallocate(self, name: bytes | None) -> Any:
        """Called by psycopg, with None to remove all prepared statements, after a rollback to a savepoint."""
        if name is None:
            self._names.clear()
        return super()._deallocate(name)


def _results(pgconn: PGconn, pipelines: int) -> Generator[Wait, Ready | int, list[PGresult]]:
    """Returns the results of pipelines that were sent; yields what it waits for.

    Raises OperationalError if the connection is lost, with the reason if the server has given one.
    """
    results: list[PGresult] = []
    try:
        while pgconn.flush():
            ready = yield Wait.RW
            if ready & Ready.R:
                pgconn.consume_input()
        while pipelines:
            while pgconn.is_busy():
                yield Wait.R
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is None and pgconn.status == ConnStatus.BAD:
                raise OperationalError("the connection to the server was lost")
            if result is not None and result.status == ExecStatus.PIPELINE_SYNC:
                pipelines -= 1
            elif result is not None:
                results.append(result)
    except OperationalError:
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise error_from_result(result) from None
        raise
    return results
