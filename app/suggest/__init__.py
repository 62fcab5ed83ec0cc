"""Completing what is being typed, from what images are described by and what was searched for."""
