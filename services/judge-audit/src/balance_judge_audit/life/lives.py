"""The life of one alert as a reader sees it: what people wrote is opened for whoever handles alerts, and for the
alert's own subject.
"""

from collections.abc import Callable
from typing import Any, Final, get_args

from balance_chain.core.keys import KeyDirectory
from balance_chain.runtime.casekeys import CaseKeyStore

from balance_judge_audit import queries_life
from balance_judge_audit.engine.life import REASONED, SETTLED, VERDICTS, Act, ActName, refusal
from balance_judge_audit.life.access import Access
from balance_judge_audit.life.acting import NOT_SEALED, Acting
from balance_judge_audit.life.answers import LifeAnswer, life_answer
from balance_judge_audit.life.people import MAY, Person
from balance_judge_audit.repository import Pool
from balance_judge_audit.settings import ApiSettings

ACTS: Final[tuple[ActName, ...]] = get_args(ActName)


class Lives:
    """Reads lives; holds the case keys where this process may have them."""

    def __init__(self, settings: ApiSettings, access: Access, acting: Acting, pool: Callable[[], Pool]) -> None:
        self._settings = settings
        self._access = access
        self._acting = acting
        self._pool = pool
        self._keys: CaseKeyStore | None = None

    async def answer(self, alert_id: str, person: Person | None) -> LifeAnswer | None:
        """The life of an alert; None for an escalation, which is answered on its alert."""
        async with self._pool().acquire() as connection:
            standing = await self._acting.standing(connection, alert_id)
            if standing is None:
                return None
            sealed = await queries_life.sealed_acts(connection, alert_id)
        names = await self._access.names() if person is not None else {}
        keys = self._case_keys() if person is not None else None
        return await life_answer(standing, sealed, names, keys, self._settings.verifier_url)

    async def offered(self, alert_id: str, person: Person) -> list[tuple[str, dict[str, Any]]]:
        """What this person could do now, each act with what its form asks for."""
        ref = await self._access.ref(person)
        async with self._pool().acquire() as connection:
            standing = await self._acting.standing(connection, alert_id)
        if standing is None or ref is None:
            return []
        life = standing.expected
        found: list[tuple[str, dict[str, Any]]] = []
        for name in ACTS:
            if name in MAY[person.role] or (name == "respond" and ref in life.subjects):
                verdicts = sorted(VERDICTS.get(name, ()))
                act = Act(
                    *(
                        standing.now,
                        NOT_SEALED,
                        len(standing.waiting),
                        "",
                        name,
                        ref,
                        verdicts[0] if verdicts else None,
                    ),
                    assignee="somebody",
                    cause=life.stage if life.stage in SETTLED else "cured",
                    reasoned=True,
                )
                why = refusal(life, act, standing.terms)
                # What only waits for a reply is offered: the answer says until when.
                if why is None or why.code == "unheard":
                    reason = "must" if name in REASONED else "may" if name == "close" else ""
                    found.append((name, {"verdicts": verdicts, "reason": reason}))
        return found

    def _case_keys(self) -> CaseKeyStore | None:
        """The case keys, where the keys folder has the master key; without it words stay sealed."""
        if self._keys is None and (self._settings.keys / "master.key").is_file():
            self._keys = CaseKeyStore(self._pool(), KeyDirectory.load(self._settings.keys).master_key)
        return self._keys
