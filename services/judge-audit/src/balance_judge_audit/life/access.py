"""Who asks, and what is shown to whom: a bearer token or a session, courts, and alerts about oneself."""

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

from balance_chain.core.canonical import encode
from balance_chain.core.sources import ANY
from balance_chain.core.times import format_ms
from balance_chain.web.problems import ProblemError
from fastapi import Request

from balance_judge_audit import queries_life
from balance_judge_audit.life.people import People, Person, load_people
from balance_judge_audit.queries import Scope
from balance_judge_audit.repository import Pool
from balance_judge_audit.settings import ApiSettings

COOKIE: Final = "balance_session"
NOBODY: Final = Scope(courts=())
KNOCK: Final = {"WWW-Authenticate": "Bearer"}


class Access:
    """Everybody in the people file, and what each may see. Without a file everybody reads and nobody acts."""

    def __init__(self, settings: ApiSettings, pool: Callable[[], Pool]) -> None:
        self.people: People | None = None if settings.people is None else load_people(settings.people)
        self._open = settings.people is None or settings.open_reading
        self._source = settings.audit_source
        self._hours = settings.session_hours
        self._pool = pool

    async def announce(self, now_ms: int) -> None:
        """Asks for the sealing of every role in the file: what comes back says by which id the register knows the
        person, so that nobody disposes of an alert about himself.
        """
        for each in self.people.all if self.people else ():
            data = {"person": {"id": each.staff}, "action": "granted", "role": each.role}
            if len(each.courts) == 1 and ANY not in each.courts:
                data["court"] = each.courts[0]
            event = {
                "specversion": "1.0",
                "id": each.grant,
                "source": self._source,
                "type": "role.changed",
                "subject": self._source,
                "time": format_ms(now_ms),
                "recordedtime": format_ms(now_ms),
                "data": data,
            }
            async with self._pool().acquire() as connection:
                await queries_life.ask(connection, event, each.id, hashlib.sha256(encode(data)).digest())

    async def person(self, request: Request) -> Person | None:
        """Who asks: by token, else by session; a token that is nobody's is refused."""
        if self.people is None:
            return None
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme:
            found = self.people.by_token(token.strip()) if scheme.lower() == "bearer" else None
            if found is None:
                raise ProblemError(401, "Who are you?", "send the token of somebody in the people file", headers=KNOCK)
            return found
        cookie = request.cookies.get(COOKIE)
        name = await queries_life.session(self._pool(), _digest(cookie)) if cookie else None
        return self.people.get(name) if name else None

    async def scope(self, person: Person | None) -> Scope:
        """What this person sees."""
        if person is None:
            if not self._open:
                raise ProblemError(401, "Who are you?", "send a bearer token, or sign in on the page", headers=KNOCK)
            return Scope()
        if person.role == "subject":
            return Scope(about=await self.ref(person) or "")
        return Scope() if ANY in person.courts else Scope(courts=person.courts)

    async def reader(self, request: Request) -> Scope:
        """What whoever asks sees."""
        return await self.scope(await self.person(request))

    async def ref(self, person: Person) -> str | None:
        """The register's id of a person; None while the role is not sealed yet."""
        return (await queries_life.refs(self._pool())).get(person.grant)

    async def names(self) -> dict[str, Person]:
        """People by the register's id."""
        known = await queries_life.refs(self._pool())
        return {known[each.grant]: each for each in (self.people.all if self.people else ()) if each.grant in known}

    async def sign_in(self, token: str) -> str | None:
        """A new session's cookie; None where the token is nobody's."""
        found = self.people.by_token(token.strip()) if self.people else None
        if found is None:
            return None
        cookie = secrets.token_urlsafe(32)
        await queries_life.open_session(self._pool(), _digest(cookie), found.id, self._hours)
        return cookie

    async def sign_out(self, request: Request) -> None:
        """Ends the session that the request has."""
        if cookie := request.cookies.get(COOKIE):
            await queries_life.end_session(self._pool(), _digest(cookie))


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).digest()
