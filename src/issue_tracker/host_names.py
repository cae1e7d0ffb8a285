"""Names of hosts as they are written in URLs and sent to other systems."""


def ascii_host(name: str) -> str:
    """Returns a host name in ASCII, as browsers read it (Unicode Technical Standard 46). A name or an address that is
    in ASCII is returned as it is.

    Raises ValueError for an invalid international name.
    """
    if name.isascii():
        # Names such as `my_hooks` are invalid in IDNA, but in use.
        return name
    import idna  # noqa: PLC0415 - half a MB, and most host names are ASCII

    return idna.encode(name, uts46=True).decode()
