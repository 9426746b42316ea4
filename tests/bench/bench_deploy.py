"""How long a deploy takes, beside `podman run -d` by hand on the same device.

From the API call until the container runs and the controller has the proof. Both find the image's layers on
the device, so that neither measures the network. They take turns, in one run.
"""

import http.client
import json
import subprocess
import time
from statistics import median

from fixtures.fleet import FleetOfTest
from polyfleet_controller.lab.device import Device
from polyfleet_controller.lab.image import SERVER_PORT
from polyfleet_controller.lab.push import PushedImage

ROUNDS = 15
AIM = 0.8
PLATFORM = "linux/amd64"


def test_deploy_latency(fleet: FleetOfTest, image: PushedImage) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(image)
    fleet.wait_until_running(image, "dev-1")
    _remove(fleet)
    ours, by_hand = [], []
    for _ in range(ROUNDS):
        ours.append(_deploy(fleet, image))
        _remove(fleet)
        by_hand.append(_run_by_hand(agent.device, image))
    ratio = median(ours) / median(by_hand)
    print("\ndeploy latency, median of", ROUNDS)
    print(f"  polyfleet, API call to proof      {median(ours) * 1000:7.1f} ms")
    print(f"  podman run -d by hand             {median(by_hand) * 1000:7.1f} ms")
    print(f"  ratio                             {ratio:7.2f}    (aim: {AIM} or less)")


def _deploy(fleet: FleetOfTest, image: PushedImage) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", fleet.controller.port)
    began = time.perf_counter()
    fleet.apply(image)
    while True:  # as `apply --wait` does, but without its pauses
        connection.request("GET", "/v1/devices/dev-1")
        assignments = json.loads(connection.getresponse().read())["assignments"]
        if assignments and assignments[0]["standing"] == "running":
            break
    elapsed = time.perf_counter() - began
    connection.close()
    return elapsed


def _remove(fleet: FleetOfTest) -> None:
    fleet.delete()
    while fleet.device("dev-1")["device"]["sync"] != "in_sync" or fleet.device("dev-1")["assignments"]:
        pass


def _run_by_hand(device: Device, image: PushedImage) -> float:
    command = device.command(
        "podman", "run", "-d", "--publish", f"{SERVER_PORT}:{SERVER_PORT}", image.pinned(PLATFORM)
    )
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **device.podman.store.environment}
    began = time.perf_counter()
    completed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    elapsed = time.perf_counter() - began
    device.podman.run("rm", "--force", completed.stdout.strip())
    return elapsed
