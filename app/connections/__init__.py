"""Connections of clients that are slow, silent, gone, or still sending when they are refused."""
