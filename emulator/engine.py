"""A running emulator as its users see it: an address, a project, clients."""

from pathlib import Path

from emulator.client import Client
from emulator.datadir import Endpoint
from emulator.environment import variables
from emulator.errors import OperatorError


class Engine:
    """Where an emulator answers, and for which project; ``data_dir`` is its folder."""

    def __init__(self, data_dir: Path, endpoint: Endpoint | None = None, project: str = "") -> None:
        self.data_dir = data_dir
        self._endpoint = endpoint
        self._project = project

    @property
    def endpoint(self) -> Endpoint:
        """The address card of the running emulator."""
        if self._endpoint is None:
            raise OperatorError("The emulator is not running: use `with Emulator() as emulator:`.")
        return self._endpoint

    @property
    def url(self) -> str:
        """Where the gateway answers: ``http://127.0.0.1:PORT``."""
        return self.endpoint.url

    @property
    def project(self) -> str:
        """The project's id; an emulator knows every well-formed one."""
        return self._project or self.endpoint.project

    @property
    def pid(self) -> int:
        return self.endpoint.pid

    def environment(self) -> dict[str, str]:
        """The variables that lead Google's clients here, as ``cmle env`` prints them."""
        own = self.data_dir / "gcloud"
        gcloud_dir = own / self._project if self._project else own
        return variables(self.url, self.endpoint.bundle_path, self.project, str(gcloud_dir))

    def client(self, project: str = "") -> Client:
        """A small REST client for this or another project; close it, or use ``with``."""
        return Client(self.url, project or self.project)
