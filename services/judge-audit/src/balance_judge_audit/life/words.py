"""Opens what people wrote when they acted: it is encrypted on the chain, and gone for good with the case's key."""

import json
from typing import Any

from balance_chain.core.privacy import PrivacyError, associated_data, decrypt_field
from balance_chain.runtime.casekeys import CaseKeyStore


async def opened(event: dict[str, Any], field: str, keys: CaseKeyStore | None) -> str | None:
    """The text of a sealed act's field; None where it cannot be, or may not be, opened."""
    if keys is None or not event:
        return None
    key = (await keys.get_many([event["caseid"]]))[event["caseid"]]
    where = associated_data(event["source"], event["id"], event["type"], f"/{field}")
    try:
        return str(json.loads(decrypt_field(key, where, event["data"][field]).plaintext))
    except (PrivacyError, KeyError, ValueError):
        return None
