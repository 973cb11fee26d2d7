"""RFC 9457 problem details: every error answer names each field, its problem and its remedy."""

from dataclasses import asdict, dataclass
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from balance_chain.core.errors import BalanceError

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field; `pointer` is a JSON Pointer into what was sent."""

    pointer: str
    problem: str
    remedy: str


class ProblemError(Exception):
    """Raised by a handler to answer with problem details."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        errors: tuple[FieldError, ...] = (),
        *,
        type_: str = "about:blank",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status, self.title, self.detail, self.errors = status, title, detail, errors
        self.type, self.headers = type_, headers


def problem_response(
    status: int,
    title: str,
    detail: str = "",
    errors: tuple[FieldError, ...] = (),
    *,
    type_: str = "about:blank",
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    body: dict[str, object] = {"type": type_, "title": title, "status": status}
    if detail:
        body["detail"] = detail
    if errors:
        body["errors"] = [asdict(error) for error in errors]
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


def pointer(location: tuple[str | int, ...]) -> str:
    """A JSON Pointer of a path of keys and indexes."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def install(app: FastAPI) -> None:
    """Makes every error of an application a problem answer; nothing of the inside is shown."""

    async def on_problem(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ProblemError)
        return problem_response(
            error.status, error.title, error.detail, error.errors, type_=error.type, headers=error.headers
        )

    async def on_http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        title = HTTPStatus(error.status_code).phrase
        detail = error.detail if isinstance(error.detail, str) and error.detail != title else ""
        headers = dict(error.headers) if error.headers else None
        return problem_response(error.status_code, title, detail, headers=headers)

    async def on_invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        found = tuple(
            FieldError(pointer(tuple(item["loc"])), str(item["msg"]), "see /docs for what is accepted")
            for item in error.errors()
        )
        return problem_response(422, "The request is not valid", errors=found)

    async def on_refusal(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, BalanceError)
        found = (FieldError(error.field, error.problem, error.remedy),)
        return problem_response(503, "Not possible now", errors=found)

    async def on_gone(_: Request, error: Exception) -> JSONResponse:
        return problem_response(400, "The request ended too early")  # nobody is there to read it

    app.add_exception_handler(ClientDisconnect, on_gone)
    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(BalanceError, on_refusal)
