"""Version folders: what one holds, whether it is intact, which one serves, how well it finds."""
