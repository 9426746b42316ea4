"""What workloads can ask for beyond the first wire version's base, each under the name that inventories list.

An agent that lacks a feature holds the workload as `unsupported_feature` and touches nothing of it.
"""

from enum import StrEnum

from polyfleet_shared.pods import ANY_SECURITY_CONTEXT
from polyfleet_shared.workloads import DEFAULT_PROGRESS_DEADLINE, DesiredWorkload, UpdateMethod


class Feature(StrEnum):
    """A feature of the wire."""

    INIT_CONTAINERS = "init-containers"  # containers that end before the others begin
    PODS = "pods"  # several containers that share a network
    PREFETCH = "prefetch"  # images that are pulled ahead of their release
    PROBES = "probes"
    PULL_SECRETS = "pull-secrets"  # credentials for a registry that are named in a document
    SECRETS = "secrets"  # variables and files that Podman on the device has
    SECURITY_CONTEXT = "security-context"
    UPDATES = "updates"  # how an update is done, and when the device itself undoes it
    VOLUMES = "volumes"


def find_features(workload: DesiredWorkload) -> tuple[str, ...]:
    """The features that an agent must have to run this, in order."""
    containers = (*workload.init_containers, *workload.containers)
    used = {
        Feature.INIT_CONTAINERS: bool(workload.init_containers),
        Feature.PODS: len(workload.containers) > 1,
        Feature.PREFETCH: bool(workload.prefetch),
        Feature.PROBES: any(item.has_probes for item in containers),
        Feature.PULL_SECRETS: bool(workload.image_pull_secrets),
        Feature.SECRETS: workload.uses_secrets,
        Feature.SECURITY_CONTEXT: any(item.security_context != ANY_SECURITY_CONTEXT for item in containers),
        Feature.UPDATES: workload.min_ready_seconds > 0
        or workload.progress_deadline_seconds != DEFAULT_PROGRESS_DEADLINE
        or workload.update_method is not UpdateMethod.REPLACE,
        Feature.VOLUMES: bool(workload.volumes),
    }
    return tuple(feature.value for feature, is_used in used.items() if is_used)
