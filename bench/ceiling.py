"""The ceiling: a bare ASGI application that returns prepared bytes, on the product's server with the same options.

`BENCH_CEILING` names a folder: file `<n>.json` is the body at `/<n>`; `/304` is an empty 304.
"""

import os
from pathlib import Path
from typing import Any

RESPONSES = {
    f"/{path.stem}": (
        200,
        [(b"content-type", b"application/json"), (b"content-length", str(path.stat().st_size).encode())],
        path.read_bytes(),
    )
    for path in Path(os.environ["BENCH_CEILING"]).glob("*.json")
}
RESPONSES["/304"] = (304, [], b"")
RESPONSES["/healthz"] = (200, [], b"")


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Sends the prepared response of the path."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    status, headers, body = RESPONSES[scope["path"]]
    if scope["method"] != "GET":
        while (await receive()).get("more_body", False):
            pass
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
