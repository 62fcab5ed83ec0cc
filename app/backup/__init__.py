"""Backup and restore: a catalog as it was at one moment, and the files that it names.

DEST/
  backup.json       what the backup holds; written last, so that it names what is whole
  catalog-<id>.db   the tables, as a SQLite database, and a hash of every file
  files/<folder>/   shards, pictures and versions of a collection, as in the data folder

Files never change and their names never come again. So a second backup adds what is new, and what
the first one named is removed after the second is whole.
"""
