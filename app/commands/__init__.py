"""The command line, a file a subject; app/cli.py says which command is where."""
