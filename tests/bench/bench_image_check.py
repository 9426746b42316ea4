"""`image check` for 10,000 devices through the API, beside the bare requests to the registry by hand.

Both ask the same real registry for the same manifests, and neither remembers any; they take turns in one run.
The fleet is a mix of processors, some of which the image does not cover, and runs three workloads, proven on
some of the devices; the store is SQLite.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Final

import httpx2

from controlroom import ControlRoom, Voice
from fixtures.api import Api, Backend, serving_backend
from fixtures.oci import listed, make_child, make_index
from polyfleet_controller.domain.images import ImageReference, ResolvedImage
from polyfleet_controller.lab.push import PushedImage, push_image
from polyfleet_controller.lab.registry import Registry
from polyfleet_controller.registry.client import RegistryClient
from polyfleet_controller.registry.documents import MEDIA_TYPES
from polyfleet_shared.messages import Inventory
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform

DEVICES: Final = 10_000
ROUNDS: Final = 15
AIM_SECONDS: Final = 1.0
OFFERED: Final = (
    "linux/amd64",
    "linux/amd64/v3",
    "linux/arm64",
    "linux/arm/v7",
    "linux/arm/v6",
    "linux/riscv64",
)
# How many of twenty devices list which platforms, best first; what follows a '+' they emulate.
MIX: Final = {
    "linux/amd64/v3 linux/amd64/v2 linux/amd64": 5,
    "linux/amd64/v4 linux/amd64/v3 linux/amd64/v2 linux/amd64": 1,
    "linux/amd64": 1,
    "linux/arm64 linux/arm/v7 linux/arm/v6 linux/arm/v5": 4,
    "linux/arm64": 3,
    "linux/arm/v7 linux/arm/v6 linux/arm/v5": 2,
    "linux/arm/v6 linux/arm/v5": 1,
    "linux/riscv64/rva22u64 linux/riscv64": 1,
    "linux/riscv64 +linux/amd64": 1,
    "linux/arm/v5": 1,
}


class Board(Voice):
    """A device of the mix."""

    def inventory(self) -> Inventory:
        own, *others = self.platforms
        lower = [
            RunnablePlatform(
                platform=Platform.parse(text.removeprefix("+")),
                fit=Fit.EMULATED if text.startswith("+") else Fit.COMPATIBLE,
            )
            for text in others
        ]
        native = RunnablePlatform(platform=Platform.parse(own), fit=Fit.NATIVE)
        plain = replace(Voice(name=self.name), platform=own, seqs=self.seqs)
        return replace(plain.inventory(), platforms=(native, *lower))


class Forgetful:
    """A client that remembers no manifest from one check to the next."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def resolve(self, reference: ImageReference, *, known: ResolvedImage | None = None) -> ResolvedImage:
        client = RegistryClient(insecure=frozenset({self._registry.address}))
        return client.resolve(reference, known=known)


def test_image_check(registry: Registry, tmp_path: Path) -> None:
    backend = Backend(tmp_path / "polyfleet.db", Forgetful(registry))
    introduce(backend)
    image = push(registry)
    checks, of_workload, by_hand, requests = [], [], [], []
    with serving_backend(backend) as api, httpx2.Client(base_url=f"http://{registry.address}") as http:
        answer = check(api, image)[1]
        for _ in range(ROUNDS):
            before = count_requests(registry)
            checks.append(check(api, image)[0])
            requests.append(count_requests(registry) - before)
            of_workload.append(check(api, image, workload="default/one")[0])
            by_hand.append(ask_by_hand(http, image))
    backend.database.close()
    print(f"\nimage check, median of {ROUNDS}")
    print(f"  devices                           {answer['devices']:7}")
    print(f"  kinds of devices                  {len(answer['covered']) + len(answer['uncovered']):7}")
    print(f"  uncovered devices                 {sum(gap['devices'] for gap in answer['uncovered']):7}")
    print(f"  manifests                         {len(OFFERED) + 1:7}")
    print(f"  requests to the registry          {median(requests):7.0f}")
    print(f"  image check through the API       {median(checks):7.3f} s   (aim: below {AIM_SECONDS} s)")
    print(f"  the same with --workload          {median(of_workload):7.3f} s   (aim: below {AIM_SECONDS} s)")
    print(f"  the same manifests by hand        {median(by_hand):7.3f} s")
    print(f"  ratio                             {median(checks) / median(by_hand):7.1f}")


def introduce(backend: Backend) -> None:
    """Make the fleet known; of three workloads, most devices prove most."""
    room = ControlRoom(backend.database)
    fleet = [
        Board(name=f"device-{number:05}", platform=platforms[0], platforms=platforms)
        for number, platforms in enumerate(islice(cycle(list(mixed())), DEVICES))
    ]
    room.enrol(*fleet)
    for number, name in enumerate(("one", "two", "three")):
        room.apply(name, tag=name, on_uncovered="hold")
        room.settle(*fleet[number * DEVICES // 5 :])


def mixed() -> Iterator[tuple[str, ...]]:
    for platforms, count in MIX.items():
        yield from [tuple(platforms.split())] * count


def push(registry: Registry) -> PushedImage:
    children = [make_child(platform, content=platform.encode()) for platform in OFFERED]
    image = make_index(*map(listed, children))
    return push_image(image, registry=registry.address, name="checked", tag="1")


def check(api: Api, image: PushedImage, **targets: str) -> tuple[float, dict[str, list[dict[str, int]]]]:
    began = time.perf_counter()
    response = api.ask("GET", "/v1/images/check", params={"reference": image.reference, **targets})
    elapsed = time.perf_counter() - began
    response.raise_for_status()
    return elapsed, json.loads(response.content)


def ask_by_hand(http: httpx2.Client, image: PushedImage) -> float:
    began = time.perf_counter()
    for name in (image.tag, *image.children.values()):
        accepted = {"accept": ", ".join(MEDIA_TYPES)}
        http.get(f"/v2/checked/manifests/{name}", headers=accepted).raise_for_status()
    return time.perf_counter() - began


def count_requests(registry: Registry) -> int:
    """By the registry's own log."""
    log = (registry.directory / "registry.log").read_text(encoding="utf-8")
    return sum('"GET /v2/' in line for line in log.splitlines())
