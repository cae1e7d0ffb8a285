"""Reads take the company access of the reader, and only `queries` modules read (docs/architecture.md).

Both are checked on the source, because a read that forgets the access still works for users who see all companies.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import issue_tracker

ROOT = Path(issue_tracker.__file__).parent
READ_TABLES = {"assignments", "companies", "issues", "events"}
PARAMETERS = {"actor", "access"}

ALLOWED_OUTSIDE_QUERIES: dict[str, str] = {}
"""Definitions outside `queries` that select from these tables as part of a change, each with its reason."""

WITHOUT_ACCESS = {
    "auth/group_mappings/queries.py: _loaded": "its callers call require_administrator",
    "auth/queries.py: lock_owned_issues": "locks rows, and returns nothing",
    "events/queries/history.py: _lowest_of": "takes the conditions that its caller made from the access",
    "events/queries/log.py: find_mark": "returns a hash of one event, which reveals nothing but that it is there",
    "events/queries/log.py: is_recorded": "returns whether there is an event that its caller has recorded",
    "events/queries/log.py: get_log_state": "returns a number and hashes; who asks is a part of LogState.key",
    "events/queries/log.py: get_data_state": "as get_log_state",
    "events/queries/large_requests.py: _find": "takes the conditions that its caller made from the access",
    "events/queries/search.py: by_actor": "reads users, and makes a condition of them",
    "events/queries/times.py: between": "makes a condition for queries that have the access",
    "events/queries/times.py: first_id_at": "returns a number, which is only a part of a condition",
    "invariants/queries/search.py: _indexed": "returns numbers of issues, for words that a super admin has read",
    "issues/queries/portal.py: _load": "takes the conditions that its caller made from the access",
    "issues/queries/open_order.py: read_rows": "takes the conditions that its caller made from the access",
}
"""Functions in `queries` that do not take or do not apply the access, each with the reason why it reveals nothing."""


def is_queries(path: Path) -> bool:
    return path.stem == "queries" or path.parent.name == "queries"


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        if "migrations" not in path.parts and "tables" not in path.parts:
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def tables_of(module: ast.Module) -> set[str]:
    """Returns the names under which a module imports the tables."""
    return {
        alias.asname or alias.name
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and node.module == "issue_tracker.database.tables"
        for alias in node.names
        if alias.name in READ_TABLES
    }


def mentions(node: ast.AST, names: set[str]) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id in names for inner in ast.walk(node))


def selects(node: ast.AST, names: set[str]) -> bool:
    """Returns whether the code contains a `select(…)` or `exists(…)` with one of the names."""
    return any(
        isinstance(call, ast.Call) and mentions(call.func, {"select", "exists"}) and mentions(call, names)
        for call in ast.walk(node)
    )


def definitions(module: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Returns the top-level statements of a module by name; a class counts as one."""
    for statement in module.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement.name, statement
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            yield statement.targets[0].id, statement


def readers(module: ast.Module) -> dict[str, ast.stmt]:
    """Returns the definitions of a module that read the tables, directly or through another definition of the
    module.
    """
    found = dict(definitions(module))
    names = tables_of(module)
    reading = {name for name, statement in found.items() if mentions(statement, names)}
    while True:
        more = {name for name, statement in found.items() if mentions(statement, reading)} - reading
        if not more:
            return {name: found[name] for name in reading}
        reading |= more


def parameters(statement: ast.stmt) -> set[str]:
    """Returns the parameters of a function, or of a class's constructor."""
    functions = [statement] if isinstance(statement, ast.FunctionDef) else []
    if isinstance(statement, ast.ClassDef):
        functions = [node for node in statement.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    return {argument.arg for function in functions for argument in (*function.args.args, *function.args.kwonlyargs)}


def applies_access(statement: ast.stmt) -> bool:
    """Returns whether a function or class does more with the actor or the access than to check a role: it compares the
    access, passes it on, or refuses everyone who does not see all companies (`require_administrator`).
    """
    ignored: set[ast.AST] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id.startswith("require_") and node.func.id != "require_administrator":
                ignored.update(node.args)
        elif isinstance(node, ast.Attribute) and node.attr in ("user_id", "request_id", "super_admin", "role"):
            ignored.add(node.value)
    return any(
        isinstance(node, ast.Name) and node.id in PARAMETERS and node not in ignored for node in ast.walk(statement)
    )


def test_only_queries_read_issues_assignments_companies_and_events() -> None:
    outside = {
        f"{path.relative_to(ROOT)}: {name}"
        for path, module in modules()
        if not is_queries(path)
        if (tables := tables_of(module))
        for name, statement in definitions(module)
        if selects(statement, tables | set(readers(module)))
    }
    assert outside == set(ALLOWED_OUTSIDE_QUERIES)


def test_every_read_applies_the_company_access() -> None:
    forgetful = {
        f"{path.relative_to(ROOT)}: {name}"
        for path, module in modules()
        if is_queries(path)
        for name, statement in readers(module).items()
        # Functions without a transaction only build a condition or a statement.
        if "tx" in parameters(statement) and not (parameters(statement) & PARAMETERS and applies_access(statement))
    }
    assert forgetful == set(WITHOUT_ACCESS)
