"""Balance Chain (天平链): the open judicial ledger. Catalogue, canonical bytes, privacy, tail writer, runtime, command line."""
