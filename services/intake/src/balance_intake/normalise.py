"""From a raw record to the bytes of its one canonical event: the normaliser without Kafka and PostgreSQL.

Per record: `read` (authenticate, validate, place) gives a draft, a reject or a tick; the shell then resolves, for
the whole batch, case keys, people and who speaks for each (source, id); `event` protects and encodes. No step reads
a clock: the broker's time of the raw record is the only time there is, so a replay gives equal bytes.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from balance_chain.core import canonical, jsonguard, rawrecord, times
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.courts import Courts
from balance_chain.core.events import (
    ID_PATTERN,
    SEQUENCE_PATTERN,
    TRACEPARENT_PATTERN,
    TYPE_REJECTED,
    TYPE_TICK,
    CanonicalEvent,
    ledger_id,
    ledger_source,
)
from balance_chain.core.partition import partition_for
from balance_chain.core.privacy import CaseKey, Protector, RegistryRef, source_digest, source_secret
from balance_chain.core.rejects import Reason
from balance_chain.core.sources import Source, Sources

from balance_intake.checks import FUTURE_MS, SPECVERSION, Checked, Checker
from balance_intake.model import Claim, Holder
from balance_intake.stages import Draft, RawRecord, Reject, Tick, Written


@dataclass(frozen=True, slots=True)
class Secrets:
    """The two keys that the normaliser itself needs."""

    gateway_mac: bytes
    reject: bytes


class Normaliser:
    """The rules of one deployment; holds no state that a record changes."""

    def __init__(
        self,
        *,
        origin: str,
        partitions: int,
        rawgen: int,
        catalogue: Catalogue,
        courts: Courts,
        sources: Sources,
        secrets: Secrets,
        limits: jsonguard.Limits = jsonguard.DEFAULT_LIMITS,
    ) -> None:
        self._ledger = ledger_source(origin)
        self._partitions = partitions
        self._rawgen = rawgen
        self._sources = sources
        self._secrets = secrets
        self._limits = limits
        self._checker = Checker(catalogue, courts)
        self._protectors = {name: Protector(kind, catalogue.roles) for name, kind in catalogue.types.items()}
        self._ledger_phase = {name: catalogue.types[name].phase for name in (TYPE_REJECTED, TYPE_TICK)}

    # Stage 1: what one record says by itself.

    def read(self, record: RawRecord) -> Draft | Reject | Tick:
        """Authenticate, validate, place."""
        headers = rawrecord.read_headers(record.headers)
        if headers.source is None or headers.authenticator is None:
            return self._reject(record, Reason.HEADER_MISSING)
        uri = headers.source.decode("utf-8", "replace")
        if uri == rawrecord.LEDGER:
            return self._read_tick(record, headers.authenticator)
        source = self._sources.get(uri)
        if source is None:
            return self._reject(record, Reason.SOURCE_UNKNOWN)
        refusal = self._authenticate(source, record.value, headers.authenticator)
        if refusal is not None:
            return self._reject(record, refusal, source=source)
        try:
            parsed = jsonguard.parse(record.value, self._limits)
        except jsonguard.BadJson as error:
            return self._reject(record, error.code, source=source)
        checked = self._checker.check(parsed, source, record.received_ms + FUTURE_MS)
        if not isinstance(checked, Checked):
            first = checked[0]
            return self._reject(record, first.reason, source=source, parsed=parsed, field=first.pointer or None)
        right = partition_for(checked.case.caseid, self._partitions)
        if right != record.partition:
            return self._reject(record, Reason.WRONG_PARTITION, source=source, parsed=parsed, partition=right)
        people = self._protectors[checked.type.id].lookups(checked.data, source.staff, checked.case.courtcode)
        return Draft(record, checked, tuple(people))

    def _read_tick(self, record: RawRecord, authenticator: bytes) -> Tick | Reject:
        if not rawrecord.verify_mac(rawrecord.LEDGER, record.value, authenticator, self._secrets.gateway_mac):
            return self._reject(record, Reason.SIGNATURE_BAD)
        if record.value != rawrecord.TICK_VALUE:
            return self._reject(record, Reason.TYPE_UNKNOWN)
        return Tick(record)

    def _authenticate(self, source: Source, value: bytes, authenticator: bytes) -> Reason | None:
        """Why this authenticator does not vouch for the value, or None."""
        if len(authenticator) == rawrecord.SIGNATURE_BYTES:
            if source.key is None:
                return Reason.SOURCE_TRANSPORT
            good = rawrecord.verify_raw(value, authenticator, source.key)
        else:
            good = rawrecord.verify_mac(source.uri, value, authenticator, self._secrets.gateway_mac)
            if good and source.transport != "http":
                return Reason.SOURCE_TRANSPORT
        return None if good else Reason.SIGNATURE_BAD

    def _reject(
        self,
        record: RawRecord,
        reason: Reason,
        *,
        source: Source | None = None,
        parsed: jsonguard.Parsed | None = None,
        field: str | None = None,
        partition: int | None = None,
    ) -> Reject:
        """Refuse a record. Its id and sequence are told only where it was authenticated and they are well-formed."""
        told = {} if parsed is None else parsed.value
        event_id, sequence = told.get("id"), told.get("sequence")
        sent = record.value if parsed is None else parsed.canonical
        return Reject(
            record=record,
            reason=reason,
            digest=source_digest(self._secrets.reject, sent),
            field=field,
            partition=partition,
            source=None if source is None else source.uri,
            id=event_id if isinstance(event_id, str) and ID_PATTERN.fullmatch(event_id) else None,
            sequence=sequence if isinstance(sequence, str) and SEQUENCE_PATTERN.fullmatch(sequence) else None,
        )

    # Stage 2: what the batch asks PostgreSQL.

    def claim(self, draft: Draft, case_key: CaseKey) -> Claim:
        """The draft's claim to speak for its (source, id)."""
        event = draft.checked.event
        secret = source_secret(case_key, event.source, event.id)
        # Receipts of HTTP sources carry the digest that the gateway reserved; only Kafka sources need it from here.
        kafka = draft.checked.source.transport == "kafka"
        return Claim(
            key=draft.key,
            rawpos=draft.record.offset,
            caseid=draft.caseid,
            sourcedigest=bytes.fromhex(source_digest(secret, draft.checked.sent)),
            digest=hashlib.sha256(draft.checked.sent).digest() if kafka else None,
        )

    def settle(self, draft: Draft, claim: Claim, holder: Holder) -> Draft | Reject:
        """The draft, where it speaks for its event; else the reject that says why not."""
        if (holder.partition, holder.rawgen, holder.rawpos) == (
            draft.record.partition,
            self._rawgen,
            draft.record.offset,
        ):
            return draft
        reason = Reason.DUPLICATE if holder.sourcedigest == claim.sourcedigest else Reason.ID_CONFLICT
        event = draft.checked.event
        return Reject(
            record=draft.record,
            reason=reason,
            digest=source_digest(self._secrets.reject, draft.checked.sent),
            source=event.source,
            id=event.id,
            sequence=event.sequence,
        )

    # Stage 3: bytes.

    def event(self, draft: Draft, claim: Claim, case_key: CaseKey, people: Mapping[RegistryRef, str]) -> Written:
        """The canonical event of a draft that speaks for its (source, id)."""
        checked, record = draft.checked, draft.record
        sent, case = checked.event, checked.case
        protected = self._protectors[sent.type].protect(
            checked.data,
            source=sent.source,
            event_id=sent.id,
            court=case.courtcode,
            case_key=case_key,
            registry=people,
            staff=checked.source.staff,
        )
        value = canonical.encode_event(
            CanonicalEvent(
                specversion=SPECVERSION,
                id=sent.id,
                source=sent.source,
                type=sent.type,
                subject=case.caseid,
                time=checked.time,
                precision="day" if checked.day_only else None,
                recordedtime=checked.recorded,
                sequence=sent.sequence,
                traceparent=sent.traceparent,
                caseid=case.caseid,
                courtcode=case.courtcode,
                phase=checked.type.phase,
                actorref=protected.actorref,
                actorrole=protected.actorrole,
                receivedtime=times.format_ms(record.received_ms),
                rawgen=self._rawgen,
                rawpos=record.offset,
                sourcedigest=claim.sourcedigest.hex(),
                keyid=case_key.keyid if protected.encrypted else None,
                data=protected.data,
            )
        )
        return Written(case.caseid.encode(), value, _kept_headers(record), record.received_ms)

    def ledger_event(self, outcome: Reject | Tick) -> Written:
        """The ledger's own event that stands for a refused record or a tick."""
        record = outcome.record
        type_id = TYPE_TICK if isinstance(outcome, Tick) else TYPE_REJECTED
        received = times.format_ms(record.received_ms)
        value = canonical.encode_event(
            CanonicalEvent(
                specversion=SPECVERSION,
                id=ledger_id(record.partition, self._rawgen, record.offset),
                source=self._ledger,
                type=type_id,
                time=received,
                phase=self._ledger_phase[type_id],
                receivedtime=received,
                rawgen=self._rawgen,
                rawpos=record.offset,
                data={} if isinstance(outcome, Tick) else _reject_data(outcome),
            )
        )
        return Written(str(record.partition).encode(), value, _kept_headers(record), record.received_ms)


def _reject_data(reject: Reject) -> dict[str, Any]:
    told = {
        "reason": reject.reason.value,
        "field": reject.field,
        "partition": reject.partition,
        "source": reject.source,
        "id": reject.id,
        "sequence": reject.sequence,
        "digest": reject.digest,
    }
    return {name: value for name, value in told.items() if value is not None}


def _kept_headers(record: RawRecord) -> tuple[tuple[str, bytes], ...]:
    """The trace goes on; nothing else of the raw headers does."""
    traceparent = rawrecord.read_headers(record.headers).traceparent
    if traceparent is None or not TRACEPARENT_PATTERN.fullmatch(traceparent.decode("ascii", "replace")):
        return ()
    return ((rawrecord.HEADER_TRACEPARENT, traceparent),)
