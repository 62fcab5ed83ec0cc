"""Between two index versions: what the API writes, and what servers see of it."""
