"""Versions whose vectors and attributes are in Milvus: a collection of Milvus each."""
