"""The pure rule engine: (state, event at a shard's offset) to (state, alerts), on ledger time and nothing
else.
"""
