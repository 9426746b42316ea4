"""A container gets the secrets that it names and the device has, and lacks the others by their names."""

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_agent.core.secrets import describe_missing, find_secrets
from polyfleet_shared.secrets import name_secret, prefix_secret
from polyfleet_shared.workloads import DesiredWorkload
from strategies import desired_workloads


def needed(workload: DesiredWorkload) -> set[str]:
    """All single keys that it names, by what they are called on the device."""
    references = [
        (item.value_from.secret_key_ref.name, item.value_from.secret_key_ref.key)
        for container in workload.all_containers
        for item in container.env
        if item.value_from is not None
    ]
    for volume in workload.volumes:
        if volume.secret is not None:
            references += [(volume.secret.secret_name, item.key) for item in volume.secret.items]
    return {name_secret(workload.namespace, *reference) for reference in references}


def imported(workload: DesiredWorkload) -> set[str]:
    """What the names begin with of secrets that are wanted whole."""
    names = [source.secret_ref.name for item in workload.all_containers for source in item.env_from]
    names += [volume.secret.secret_name for volume in workload.volumes if volume.secret is not None]
    return {prefix_secret(workload.namespace, name) for name in names}


@given(workload=desired_workloads, data=st.data())
def test_nothing_is_given_that_is_not_there_or_not_named(
    workload: DesiredWorkload, data: st.DataObject
) -> None:
    known = data.draw(st.sets(st.sampled_from(sorted(needed(workload)) or ["other.a_b"]))) | {"other.a_b"}
    for container in workload.all_containers:
        found = find_secrets(workload, container, known)
        given_ = {*found.variables.values(), *(each.secret for each in found.files)}
        assert given_ <= known
        assert all(name in needed(workload) or name.startswith(tuple(imported(workload))) for name in given_)
        assert not set(found.missing) & known


@given(workload=desired_workloads)
def test_what_is_missing_is_told_until_it_is_there(workload: DesiredWorkload) -> None:
    for container in workload.all_containers:
        lacking = find_secrets(workload, container, set()).missing
        assert all(f"podman secret create {name} FILE" in describe_missing(lacking) for name in lacking[:5])
        assert find_secrets(workload, container, set(lacking)).missing == ()


@given(workload=desired_workloads)
def test_a_variable_by_its_own_name_wins(workload: DesiredWorkload) -> None:
    known = needed(workload) | {f"{prefix}A" for prefix in imported(workload)}
    for container in workload.all_containers:
        found = find_secrets(workload, container, known)
        last = {item.name: item for item in container.env}
        for name, item in last.items():
            if item.value_from is None:
                assert name not in found.variables
            else:
                reference = item.value_from.secret_key_ref
                assert found.variables[name] == name_secret(workload.namespace, reference.name, reference.key)
