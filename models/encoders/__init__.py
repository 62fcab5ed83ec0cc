"""One file an encoder family; `models.registry` finds them by spec."""
