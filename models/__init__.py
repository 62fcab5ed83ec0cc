"""Pictures and words: encoders, and nothing of databases, HTTP or indexes."""
