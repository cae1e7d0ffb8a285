"""Violations in storage, keys, copies, counters and the search index."""

from tests.invariants.broken import (
    COPIES,
    COUNTERS,
    KEYS,
    NAMES,
    NUMBERS,
    ONE_NAME_TWICE,
    PRINTER,
    REFERENCES,
    SEARCH,
    STORAGE,
    WITHOUT_FOREIGN_KEYS,
    Broken,
)

STORAGE_BROKEN = (
    Broken(
        "damaged index",
        STORAGE,
        "integrity_check reports: .*ix_events|index ix_events_type_event_id is not valid",
        sqlite=(
            "PRAGMA writable_schema = ON;"
            "UPDATE sqlite_master SET rootpage ="
            " (SELECT rootpage FROM sqlite_master WHERE name = 'ix_deliveries_pending')"
            " WHERE name = 'ix_events_type_event_id'",
        ),
        postgresql=("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_events_type_event_id'::regclass",),
    ),
    Broken(
        "lost company",
        REFERENCES,
        r"assignments \d+ refers to companies \d+, which does not exist",
        "DELETE FROM companies WHERE name = 'Contoso'",
        postgresql=(WITHOUT_FOREIGN_KEYS,),
    ),
    Broken(
        "lost company of a webhook",
        REFERENCES,
        r"webhooks \d+ is limited to companies \d+, which does not exist",
        "DELETE FROM companies WHERE name = 'Contoso'",
        postgresql=(WITHOUT_FOREIGN_KEYS,),
    ),
    Broken(
        "lost user",
        REFERENCES,
        r"sessions \d+ refers to users \d+",
        "DELETE FROM users WHERE name = 'Tess Ngo'",
        postgresql=(WITHOUT_FOREIGN_KEYS,),
    ),
    Broken(
        "event numbers from the start",
        NUMBERS,
        r"events has the number \d+, and gives numbers from [12] on",
        sqlite=("UPDATE sqlite_sequence SET seq = 1 WHERE name = 'events'",),
        postgresql=("ALTER SEQUENCE events_event_id_seq RESTART WITH 2",),
    ),
    Broken(
        "key of an issue",
        KEYS,
        "issues .* has name_key “another”",
        "UPDATE issues SET name_key = 'another' WHERE name = 'Printer offline'",
    ),
    Broken(
        "key of a description",
        KEYS,
        "issues .* has description_key “All day”",
        "UPDATE issues SET description_key = description WHERE description = 'All day'",
    ),
    Broken(
        "key without a description",
        KEYS,
        "issues .* has description_key “all day”; that of “None” is “”",
        "UPDATE issues SET description = NULL WHERE description = 'All day'",
    ),
    Broken(
        "key of a company",
        KEYS,
        "companies .* has name_key “Müller & Söhne”",
        "UPDATE companies SET name_key = name WHERE name = 'Müller & Söhne'",
    ),
    Broken(
        "key of a user", KEYS, "users .* has email_key “”", "UPDATE users SET email_key = '' WHERE name = 'Tess Ngo'"
    ),
    Broken(
        "key of an event",
        KEYS,
        "events .* has issue_key “None”",
        "UPDATE events SET issue_key = NULL WHERE type = 'issue.deleted'",
    ),
    Broken(
        "one name twice",
        NAMES,
        "2 rows of companies have name_key “contoso”",
        sqlite=(
            "PRAGMA writable_schema = ON;"
            "UPDATE sqlite_master SET sql = replace(sql, 'CONSTRAINT uq_companies_name_key UNIQUE (name_key)',"
            " 'CONSTRAINT uq_companies_name_key CHECK (1)') WHERE name = 'companies';"
            "DELETE FROM sqlite_master WHERE name = 'sqlite_autoindex_companies_1';"
            "PRAGMA writable_schema = RESET",
            ONE_NAME_TWICE,
        ),
        postgresql=("ALTER TABLE companies DROP CONSTRAINT uq_companies_name_key", ONE_NAME_TWICE),
    ),
    Broken(
        "set of statuses",
        COPIES,
        r"Issue \d+ has statuses 63; its assignments have 2",
        f"UPDATE issues SET statuses = 63 WHERE issue_id = {PRINTER}",
    ),
    Broken(
        "copy of a name key",
        COPIES,
        "has issue_key “printer”; the name_key of its issue is “printer offline”",
        f"UPDATE assignments SET issue_key = 'printer' WHERE issue_id = {PRINTER}",
    ),
    Broken(
        "counter of issues",
        COUNTERS,
        "issue_counters counts .* issues with statuses 2; there are 1",
        "UPDATE issue_counters SET issues = issues + 1 WHERE statuses = 2",
    ),
    Broken(
        "lost counter of assignments",
        COUNTERS,
        "assignment_counters counts 0 assignments with status closed; there are 1",
        "DELETE FROM assignment_counters WHERE status = 'closed'",
    ),
    Broken(
        "issue that search does not know",
        SEARCH,
        r"The index of search does not contain issue|Search finds “printer” in 0 issues; a scan finds it in 1",
        sqlite=(
            "INSERT INTO issue_search (issue_search, rowid, name_key, description_key) SELECT 'delete', issue_id,"
            " name_key, description_key FROM issues WHERE name = 'Printer offline'",
        ),
        postgresql=(
            "UPDATE pg_index SET indisready = false WHERE indexrelid = 'ix_issues_search'::regclass",
            "INSERT INTO issues (name, name_key, description_key, revision, created_at, updated_at)"
            " SELECT 'Hidden printer', 'hidden printer', '', 1, created_at, updated_at FROM issues"
            " WHERE name = 'Printer offline'",
            "DELETE FROM issues WHERE name = 'Printer offline'",
            "UPDATE pg_index SET indisready = true WHERE indexrelid = 'ix_issues_search'::regclass",
        ),
    ),
    Broken(
        "issue that only search knows",
        SEARCH,
        r"The index of search contains issue 4711, which does not exist",
        sqlite=("INSERT INTO issue_search (rowid, name_key, description_key) VALUES (4711, 'printer', '')",),
    ),
    Broken(
        "words that search does not know",
        SEARCH,
        "(Search|The total of a search) finds “(printer|offline)” in 0 issues; a scan finds it in 1",
        sqlite=(
            "INSERT INTO issue_search (issue_search, rowid, name_key, description_key) SELECT 'delete', issue_id,"
            " name_key, description_key FROM issues WHERE name = 'Printer offline';"
            "INSERT INTO issue_search (rowid, name_key, description_key) SELECT issue_id, 'something else', ''"
            " FROM issues WHERE name = 'Printer offline'",
        ),
    ),
)
