"""Balance Chain (天平链), the open judicial ledger: catalogue, canonical bytes, privacy, tail writer, command line."""
