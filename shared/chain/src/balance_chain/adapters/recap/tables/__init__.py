"""The tables a docket text is read by. Their order is their precedence: the first head that matches wins."""

from .answers import ANSWERS
from .course import COURSE
from .evidence import EVIDENCE
from .filings import FILINGS
from .hearings import HEARINGS
from .notes import NOTES
from .objects import OBJECTS
from .papers import PAPERS

HEADS = (*NOTES, *FILINGS, *HEARINGS, *COURSE, *ANSWERS, *EVIDENCE, *PAPERS)

__all__ = ["HEADS", "OBJECTS"]
