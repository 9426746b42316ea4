"""Which containers of a workload count: those that are wanted, or what ran before and stands in for them."""

from typing import TypeAlias, assert_never

from polyfleet_agent.core.containers import ContainerKind, ContainerStatus, ObservedContainer
from polyfleet_agent.core.state import Workload
from polyfleet_shared.workloads import DesiredWorkload, RestartPolicy, UpdateMethod

Containers: TypeAlias = tuple[ObservedContainer, ...]


def active_names(workload: Workload) -> tuple[str, ...]:
    """The names of all containers whose ends count."""
    wanted = () if workload.target is None else workload.target.all_containers
    names = [
        *(spec.name for spec in wanted),
        *(container.container for container in find_stand_in(workload)),
    ]
    return tuple(dict.fromkeys(names))


def active_container(workload: Workload, name: str) -> ObservedContainer | None:
    """The container of that name whose ends count: the wanted one, or the predecessor that stands in."""
    counting = workload.current if has_begun(workload) else find_stand_in(workload) or workload.current
    found = named(name, counting)
    return choose(found) if found else None


def has_begun(workload: Workload) -> bool:
    """Whether a wanted container has ever run; until then its predecessor stands in."""
    return any(container.started_at for container in workload.current)


def is_over(container: ObservedContainer, target: DesiredWorkload | None) -> bool:
    """Whether this end is final by the restart policy; an init container that went well has done its work."""
    if target is None:
        return False
    if container.kind is ContainerKind.INIT and container.exit_code == 0:
        return True
    match target.restart_policy:
        case RestartPolicy.ALWAYS:
            return False
        case RestartPolicy.ON_FAILURE:
            return container.exit_code == 0
        case RestartPolicy.NEVER:
            return True
        case _:
            assert_never(target.restart_policy)


def find_stand_in(workload: Workload) -> Containers:
    """The containers of the spec that runs, or ran last, in place of the wanted one."""
    mains = tuple(container for container in workload.others if container.kind is ContainerKind.MAIN)
    found = having(mains, ContainerStatus.RUNNING) or having(mains, ContainerStatus.EXITED)
    if not found:
        return ()
    mine = tuple(container for container in mains if container.spec_hash == found[-1].spec_hash)
    return (*having(mine, ContainerStatus.RUNNING), *having(mine, ContainerStatus.EXITED))


def runs_beside(workload: Workload) -> bool:
    """Whether what is wanted may run beside its predecessor, until it has passed the gate.

    It may not where both would want the same port, or the whole of the device's network.
    """
    target = workload.target
    if target is None or not workload.is_on_trial or target.update_method is not UpdateMethod.START_FIRST:
        return False
    ports = [port for container in target.all_containers for port in container.ports]
    return not target.host_network and all(port.host_port is None for port in ports)


def choose(found: Containers) -> ObservedContainer:
    """Of several containers that are the same, the one that is kept."""
    running = having(found, ContainerStatus.RUNNING)
    return running[0] if running else found[0]


def named(name: str, containers: Containers) -> Containers:
    return tuple(container for container in containers if container.container == name)


def having(containers: Containers, status: ContainerStatus) -> Containers:
    return tuple(container for container in containers if container.status is status)
