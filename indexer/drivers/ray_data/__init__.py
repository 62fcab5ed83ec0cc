"""Embedding on a Ray cluster.

`driver` is imported by whoever may want it and does not import Ray, which takes a second and may
not be installed; all but `cluster` beside it do.
"""
