"""A real controller on loopback, as a process that can be stopped, killed and started again."""

import http.client
import json
import sys
from pathlib import Path
from typing import Any, Self

from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.ports import LOOPBACK, free_port
from polyfleet_controller.lab.processes import ChildProcess

_ANSWER_SECONDS = 30
_SUCCESS = range(200, 300)


class Controller:
    """Its data, and its ports, survive `stop`, `kill` and `start`.

    Without `broker` it runs one as its own child, on `broker_port`.
    """

    def __init__(
        self, directory: Path, *, registry: str, broker: str | None, database_url: str | None
    ) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "controller.log"
        self.port = free_port()
        self.broker_port = free_port() if broker is None else int(broker.rpartition(":")[2])
        self._registry = registry
        self._broker = broker
        self._database_url = database_url
        self._process: ChildProcess | None = None

    @classmethod
    def create(
        cls, directory: Path, *, registry: str, broker: str | None = None, database_url: str | None = None
    ) -> Self:
        """Start a controller; `directory` must not exist yet. `registry` may use plain HTTP.

        Raises:
            LabError: it did not start; the message has the end of its log.
        """
        directory.mkdir(parents=True)
        controller = cls(directory, registry=registry, broker=broker, database_url=database_url)
        controller.start()
        return controller

    @property
    def url(self) -> str:
        """What `polyfleet --server` takes."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def process(self) -> ChildProcess:
        """The process of the last start.

        Raises:
            LabError: it was never started.
        """
        if self._process is None:
            raise LabError("the controller was not started")
        return self._process

    def start(self) -> None:
        """Start it on its port, and wait until it is healthy.

        Raises:
            LabError: it did not start; the message has the end of its log.
        """
        options = ["--data", str(self.data), "--listen", f"{LOOPBACK}:{self.port}"]
        options += ["--insecure-registry", self._registry]
        if self._broker is None:
            options += ["--broker-listen", f"{LOOPBACK}:{self.broker_port}"]
        else:
            options += ["--broker", self._broker]
        if self._database_url is not None:
            options += ["--database-url", self._database_url]
        command = [sys.executable, "-m", "polyfleet_controller.server", "serve", *options]
        self._process = ChildProcess.start(command, log=self.log)
        self._process.wait_until_ready(self._is_healthy, seconds=30)

    def stop(self) -> None:
        """Stop it as systemd does. Idempotent."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End it with SIGKILL. Idempotent."""
        if self._process is not None:
            self._process.kill()

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON of any form
        """Return the JSON of an answer, None for one without a body.

        Raises:
            LabError: nothing answers, or it is not 2xx; the message has the answer.
        """
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=_ANSWER_SECONDS)
        try:
            headers = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise LabError(f"the controller does not answer {method} {path}: {error}") from error
        finally:
            connection.close()
        if response.status not in _SUCCESS:
            raise LabError(
                f"the controller answered {response.status} to {method} {path}: {content.decode()}"
            )
        return json.loads(content) if content else None

    def _is_healthy(self) -> bool:
        try:
            self.ask("GET", "/v1/health")
        except LabError:
            return False
        return True
