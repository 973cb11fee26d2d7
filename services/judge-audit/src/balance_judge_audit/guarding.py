"""What speaks of all courts at once is shown to those who may see all courts."""

from balance_chain.web.problems import ProblemError
from fastapi import Request

from balance_judge_audit.life.access import Access
from balance_judge_audit.queries import EVERYTHING


async def sees_all(access: Access, request: Request) -> None:
    """Refuses whoever sees only some courts, or only what is about himself."""
    if await access.reader(request) != EVERYTHING:
        raise ProblemError(403, "This speaks of all courts", "ask as somebody whose courts are all of them")
