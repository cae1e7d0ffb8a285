"""What a browser calls itself, in words that people recognise it by."""


def browser_name(user_agent: str) -> str:
    """Browser and system of a User-Agent header, as "Firefox 128 on Linux"; the header itself where it names none."""
    # Imported here: only the account's page asks, and its patterns would slow the start of every worker.
    from ua_parser import parse  # noqa: PLC0415

    found = parse(user_agent)
    if found.user_agent is None:
        return user_agent or "unknown"
    name = " ".join(filter(None, (found.user_agent.family, found.user_agent.major)))
    return f"{name} on {found.os.family}" if found.os else name
