"""On PostgreSQL, a change updates exactly one shard (here “slot”) of a counter (“tally”); all counters are recomputed.

The statement of 0003 chose a free slot in a subquery, which the planner may run again for each row of the table. Such a
run skips a slot that the statement has already updated, and updates the next free one, too. As a result, a total was
too high by the number of slots, once the table had been analysed while it was small.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

TALLIES = (("issue", "statuses", "integer"), ("assignment", "status", "varchar"))


def _function(of: str, by: str, type_: str) -> str:
    return f"""
        CREATE OR REPLACE FUNCTION tally_{of}(wanted {type_}, change integer) RETURNS void LANGUAGE plpgsql AS $$
        DECLARE
            free bigint;
        BEGIN
            SELECT slot INTO free FROM {of}_tallies WHERE {by} = wanted LIMIT 1 FOR UPDATE SKIP LOCKED;
            IF FOUND THEN
                UPDATE {of}_tallies SET {of}s = {of}s + change WHERE {by} = wanted AND slot = free;
            ELSE
                INSERT INTO {of}_tallies ({by}, slot, {of}s)
                VALUES (wanted, nextval('{of}_tallies_slot_seq'), change);
            END IF;
        END $$
    """


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        return
    for of, by, type_ in TALLIES:
        op.execute(_function(of, by, type_))
        # No writer may count meanwhile: writers of an older version wait here, and continue with the new function.
        op.execute(f"LOCK TABLE {of}s, {of}_tallies IN SHARE ROW EXCLUSIVE MODE")
        op.execute(f"DELETE FROM {of}_tallies")
        op.execute(f"INSERT INTO {of}_tallies ({by}, slot, {of}s) SELECT {by}, 0, count(*) FROM {of}s GROUP BY {by}")
