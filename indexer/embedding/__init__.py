"""From a source to shards and catalog rows; `run` joins scan, prepare, encode and write."""
