"""The encoder that works offline from the first minute."""
