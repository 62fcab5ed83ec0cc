"""Vector indexes: one contract, a file a backend."""
