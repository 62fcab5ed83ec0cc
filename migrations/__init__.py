"""Alembic's scripts: the history of the tables in indexer/catalog/tables.py."""
