"""100 workloads placed on 10,000 devices from nothing, and then one device's changes; beside 1,000 devices.

Through the services on SQLite, in seconds of the processor: what else the machine does is not counted.
Placing a workload goes over the fleet once, so that ten times the devices are to take ten times as long. A
change of one device is to take the same in both; only a replica that it drives away looks over the fleet.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from controlroom import ControlRoom, Voice, manifest
from polyfleet_controller.domain.taint_changes import TaintChange, TaintSetting
from polyfleet_controller.domain.taints import Effect
from polyfleet_controller.store.database import Database
from polyfleet_controller.store.workloads import list_unplaced

SMALL: Final = 1_000
LARGE: Final = 10_000
WORKLOADS: Final = 100
ROUNDS: Final = 9
PLATFORMS: Final = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/riscv64")
SITES: Final = 20
RACKS: Final = 50
OUT: Final = TaintChange(set=(TaintSetting(key="service", effect=Effect.NO_EXECUTE),))


def spread_by(key: str, when: str = "ScheduleAnyway") -> dict[str, Any]:
    return {"topologySpreadConstraints": [{"topologyKey": key, "maxSkew": 1, "whenUnsatisfiable": when}]}


def require(key: str, operator: str, *values: str) -> dict[str, Any]:
    expression = {"key": key, "operator": operator, "values": list(values)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


# (replicas, what the pod asks for, what its container requests), each for a tenth of the workloads.
MIX: Final[tuple[tuple[int | None, dict[str, Any], dict[str, str]], ...]] = (
    (None, {}, {}),
    (None, {"nodeSelector": {"kubernetes.io/arch": "arm64"}}, {}),
    (None, {"nodeSelector": {"site": "site-3"}}, {"memory": "16Mi"}),
    (None, require("rack", "In", "rack-1", "rack-2", "rack-3"), {}),
    (None, require("site", "NotIn", "site-1"), {"memory": "8Mi", "cpu": "20m"}),
    (3, {}, {}),
    (20, {}, {"memory": "16Mi", "cpu": "50m"}),
    (10, spread_by("site", "DoNotSchedule"), {}),
    (40, {"nodeSelector": {"kubernetes.io/arch": "amd64"}, **spread_by("rack")}, {"cpu": "10m"}),
    (5, {"priority": 10, **spread_by("site")}, {"memory": "64Mi", "cpu": "100m"}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Seconds: for all workloads, for one device's change, and for one workload that looks for a device."""

    from_nothing: float
    label: float
    taint: float
    gone: float
    replaced: float
    assignments: int


def test_placement(tmp_path: Path) -> None:
    small = measure(tmp_path / "small.db", SMALL)
    large = measure(tmp_path / "large.db", LARGE)
    print(f"\nplacement of {WORKLOADS} workloads, in seconds of the processor")
    print(f"{SMALL:42,} {LARGE:12,}    ratio")
    growth = large.from_nothing / (LARGE / SMALL * small.from_nothing)
    print(show("all from nothing", small.from_nothing, large.from_nothing), end="")
    print(f"  = {LARGE // SMALL} x {growth:.2f}    (aim: about {LARGE // SMALL} x 1)")
    print(f"  {'assignments':25}{small.assignments:15,} {large.assignments:12,}")
    for name, what in (
        ("label", "one device's label"),
        ("taint", "one device's taint"),
        ("gone", "one device gone"),
    ):
        print(show(what, getattr(small, name), getattr(large, name)), "   (aim: about 1)")
    print(show("a workload placed again", small.replaced, large.replaced), "   (it looks over the fleet)")


def show(what: str, small: float, large: float) -> str:
    return f"  {what:25}{small:15.4f} {large:12.4f} {large / small:8.2f}"


def measure(file: Path, devices: int) -> Figures:
    database = Database(f"sqlite:///{file}")
    database.migrate()
    room = ControlRoom(database)
    fleet = [make_device(number) for number in range(devices)]
    room.enrol(*fleet)
    from_nothing = time_of(lambda: place_all(room))
    known = {voice.name: voice for voice in fleet}
    # Each a device of its own, with a replica, which the taint drives away.
    labelled, tainted, gone = (list_devices(room, number) for number in (6, 16, 26))
    label = time_each(labelled, lambda name: room.label(name, site="site-3", overwrite=True))
    taint = time_each(tainted, lambda name: room.marks.taint(name, OUT, now=room.now))
    lost = time_each(gone, lambda name: room.receive(known[name].disconnect()))
    figures = Figures(
        from_nothing=from_nothing,
        label=label,
        taint=taint,
        gone=lost,
        replaced=place_again(room),
        assignments=sum(count_devices(room, number) for number in range(WORKLOADS)),
    )
    database.close()
    return figures


def make_device(number: int) -> Voice:
    return Voice(
        name=f"device-{number:05}",
        platform=PLATFORMS[number % len(PLATFORMS)],
        labels={"site": f"site-{number // 4 % SITES}", "rack": f"rack-{number // 3 % RACKS}"},
    )


def place_all(room: ControlRoom) -> None:
    for number in range(WORKLOADS):
        room.workloads.apply(write_manifest(number), now=room.now)


def write_manifest(number: int) -> dict[str, Any]:
    replicas, asked, requests = MIX[number % len(MIX)]
    name = f"workload-{number:02}"
    document = manifest(name, tag=name, resources={"requests": requests})
    document["spec"]["template"]["spec"].update(asked)
    if replicas is not None:
        document["spec"]["replicas"] = replicas
    return document


def place_again(room: ControlRoom) -> float:
    """The replicas that the taints drove out look for other devices; the time for one workload."""
    with room.database.read() as connection:
        due = len(list_unplaced(connection, now=room.now))
    return time_of(lambda: room.rescheduling.look(now=room.now)) / due


def list_devices(room: ControlRoom, number: int) -> list[str]:
    placements = room.workload(f"workload-{number:02}").placements
    return [placement.device for placement in placements[:ROUNDS]]


def count_devices(room: ControlRoom, number: int) -> int:
    return sum(count.devices for count in room.workload(f"workload-{number:02}").workload.platforms)


def time_each(names: Sequence[str], work: Callable[[str], object]) -> float:
    return median(time_of(partial(work, name)) for name in names)


def time_of(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
