"""`docker-compose.yml` as processes of this machine: no engine, no images, the same commands.

A container is a process with an address of its own on the loopback network, so that every service
keeps its port; host names become addresses and the paths of volumes folders where the program reads
them. `composition` is what the file says, `container` what becomes of a service, `deployment` all
of them, up and down; `outages` breaks them and counts what it costs.
"""
