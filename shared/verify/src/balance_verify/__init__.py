"""Check a Balance Chain proof offline: Merkle trees, signed notes, log entries, proof bundles."""
