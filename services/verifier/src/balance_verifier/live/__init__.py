"""fsck of a running ledger: every topic recomputed from its first record, and the projection held against that."""
