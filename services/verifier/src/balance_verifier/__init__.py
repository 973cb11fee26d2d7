"""Verifier (核验): recomputes the log and serves proofs."""
