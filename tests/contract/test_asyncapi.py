"""The AsyncAPI document says what the code does: topics, and the fields of what is on them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml
from balance_chain.core.events import CanonicalEvent, SourceEvent
from balance_chain.core.topics import SPECS
from balance_verify.topicvalues import BlockRecord, CheckpointRecord
from support.needs import REPOSITORY


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / "docs" / "asyncapi.yaml").read_text(encoding="utf-8"))


def properties(document: dict[str, Any], message: str) -> set[str]:
    return set(document["components"]["messages"][message]["payload"]["properties"])


def test_it_has_every_topic_and_no_other(document: dict[str, Any]) -> None:
    assert {channel["address"] for channel in document["channels"].values()} == {spec.name for spec in SPECS}


def test_events_have_the_fields_of_the_types_that_the_services_use(document: dict[str, Any]) -> None:
    assert properties(document, "canonicalEvent") == {field.name for field in msgspec.structs.fields(CanonicalEvent)}
    sent = {field.name for field in msgspec.structs.fields(SourceEvent)}
    assert properties(document, "sourceRecord") == sent | {"datacontenttype"}


def test_blocks_and_checkpoints_have_the_fields_of_their_codecs(document: dict[str, Any]) -> None:
    assert properties(document, "block") == set(BlockRecord.__dataclass_fields__)
    assert properties(document, "checkpoint") == set(CheckpointRecord.__dataclass_fields__)


def test_every_channel_is_used_by_an_operation(document: dict[str, Any]) -> None:
    used = {operation["channel"]["$ref"].rsplit("/", 1)[-1] for operation in document["operations"].values()}
    assert used == set(document["channels"])
