"""Attributes by column: what filters, facets, sorting and grouping read."""
