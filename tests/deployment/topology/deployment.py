"""The services of a Compose file: brought up in their order, used, and down whatever happens."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from shutil import copy, rmtree

from tests.deployment.topology.composition import Composition, Mount, Service
from tests.deployment.topology.container import Container
from tests.deployment.topology.leash import Leash
from tests.deployment.topology.name_server import NameServer
from tests.deployment.topology.network import Network
from tests.deployment.topology.replica import Replica


class Deployment:
    def __init__(
        self, composition: Composition, network: Network, folder: Path, group: int
    ) -> None:
        self._composition = composition
        self._network = network
        self._folder = folder
        self._group = group
        self._names = NameServer(network.gateway, self._running)
        places = [
            (
                service,
                f"{service.name}-{number}",
                network.join(service.host_names, service.networks),
            )
            for service in composition.services.values()
            for number in range(1, service.replicas + 1)
        ]
        # Whoever is told where others are is made when all have their places.
        self.replicas = [Replica(place[0], self._container(*place)) for place in places]

    def up(self) -> None:
        """Each service as soon as what it depends on is as it needs it; all are healthy at the end.

        Raises Unhealthy.
        """
        for service in self._composition.in_order():
            for needed, condition in service.depends_on.items():
                for replica in self.of(needed):
                    replica.wait_for(condition)
            for replica in self.of(service.name):
                replica.start()
        for replica in self.replicas:
            if replica.service.health is not None:
                replica.wait_for("service_healthy")

    def of(self, service: str) -> list[Replica]:
        return [replica for replica in self.replicas if replica.service.name == service]

    def close(self) -> None:
        for replica in self.replicas:
            replica.end()
        self._names.close()

    def _container(self, service: Service, name: str, address: str) -> Container:
        folder = self._folder / name
        folder.mkdir()
        secrets = {
            target: Path(copy(self._composition.secrets[secret], folder / secret))
            for target, secret in service.secrets.items()
        }
        mounts = {mount.target: self._placed(mount, folder) for mount in service.mounts}
        return Container(
            name,
            address,
            folder,
            paths={**mounts, **secrets},
            environment=service.environment,
            addressed=lambda text: self._network.translated(text, address, self._names.address),
            group=self._group,
        )

    def _placed(self, mount: Mount, folder: Path) -> Path:
        """Where the files are that a container sees at the mount's target."""
        if mount.source is not None and not mount.is_volume:
            return Path(mount.source)
        place = folder / f"in-memory{mount.target}"
        if mount.source is not None:
            place = self._folder / "volumes" / mount.source
        place.mkdir(parents=True, exist_ok=True)
        return place

    def _running(self, host_name: str) -> list[str]:
        """Addresses of those that go by a name and run: the others are unknown, as in Docker."""
        known = set(self._network.addresses(host_name))
        running = (replica.container.address for replica in self.replicas if replica.is_running)
        return [address for address in running if address in known]


@contextmanager
def deployed(composition: Composition) -> Iterator[Deployment]:
    """Everything healthy. Raises Unhealthy."""
    with ExitStack() as stack:
        # Not in pytest's own folder: that is closed to the user who runs PostgreSQL under root.
        folder = Path(tempfile.mkdtemp(prefix="noongil-topology-"))
        stack.callback(rmtree, folder)
        folder.chmod(0o755)
        leash = stack.enter_context(closing(Leash()))
        deployment = Deployment(composition, Network(), folder, leash.group)
        stack.callback(deployment.close)
        deployment.up()
        yield deployment
