"""Servers and worker killed at random, against a model of what must be there."""
