"""People: HTTP, the command line, the page."""
