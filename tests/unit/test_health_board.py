"""A process is alive while its parts progress, and ready when nothing is wrong or behind and every check passes."""

from __future__ import annotations

import httpx
from balance_chain.runtime.health import Health
from balance_chain.web.app import CSP, create_app
from balance_chain.web.problems import FieldError, ProblemError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_part_without_progress_is_named_after_the_bound() -> None:
    clock = Clock()
    health = Health(live_seconds=60, clock=clock)
    health.progress("shard 1")
    clock.now = 60
    assert health.live_problems() == []
    clock.now = 61
    assert health.live_problems() == ["shard 1: no progress for 61 s"]
    health.forget("shard 1")
    assert health.live_problems() == []


async def test_ready_is_refused_while_a_problem_stands_or_a_part_is_behind() -> None:
    health = Health()
    health.problem("group", "Kafka is away")
    health.behind("shard 0", 11, bound=10)
    assert await health.ready_problems() == ["group: Kafka is away", "shard 0: 11 records behind, more than 10"]
    health.problem("group", None)
    health.behind("shard 0", 10, bound=10)
    assert await health.ready_problems() == []


async def test_a_check_that_breaks_is_an_answer_and_not_an_exception() -> None:
    async def broken() -> list[str]:
        raise RuntimeError("no route")

    health = Health()
    health.add_check("database", broken)
    assert await health.ready_problems() == ["database: RuntimeError: no route"]


def client(health: Health) -> httpx.AsyncClient:
    app = create_app("Test", health)

    @app.get("/refuse")
    async def refuse() -> None:
        raise ProblemError(409, "Conflict", errors=(FieldError("/id", "was used before", "use another"),))

    @app.get("/items/{number}")
    async def item(number: int) -> int:
        """Gives a number back."""
        return number

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_every_answer_carries_a_strict_content_security_policy() -> None:
    async with client(Health()) as http:
        for path in ("/docs", "/livez", "/absent", "/refuse"):
            answer = await http.get(path)
            assert answer.headers["content-security-policy"] == CSP
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_errors_are_problem_details_that_name_each_field() -> None:
    async with client(Health()) as http:
        conflict = await http.get("/refuse")
        invalid = await http.get("/items/many")
        absent = await http.get("/absent")
    assert conflict.json()["errors"] == [{"pointer": "/id", "problem": "was used before", "remedy": "use another"}]
    assert invalid.status_code == 422
    assert invalid.json()["errors"][0]["pointer"] == "/path/number"
    for answer in (conflict, invalid, absent):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


async def test_the_interface_page_lists_operations_without_any_script() -> None:
    async with client(Health()) as http:
        page = (await http.get("/docs")).text
    assert "/items/{number}" in page
    assert "<script" not in page


async def test_readyz_says_what_is_wrong() -> None:
    health = Health()
    health.problem("notary", "guard row differs")
    async with client(health) as http:
        ready, live = await http.get("/readyz"), await http.get("/livez")
    assert (ready.status_code, live.status_code) == (503, 200)
    assert ready.json()["problems"] == ["notary: guard row differs"]
