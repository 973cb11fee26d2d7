"""Which alerts go where (`sending.yaml`): targets with their secrets, and routes by severity, court and rule. Pure but
for reading the files.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec
from balance_chain.core.catalogue_files import CatalogueError, read_yaml

from balance_judge_audit.errors import SendingWrong
from balance_judge_audit.sending.signing import Signer, read_signer

State = Literal["open", "cured"]


class _Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    webhook: str | None = None
    alertmanager: str | None = None
    secret_file: str | None = None


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes to some targets: an absent criterion means any."""

    to: tuple[str, ...]
    severities: tuple[Literal["L", "M", "H", "C"], ...] | None = None
    courts: tuple[str, ...] | None = None
    rules: tuple[str, ...] | None = None
    states: tuple[State, ...] | None = None

    def takes(self, severity: str, court: str | None, rule: str, state: str) -> bool:
        """Whether an alert goes this way. What concerns no court goes where no court is named."""
        return (
            (self.severities is None or severity in self.severities)
            and (self.courts is None or court in self.courts)
            and (self.rules is None or rule in self.rules)
            and (self.states is None or state in self.states)
        )


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    targets: tuple[_Target, ...]
    routes: tuple[Route, ...]


class Target(msgspec.Struct, frozen=True):
    """One receiver; only webhooks are signed."""

    name: str
    kind: Literal["webhook", "alertmanager"]
    url: str
    signer: Signer | None


class Plan:
    """Targets and routes together."""

    def __init__(self, targets: Iterable[Target], routes: Iterable[Route]) -> None:
        self.targets: Final = {each.name: each for each in targets}
        self._routes = tuple(routes)

    def goes_to(self, target: str, severity: str, court: str | None, rule: str, state: str) -> bool:
        """Whether some route leads an alert to this target."""
        return any(target in route.to and route.takes(severity, court, rule, state) for route in self._routes)


def load_plan(path: Path) -> Plan:
    """The file, checked; secrets are read from the files that it names, beside it where they are relative."""
    try:
        file = msgspec.convert(read_yaml(path), _File)
    except CatalogueError as error:
        raise SendingWrong(f"{path.name}: {error.key}", error.problem, "correct it") from None
    except msgspec.ValidationError as error:
        raise SendingWrong(path.name, str(error), "see docs/sending-out.md") from None
    targets = [_target(path, number, each) for number, each in enumerate(file.targets)]
    names = {each.name for each in targets}
    if len(names) != len(targets):
        raise SendingWrong(f"{path.name}: /targets", "names one twice", "give each a name of its own")
    for number, route in enumerate(file.routes):
        if unknown := sorted(set(route.to) - names):
            where = f"{path.name}: /routes/{number}/to"
            raise SendingWrong(where, f"{unknown[0]!r} is no target", f"choose of {', '.join(sorted(names))}")
    return Plan(targets, file.routes)


def _target(path: Path, number: int, said: _Target) -> Target:
    where = f"{path.name}: /targets/{number}"
    if (said.webhook is None) == (said.alertmanager is None):
        raise SendingWrong(where, "has not exactly one of webhook and alertmanager", "give one address")
    url = said.webhook or said.alertmanager or ""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise SendingWrong(where, f"{url!r} is no address", "give http:// or https:// and a host, without a password")
    if said.alertmanager is not None:
        if said.secret_file is not None:
            raise SendingWrong(f"{where}/secret_file", "is of no use to Alertmanager", "leave it out")
        return Target(said.name, "alertmanager", url.rstrip("/") + "/api/v2/alerts", None)
    if said.secret_file is None:
        raise SendingWrong(f"{where}/secret_file", "is missing", "name the file of whsec_… or whsk_…")
    return Target(said.name, "webhook", url, read_signer(path.parent / said.secret_file, where))
