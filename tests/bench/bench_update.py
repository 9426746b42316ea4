"""How long nobody answers during an update, beside `podman stop && podman run` by hand on the same device.

The image of both is on the disk. Each publishes a port of its own, which is asked over and over; the downtime
is the longest time between two answers. They take turns, in one run.
"""

import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from itertools import pairwise
from statistics import median

import pytest

from fixtures.lab import DeviceYard, ImageShelf
from fixtures.peers import Peer
from fixtures.pinning import pin
from polyfleet_controller.lab.binfmt import native_platform
from polyfleet_controller.lab.broker import Broker
from polyfleet_controller.lab.device import Device
from polyfleet_controller.lab.image import SERVER_PORT, ImageRecipe
from polyfleet_controller.lab.workspace import Workspace
from polyfleet_shared.desired import write_desired
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.topics import Channel, format_topic
from polyfleet_shared.workloads import ContainerPort, ContainerSpec, DesiredWorkload
from waiting import wait_until

ROUNDS = 15
AIM = 1.0
PAUSE = 0.002  # seconds between two questions, so that asking costs little of the machine
PATIENCE = 0.03  # seconds; TCP itself asks again only after one
NAME = "dev-1"
OURS, BY_HAND = 18080, 18081
RECIPE = ImageRecipe(platforms=(native_platform(),))


class Asker:
    """Asks a port over and over, and keeps when it answered."""

    def __init__(self, device: Device, port: int) -> None:
        self._device = device
        self._port = port
        self._stop = threading.Event()
        self.answered = [0.0]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait_for_an_answer(self) -> None:
        """Until it has answered once more than by now."""
        seen = self.answered[-1]
        wait_until(lambda: self.answered[-1] != seen)

    def end(self) -> float:
        """Stop asking; the longest time without an answer."""
        self._stop.set()
        self._thread.join()
        moments = self.answered[1:]
        return max(after - before for before, after in pairwise(moments))

    def _run(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError):
                self._ask()
            self._stop.wait(PAUSE)

    def _ask(self) -> None:
        with closing(self._device.namespace.dial("127.0.0.1", self._port, PATIENCE)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: device\r\nConnection: close\r\n\r\n")
            if connection.recv(16).startswith(b"HTTP/1.1 200"):
                self.answered.append(time.perf_counter())


@pytest.fixture
def till(images: ImageShelf) -> PinnedImage:
    return pin(RECIPE, images.push(RECIPE, name="till"))


def test_downtime_of_an_update(
    workspace: Workspace, devices: DeviceYard, broker: Broker, till: PinnedImage
) -> None:
    device = devices.create(NAME, ports=[broker.port])
    agent = workspace.create_agent(device, platform=None, broker_port=broker.port)
    with Peer("controller", broker.port) as controller:

        def update(number: int) -> None:
            wanted = replace(_release(till), attempt=number)
            sent = write_desired(epoch=1, generation=number, workloads=(wanted,), held=())
            controller.publish(format_topic(NAME, Channel.DESIRED), sent, retain=True)

        def is_done(number: int) -> bool:
            status = agent.status() or {}
            reports = status.get("workloads", [])
            return (
                (status.get("observed") or {}).get("generation") == number
                and [item["phase"] for item in reports] == ["running"]
                and len(reports[0]["containers"]) == 1
                and reports[0]["containers"][0].get("child") == till.child
            )

        update(1)
        wait_until(lambda: is_done(1), timeout=60)
        _run_by_hand(device, till, 0, first=True)
        ours, by_hand = [], []
        for number in range(2, ROUNDS + 2):
            ours.append(_measure(device, OURS, lambda: update(number), lambda: is_done(number)))  # noqa: B023
            by_hand.append(_measure(device, BY_HAND, lambda: _run_by_hand(device, till, number)))  # noqa: B023
    print("\ndowntime of an update, the image on the disk, median of", ROUNDS)
    print(f"  polyfleet, replace                {_describe(ours)}")
    print(f"  podman stop && podman run -d      {_describe(by_hand)}")
    print(
        f"  ratio                             {median(ours) / median(by_hand):7.2f}     (aim: {AIM} or less)"
    )


def _describe(durations: list[float]) -> str:
    return f"{median(durations) * 1000:7.1f} ms  ({min(durations) * 1000:.0f} to {max(durations) * 1000:.0f})"


def _measure(
    device: Device, port: int, act: Callable[[], None], is_done: Callable[[], bool] = lambda: True
) -> float:
    asker = Asker(device, port)
    asker.wait_for_an_answer()
    act()
    wait_until(is_done, timeout=60)
    asker.wait_for_an_answer()
    return asker.end()


def _release(image: PinnedImage) -> DesiredWorkload:
    return DesiredWorkload(
        uid="uid-1",
        namespace="default",
        name="till",
        release="till-1",
        revision=1,
        min_ready_seconds=1,
        requires=("updates",),
        containers=(
            ContainerSpec(
                name="till",
                image=image,
                ports=(ContainerPort(container_port=SERVER_PORT, host_port=OURS),),
            ),
        ),
    )


def _run_by_hand(device: Device, image: PinnedImage, number: int, *, first: bool = False) -> None:
    run = f"podman run -d --name till-{number} --publish {BY_HAND}:{SERVER_PORT} {image.reference}"
    stop = "true" if first else f"podman stop till-{number - 1 if number > 2 else 0}"
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **device.podman.store.environment}
    command = device.command("sh", "-c", f"{stop} && {run}")
    subprocess.run(command, env=environment, check=True, capture_output=True)
