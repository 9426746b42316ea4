"""One device's workloads, in turn: who is there keeps its place, and nobody is given what others have."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from polyfleet_controller.domain.scheduling.candidates import Candidate, HostPort, Resources
from polyfleet_controller.domain.scheduling.filters import Refusal, find_refusal
from polyfleet_controller.domain.scheduling.requests import Everywhere, Request


def take_turns(
    requests: Iterable[Request], device: Candidate, placed: frozenset[str], *, now: datetime
) -> Mapping[str, Refusal | None]:
    """What a device says to each workload that it has, or that wants to be everywhere; None is yes.

    `placed` are the uids of those that it has now. Replicas that it does not have are chosen over all devices
    and are no matter of one. `device` is taken as it is without any of them.
    """
    asking = [item for item in requests if item.uid in placed or isinstance(item.extent, Everywhere)]
    answers: dict[str, Refusal | None] = {}
    used: Resources = device.used
    ports: frozenset[HostPort] = device.ports
    for request in sorted(asking, key=lambda item: (item.uid not in placed, -item.priority, item.uid)):
        candidate = replace(device, used=used, ports=ports, placed=request.uid in placed)
        refusal = answers[request.uid] = find_refusal(request, candidate, now=now)
        if refusal is None:
            used = used.plus(request.resources)
            ports |= request.ports
    return answers
