"""What probes meet on real containers: networks of every kind, answers that never end, commands that hang."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from fixtures.certificates import Authority
from fixtures.lab import ImageShelf
from fixtures.pinning import pin
from polyfleet_agent.adapters.podman_api import PodmanApi
from polyfleet_agent.adapters.podman_probes import Place, PodmanProber, read_place
from polyfleet_agent.adapters.podman_runtime import PodmanRuntime
from polyfleet_agent.core.health import Answer
from polyfleet_controller.lab.binfmt import native_platform
from polyfleet_controller.lab.device import Device
from polyfleet_controller.lab.image import ImageRecipe
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.messages import PullProgress
from polyfleet_shared.probes import (
    ExecAction,
    HttpGetAction,
    HttpHeader,
    Probe,
    Scheme,
    TcpSocketAction,
)
from polyfleet_shared.workloads import ContainerSpec, DesiredWorkload, EnvironmentVariable
from waiting import wait_until

RECIPE: Final = ImageRecipe(platforms=(native_platform(),), program="probed")
SICK: Final = EnvironmentVariable(name="sick", value="503")


@pytest.fixture(scope="module")
def probed(images: ImageShelf) -> PinnedImage:
    return pin(RECIPE, images.push(RECIPE, name="probed"))


@pytest.fixture
def runtime(device: Device, probed: PinnedImage) -> PodmanRuntime:
    socket = f"unix://{device.podman.store.socket}"
    runtime = PodmanRuntime(socket, "dev-1", dial=device.namespace.dial)
    runtime.pull(probed, ignore)
    return runtime


def ignore(_: PullProgress) -> None:
    """For pulls whose progress does not matter."""


def start(runtime: PodmanRuntime, image: PinnedImage, **rest: Any) -> str:  # noqa: ANN401 - any of its fields
    """Start a workload of one or two containers, which listen on 8080 and 8081; the ID of the last."""
    sides = rest.pop("sides", 0)
    wanted = DesiredWorkload(
        uid="uid-1",
        namespace="default",
        name="probed",
        release="release-1",
        revision=1,
        containers=tuple(
            ContainerSpec(
                name=f"c{number}",
                image=image,
                env=(SICK, EnvironmentVariable(name="PORT", value=str(8080 + number))),
            )
            for number in range(1 + sides)
        ),
        **rest,
    )
    started = [runtime.create(wanted, container) for container in wanted.containers]
    for container_id in started:
        runtime.start(container_id)
    listening = Probe(tcp_socket=TcpSocketAction(port=8080 + sides), timeout_seconds=20)
    wait_until(lambda: bool(runtime.probe(started[-1], listening).succeeded))
    return started[-1]


def get(path: str, *, seconds: int = 20, port: int = 8080) -> Probe:
    return Probe(http_get=HttpGetAction(path=path, port=port), timeout_seconds=seconds)


def run(*command: str, seconds: int = 20) -> Probe:
    return Probe(exec=ExecAction(command=command), timeout_seconds=seconds)


def processes_in(device: Device, container_id: str) -> list[str]:
    """The command lines that run in a container."""
    lines = device.podman.run("top", container_id, "args").splitlines()[1:]
    return [line.strip() for line in lines]


# -- networks


def test_on_the_hosts_network_a_container_is_asked_at_the_device(
    runtime: PodmanRuntime, probed: PinnedImage
) -> None:
    container_id = start(runtime, probed, host_network=True)
    assert runtime.probe(container_id, get("/sick")) == Answer(
        succeeded=False, message="GET http://127.0.0.1:8080/sick: answered 503"
    )


def test_the_containers_of_a_pod_are_asked_at_their_common_address(
    runtime: PodmanRuntime, probed: PinnedImage
) -> None:
    container_id = start(runtime, probed, sides=1)
    assert runtime.probe(container_id, get("/well", port=8081)) == Answer(succeeded=True)
    assert runtime.probe(container_id, get("/well", port=8080)) == Answer(succeeded=True)


def test_a_container_that_was_started_again_is_asked_at_its_new_address(
    device: Device, runtime: PodmanRuntime, probed: PinnedImage
) -> None:
    container_id = start(runtime, probed)
    runtime.stop(container_id, grace=5)
    taken = device.podman.run("run", "-d", probed.config.removeprefix("sha256:")).strip()
    runtime.start(container_id)
    wait_until(lambda: runtime.probe(container_id, get("/well")) == Answer(succeeded=True))
    assert device.podman.run("inspect", taken)


@pytest.mark.parametrize(
    ("inspected", "place"),
    [
        ({"NetworkMode": "host"}, Place(address="127.0.0.1")),
        (
            {
                "NetworkMode": "slirp4netns",
                "Ports": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "53/udp": None},
            },
            Place(address="", published={80: 8080}),
        ),
        (
            {"NetworkMode": "bridge", "Networks": {"a": {"IPAddress": "", "GlobalIPv6Address": "fd00::2"}}},
            Place(address="fd00::2"),
        ),
        ({"NetworkMode": "none"}, Place(address="")),
    ],
)
def test_a_container_without_an_address_is_asked_at_its_published_ports(
    inspected: dict[str, Any], place: Place
) -> None:
    settings = {key: inspected[key] for key in ("Ports", "Networks") if key in inspected}
    mode = {"NetworkMode": inspected["NetworkMode"]}
    assert read_place({"HostConfig": mode, "NetworkSettings": settings}) == place


def test_only_a_published_port_leads_into_a_network_that_the_device_is_not_in() -> None:
    place = Place(address="", published={80: 8080})
    assert (place.find(80), place.find(81)) == (("127.0.0.1", 8080), None)


# -- answers


def test_a_redirect_is_an_answer_and_is_not_followed(runtime: PodmanRuntime, probed: PinnedImage) -> None:
    container_id = start(runtime, probed)
    assert runtime.probe(container_id, get("/set/moved/302")).succeeded
    assert runtime.probe(container_id, get("/moved")) == Answer(succeeded=True)


@pytest.mark.parametrize("path", ["/hang", "/drip"])
def test_an_answer_that_does_not_end_in_time_is_none(
    runtime: PodmanRuntime, probed: PinnedImage, path: str
) -> None:
    answer = runtime.probe(start(runtime, probed), get(path, seconds=1))
    assert answer.succeeded is False
    assert answer.message.endswith(f":8080{path}: no answer within 1 s")


def test_a_command_that_the_image_lacks_fails_in_the_runtimes_words(
    runtime: PodmanRuntime, probed: PinnedImage
) -> None:
    answer = runtime.probe(start(runtime, probed), run("/missing"))
    assert answer.succeeded is False
    assert answer.message.startswith("/missing: exit code 127: ")
    assert "no such file or directory" in answer.message


def test_a_command_that_hangs_fails_and_is_not_run_again_beside_itself(
    device: Device, runtime: PodmanRuntime, probed: PinnedImage
) -> None:
    container_id = start(runtime, probed)
    hanging = run("/server", "hang", seconds=1)
    assert runtime.probe(container_id, hanging).message == "/server: not ended within 1 s"
    for _ in range(3):
        answer = runtime.probe(container_id, hanging)
        assert answer == Answer(succeeded=False, message="/server: an earlier run of it has not ended yet")
    assert processes_in(device, container_id) == ["/server", "/server hang"]
    assert runtime.probe(container_id, run("/server", "check", "well")) == Answer(succeeded=True)


# -- TLS and headers


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator["TlsServer"]:
    server = TlsServer(tmp_path)
    yield server
    server.close()


class TlsServer:
    """Answers over TLS, with a certificate that nobody trusts, and keeps what it was asked."""

    def __init__(self, directory: Path) -> None:
        pair = Authority(directory).issue("elsewhere", "DNS:elsewhere.example")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self._listener = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            self.requests.append(connection.recv(4096))
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


def test_over_tls_no_certificate_is_checked_and_headers_replace_the_usual_ones(tls_server: TlsServer) -> None:
    action = HttpGetAction(
        path="/ready?deep=1",
        port=tls_server.port,
        host="127.0.0.1",
        scheme=Scheme.HTTPS,
        http_headers=(HttpHeader(name="host", value="app"), HttpHeader(name="X-Token", value="a b")),
    )
    prober = PodmanProber(PodmanApi("unix:///nowhere.sock"))
    assert prober.ask("c1", Probe(http_get=action, timeout_seconds=20)) == Answer(succeeded=True)
    [request] = tls_server.requests
    assert request == (
        b"GET /ready?deep=1 HTTP/1.1\r\nUser-Agent: polyfleet-probe\r\nAccept: */*\r\n"
        b"Connection: close\r\nhost: app\r\nX-Token: a b\r\n\r\n"
    )
