"""Pictures by their parts: which parts, and how an encoder embeds them."""
