"""The verifier as a witness (见证): it cosigns the checkpoints of a log, and never those of two histories.

A small process of its own, which a partner institution runs with one configuration file; docs/witness.md tells how.
As a mirror it also recomputes every block from its own copy of the topics before it cosigns.
"""
