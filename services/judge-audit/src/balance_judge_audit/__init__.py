"""Judge audit (司法监督): integrity-risk alerts from the sealed stream."""
