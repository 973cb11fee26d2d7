"""Check a Balance Chain proof offline: Merkle trees, signed notes, log entries, proof bundles.

Pure: no network, no files, no clock. `verify.verify_bundle` answers the whole question; the other modules are its
parts, and the services that write the log build on the same ones.
"""
