"""`balance-chain prove` fetches a proof bundle from the verifier."""

from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx
import msgspec

from .exits import CommandFailed, Exit, write_bytes
from .output import people, results
from .publishing import uses_proxy

REQUEST_SECONDS: Final = 30.0


def fetch_bundle(
    source: str, event_id: str, url: str, *, client: httpx.Client | None = None, token: Path | None = None
) -> bytes:
    """The bundle of an event, or why there is none; with `token`, one whose timestamp is written there."""
    address = f"{url.rstrip('/')}/v1/events/{quote(source, safe='')}/{quote(event_id, safe='')}/proof"
    own = client or httpx.Client(timeout=REQUEST_SECONDS, trust_env=uses_proxy(url))
    try:
        response = own.get(address, params={"stamped": "true"} if token else {})
        if token and response.status_code == 200 and "timestamp" in response.links:
            stamped = own.get(f"{url.rstrip('/')}{response.links['timestamp']['url']}")
            if stamped.status_code != 200:
                raise CommandFailed(Exit.UNAVAILABLE, f"no timestamp: {_detail(stamped)}")
            write_bytes(token, stamped.content)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise CommandFailed(Exit.UNAVAILABLE, f"cannot reach the verifier at {url}: {error}") from None
    finally:
        if client is None:
            own.close()
    if response.status_code == 200:
        return response.content
    code = Exit.UNAVAILABLE if response.status_code >= 500 or response.status_code == 429 else Exit.REFUSED
    raise CommandFailed(code, f"no proof of {source} {event_id}: {_detail(response)}")


def prove(source: str, event_id: str, url: str, output: Path | None, token: Path | None) -> Exit:
    """Writes the bundle to a file, or to stdout; and the timestamp over its checkpoint, where one is wanted."""
    bundle = fetch_bundle(source, event_id, url, token=token)
    if output is None:
        results.file.write(bundle.decode("utf-8"))
        results.file.write("" if bundle.endswith(b"\n") else "\n")
        return Exit.DONE
    write_bytes(output, bundle)
    people.print(f"wrote {output}; check it with: balance-chain verify {output} --vkey FILE", markup=False)
    return Exit.DONE


def _detail(response: httpx.Response) -> str:
    try:
        told = msgspec.json.decode(response.content)
        return " ".join(str(told[name]) for name in ("title", "detail") if told.get(name))
    except (msgspec.DecodeError, AttributeError):
        return f"the verifier answered {response.status_code}"
