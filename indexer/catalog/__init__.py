"""The truth: collections, images, shards and index versions, in a SQL database."""
