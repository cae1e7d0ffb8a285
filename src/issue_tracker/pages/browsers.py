"""Names of browsers, by which people recognize their sessions."""


def browser_name(user_agent: str) -> str:
    """Returns browser and system of a User-Agent header, such as "Firefox 128 on Linux".

    Returns the header itself if it names no known browser.
    """
    from ua_parser import parse  # noqa: PLC0415 - only the account page needs its patterns, which load slowly

    found = parse(user_agent)
    if found.user_agent is None:
        return user_agent or "unknown"
    name = " ".join(filter(None, (found.user_agent.family, found.user_agent.major)))
    return f"{name} on {found.os.family}" if found.os else name
