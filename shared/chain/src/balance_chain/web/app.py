"""One way to make a web application: problem details, health endpoints, OpenAPI at /docs, strict headers."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from balance_chain.runtime.health import Health, health_routes
from balance_chain.web import problems
from balance_chain.web.docs import docs_page

# Everything from ourselves and nothing inline: scripts and styles are files.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(title: str, health: Health, *, lifespan: Lifespan | None = None, version: str = "1") -> FastAPI:
    """An application with everything but its own routes."""
    app = FastAPI(title=title, version=version, lifespan=lifespan, docs_url=None, redoc_url=None)
    problems.install(app)

    app.add_middleware(StrictHeaders)
    app.router.routes.extend(health_routes(health))

    @app.get("/docs", include_in_schema=False, response_class=HTMLResponse)
    async def docs() -> str:
        return docs_page(app.openapi())

    return app


class StrictHeaders:
    """Plain ASGI, so that streams pass through as they are; a route may set a header of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_strict)
