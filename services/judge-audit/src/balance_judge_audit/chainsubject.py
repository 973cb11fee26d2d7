"""Under which subject an alert, or an act on it, goes on the chain: its case, else our own URI."""

from balance_chain.core.casenumber import CaseNumberError, parse_subject


def chain_subject(subject: str, source: str) -> str:
    """The case that the alert is about; what is about a source of events, a person or a unit has our own URI."""
    try:
        parsed = parse_subject(subject)
    except CaseNumberError:
        return source
    return source if parsed.form == "source" else parsed.caseid
