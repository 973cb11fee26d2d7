"""The archive: all that a stranger needs to check the whole log offline, and we to rebuild it (docs/archive.md)."""
