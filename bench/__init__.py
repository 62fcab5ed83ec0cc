"""Benchmarks: each prints a table with a ratio against a limit or a peer of the same run."""
