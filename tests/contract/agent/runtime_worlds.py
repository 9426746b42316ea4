"""A machine with a container runtime, once in memory and once real."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from elf_files import elf
from fixtures.lab import ImageShelf
from fixtures.pinning import pin
from polyfleet_agent.adapters.podman_pull import PullLimits
from polyfleet_agent.adapters.podman_runtime import PodmanRuntime
from polyfleet_agent.core.health import Answer
from polyfleet_agent.ports import ContainerRuntime
from polyfleet_agent.testing import FakeRegistry, FakeRuntime
from polyfleet_controller.lab.binfmt import native_platform
from polyfleet_controller.lab.device import Device
from polyfleet_controller.lab.image import PLATFORMS, ImageRecipe
from polyfleet_controller.lab.registry import Registry
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.platforms import Platform

DEVICE = "dev-1"
EXIT_CODE = 3


class RuntimeWorld(Protocol):
    """What the suite needs.

    `serving` runs until it is stopped. `ending` ends at once with EXIT_CODE, after a line in its log.
    `lying` holds a program of another architecture; `incomplete` lacks the loader that its program needs.
    The program is /server in all of them. `probed` answers probes of /well and /sick on port 8080, and by
    `/server check well` and `/server check sick`, as their names say.
    """

    runtime: ContainerRuntime
    serving: PinnedImage
    ending: PinnedImage
    lying: PinnedImage
    incomplete: PinnedImage
    probed: PinnedImage

    def runtime_of(self, device: str) -> ContainerRuntime:
        """The runtime of another device on the same machine."""

    def add_foreign_container(self, name: str) -> None:
        """A container that no Polyfleet made."""

    def foreign_containers(self) -> int: ...

    def add_secret(self, name: str, content: str) -> None:
        """As an administrator makes it."""

    def unplug_registry(self) -> None: ...

    def plug_registry(self) -> None: ...

    def stop_podman(self) -> None: ...

    def start_podman(self) -> None: ...


def fake_digest(number: int) -> str:
    return f"sha256:{number:064x}"


class FakeWorld:
    """All in memory."""

    def __init__(self) -> None:
        self.serving = _fake_image(1)
        self.ending = _fake_image(2)
        self.lying = _fake_image(3)
        self.incomplete = _fake_image(4)
        self.probed = _fake_image(5)
        self._registry = FakeRegistry(self.serving, self.ending, self.lying, self.incomplete, self.probed)
        self._fake = FakeRuntime(DEVICE, self._registry)
        machine = self._fake.machine
        machine.exit_at_once(self.ending, EXIT_CODE, b"linux/arm64 version 1\n")
        machine.fill(self.serving, {"/server": elf("arm64")})
        machine.fill(self.lying, {"/server": elf("amd64")})
        machine.fill(self.incomplete, {"/server": elf("arm64", loader="/lib/ld-linux-aarch64.so.1")})
        machine.probes.let_answer(
            self.probed,
            {
                "/well": Answer(succeeded=True),
                "/sick": Answer(succeeded=False, message="GET /sick: answered 503"),
                "8080": Answer(succeeded=True),
                "/server check well": Answer(succeeded=True),
                "/server check sick": Answer(succeeded=False, message="/server: exit code 1: sick is 503"),
            },
        )
        self._foreign: list[str] = []
        self.runtime: ContainerRuntime = self._fake

    def runtime_of(self, device: str) -> ContainerRuntime:
        return self._fake.on_same_machine(device)

    def add_foreign_container(self, name: str) -> None:
        self._foreign.append(self._fake.machine.add_foreign_container(name))

    def add_secret(self, name: str, content: str) -> None:  # noqa: ARG002 - nobody reads it here
        self._fake.machine.secrets.add(name)

    def foreign_containers(self) -> int:
        return len(self._fake.machine.containers.keys() & self._foreign)

    def unplug_registry(self) -> None:
        self._registry.reachable = False

    def plug_registry(self) -> None:
        self._registry.reachable = True

    def stop_podman(self) -> None:
        self._fake.machine.up = False

    def start_podman(self) -> None:
        self._fake.machine.up = True


def _fake_image(number: int) -> PinnedImage:
    return PinnedImage(
        repository="registry.local/hello",
        index=fake_digest(100 + number),
        child=fake_digest(200 + number),
        config=fake_digest(300 + number),
        platform=Platform.parse("linux/arm64"),
        size=1000,
    )


class PodmanWorld:
    """Podman on a device of the lab, and a registry."""

    def __init__(self, device: Device, registry: Registry, images: ImageShelf) -> None:
        platforms = (native_platform(),)
        serving = ImageRecipe(platforms=platforms)
        ending = ImageRecipe(platforms=platforms, exit_code=EXIT_CODE)
        self.serving = pin(serving, images.push(serving, name="serving"))
        self.ending = pin(ending, images.push(ending, name="ending"))
        other = next(platform for platform in PLATFORMS if platform not in platforms)
        lying = ImageRecipe(platforms=platforms, lies={native_platform(): other})
        incomplete = ImageRecipe(platforms=platforms, static=False)
        self.lying = pin(lying, images.push(lying, name="lying"))
        self.incomplete = pin(incomplete, images.push(incomplete, name="incomplete"))
        probed = ImageRecipe(platforms=platforms, program="probed")
        self.probed = pin(probed, images.push(probed, name="probed"))
        self.device = device
        self._registry = registry
        self.runtime: ContainerRuntime = self.runtime_of(DEVICE)

    def runtime_of(self, device: str) -> PodmanRuntime:
        # Longer than anything here takes: the suite tells failures apart by their reason, not by their time.
        limits = PullLimits(registry=60)
        return PodmanRuntime(
            f"unix://{self.device.podman.store.socket}",
            device,
            limits=limits,
            dial=self.device.namespace.dial,
        )

    def add_foreign_container(self, name: str) -> None:
        self.device.podman.run("create", "--name", name, self.serving.config.removeprefix("sha256:"))

    def add_secret(self, name: str, content: str) -> None:
        file = self.device.directory / "secret"
        file.write_text(content, encoding="utf-8")
        self.device.podman.run("secret", "create", name, str(file))

    def foreign_containers(self) -> int:
        command = ("ps", "--all", "--quiet", "--no-trunc")
        everything = set(self.device.podman.run(*command).split())
        ours = set(self.device.podman.run(*command, "--filter", "label=polyfleet.io/device").split())
        return len(everything - ours)

    def unplug_registry(self) -> None:
        self.device.relay.cut(self._registry.port)

    def plug_registry(self) -> None:
        self.device.relay.mend(self._registry.port)

    def stop_podman(self) -> None:
        self.device.podman.kill()

    def start_podman(self) -> None:
        self.device.podman.start()

    @contextmanager
    def lent(self) -> Iterator["PodmanWorld"]:
        """Give it to one test; everything that the test made in it is removed."""
        try:
            yield self
        finally:
            self.device.podman.run("pod", "rm", "--all", "--force")
            self.device.podman.run("rm", "--all", "--force", "--time=0")
            self.device.podman.run("rmi", "--all", "--force")
            self.device.podman.run("secret", "rm", "--all")
