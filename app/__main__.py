"""`python -m app`: the command line, where `noongil` is not on the path."""

from app.cli import main

main()
