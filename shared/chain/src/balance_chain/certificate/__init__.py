"""Make the certificate (存证证明): a proof bundle in one HTML file that checks itself, without a network."""
