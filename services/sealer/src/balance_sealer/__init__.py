"""Sealer (封存): blocks, and the notary's transparency log."""
