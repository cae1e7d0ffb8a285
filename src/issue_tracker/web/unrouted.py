"""Paths and methods that no route has: what Litestar raises itself, as one of our answers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import Request
from litestar.response import Response
from litestar.types import Receive, Scope, Send

from issue_tracker.errors import AppError
from issue_tracker.web.answer import Answer
from issue_tracker.web.call import Call
from issue_tracker.web.context import Access, Runtime, authenticate, authorize
from issue_tracker.web.errors import as_app_error, error_answer
from issue_tracker.web.templating import browsing, error_page


class Unrouted:
    """Litestar's exception handler: what it raises itself, for a path or a method that does not exist.

    Under /api an anonymous caller learns nothing, not even that; neither does a member (contract, sections 2 and 3).
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def __call__(self, request: Request[Any, Any, Any], exception: Exception) -> "_Later":
        call = Call(request.scope, {}, b"")
        error = as_app_error(exception, call.request_id)

        async def answer() -> Answer:
            if not f"{call.path}/".replace("/%00", "").startswith("/api/"):  # also with empty segments
                return error_page(call, error) if browsing(call) else error_answer(error, call)
            loop = asyncio.get_running_loop()
            return error_answer(await loop.run_in_executor(self.runtime.workers, self._refine, call, error), call)

        return _Later(answer)

    def _refine(self, call: Call, error: AppError) -> AppError:
        try:
            with self.runtime.database.read() as tx:
                identity = authenticate(tx, self.runtime, call)
            if not call.path.startswith("/api/auth/"):
                authorize(identity, Access.HELPDESK)
        except AppError as refused:
            return refused
        return error


class _Later(Response[None]):
    """An answer that is made when it is sent."""

    def __init__(self, answer: Callable[[], Awaitable[Answer]]) -> None:
        super().__init__(None)
        self._answer = answer

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        async def send_answer(scope: Scope, receive: Receive, send: Send) -> None:
            await (await self._answer())(scope, receive, send)

        return send_answer
