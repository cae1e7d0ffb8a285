"""Moves all data: from one database to another, into a file, and from a file."""

from issue_tracker.database.engine import Database
from issue_tracker.database.moving.dumps import Dump, check_fits
from issue_tracker.database.moving.rows import Advance, Checking, Moved, Reader, reported, shapes
from issue_tracker.database.moving.target import open_target


def count_rows(database: Database) -> int:
    """Returns the number of rows to be moved."""
    with database.read(in_bulk=True) as tx:
        reader = Reader.of(tx)
        return sum(reader.count(shape) for shape in shapes())


def copy_all(source: Database, target: Database, advance: Advance) -> Moved:
    """Copies every row of the source, in one snapshot, into the target, and compares both.

    Both must have the current schema. The target is changed as a whole or not at all. `advance` is called for each row
    twice: after it was written, and after it was compared. Returns what was copied. Raises DataError if the target
    contains data, or would differ from the source.
    """
    tables = shapes()
    copied: Moved = []
    with open_target(target, tables) as filled, source.read(in_bulk=True) as tx:
        reader = Reader.of(tx)
        for shape in tables:
            checking = Checking()
            filled.insert(shape, reported(checking.through(reader.batches(shape)), advance))
            filled.set_last_number(shape, reader.last_number(shape))
            copied.append((shape, checking.result()))
        filled.finish()
        filled.verify(copied, advance)
        filled.commit()
    return copied


def restore_all(dump: Dump, target: Database, advance: Advance) -> None:
    """Writes every row of the dump into the target, whose schema must be the dump's, and compares both.

    The target is changed as a whole or not at all. `advance` is called as for `copy_all`. Raises DataError for a
    damaged dump, and if the target contains data or would differ from the dump.
    """
    with target.read() as tx:
        check_fits(tx, dump.header)
    with open_target(target, dump.header.tables) as filled:
        expected = dump.fill(filled, advance)
        filled.finish()
        filled.verify(expected, advance)
        filled.commit()
