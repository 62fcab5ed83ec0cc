"""Pictures and files of the web: within limits of address, size and time, and politely."""
