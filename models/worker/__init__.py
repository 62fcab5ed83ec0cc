"""An encoder in a process of its own: the worker, and the servers' side of the connection."""
