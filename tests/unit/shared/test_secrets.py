"""How a secret is called on a device, and what a document may say of it."""

from dataclasses import replace

import pytest

from polyfleet_shared.codec import decode
from polyfleet_shared.features import find_features
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.json_text import DecodeError
from polyfleet_shared.platforms import Platform
from polyfleet_shared.pods import Volume, VolumeMount
from polyfleet_shared.secrets import (
    EnvFromSource,
    EnvVarSource,
    InvalidSecretError,
    SecretEnvSource,
    SecretFile,
    SecretKeySelector,
    SecretVolume,
    name_secret,
)
from polyfleet_shared.workloads import (
    ContainerSpec,
    DesiredWorkload,
    EnvironmentVariable,
    InvalidWorkloadError,
)

DIGEST = f"sha256:{'0' * 64}"
IMAGE = PinnedImage(
    repository="registry.example.com/hello",
    index=DIGEST,
    child=DIGEST,
    config=DIGEST,
    platform=Platform.parse("linux/amd64"),
    size=1,
)
MAIN = ContainerSpec(name="main", image=IMAGE)
PLAIN = DesiredWorkload(
    uid="u1", namespace="default", name="hello", release="hello-1", revision=1, containers=(MAIN,)
)
PASSWORD = EnvironmentVariable(
    name="PASSWORD",
    value_from=EnvVarSource(secret_key_ref=SecretKeySelector(name="db", key="password")),
)
ALL = EnvFromSource(secret_ref=SecretEnvSource(name="db"))
FILES = Volume(name="files", secret=SecretVolume(secret_name="db"))  # noqa: S106 - a name


def test_a_key_is_one_secret_of_podman_and_no_two_are_called_alike() -> None:
    keys = [
        ("default", "db", "a_b"),
        ("default", "db.a", "b"),
        ("db", "default", "a_b"),
        ("default", "db", "a.b"),
    ]
    names = [name_secret(*key) for key in keys]
    assert names == ["default.db_a_b", "default.db.a_b", "db.default_a_b", "default.db_a.b"]


@pytest.mark.parametrize("key", ["x" * 54, "ends-", ".", "_"])
def test_a_key_that_podman_has_no_name_for_is_refused(key: str) -> None:
    assert name_secret("default", "db", "x" * 53)
    with pytest.raises(InvalidSecretError, match="cannot be the name of a secret of Podman"):
        name_secret("default", "db", key)


@pytest.mark.parametrize(
    ("kind", "document", "problem"),
    [
        (
            EnvVarSource,
            {"secretKeyRef": {"name": "Db", "key": "a"}},
            "secretKeyRef: 'Db' is no name of a Secret",
        ),
        (EnvVarSource, {"secretKeyRef": {"name": "db", "key": "a/b"}}, "secretKeyRef: 'a/b' is no key"),
        (EnvFromSource, {"secretRef": {"name": ""}}, "secretRef: '' is no name of a Secret"),
        (
            SecretVolume,
            {"secretName": "db", "items": [{"key": "a", "path": "x/y"}]},
            "items[0]: 'x/y' is no key",
        ),
        (SecretVolume, {"secretName": "db", "defaultMode": 512}, "a mode is between 0 and 511"),
        (
            SecretVolume,
            {"secretName": "db", "items": [{"key": "a", "path": "f"}, {"key": "b", "path": "f"}]},
            "two files of a volume have the same path",
        ),
        (
            EnvironmentVariable,
            {"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}},
            "either value or valueFrom",
        ),
    ],
)
def test_what_no_secret_can_be_is_refused(kind: type, document: object, problem: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(kind, document)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("workload", "required"),
    [
        (PLAIN, ()),
        (replace(PLAIN, containers=(replace(MAIN, env=(PASSWORD,)),)), ("secrets",)),
        (replace(PLAIN, containers=(replace(MAIN, env_from=(ALL,)),)), ("secrets",)),
        (replace(PLAIN, volumes=(FILES,)), ("secrets", "volumes")),
        (replace(PLAIN, image_pull_secrets=("registry",)), ("pull-secrets",)),
    ],
)
def test_an_agent_that_knows_no_secrets_holds_what_needs_them(
    workload: DesiredWorkload, required: tuple[str, ...]
) -> None:
    assert find_features(workload) == required


def test_credentials_shape_nothing_that_runs_and_secrets_do() -> None:
    secret = replace(PLAIN, containers=(replace(MAIN, env=(PASSWORD,)),))
    assert replace(PLAIN, image_pull_secrets=("registry",)).spec_hash == PLAIN.spec_hash
    assert secret.spec_hash != PLAIN.spec_hash


def test_a_document_names_no_secret_that_podman_cannot_have() -> None:
    items = (SecretFile(key="x" * 60, path="file"),)
    volume = Volume(name="files", secret=SecretVolume(secret_name="db", items=items))  # noqa: S106 - a name
    mounting = replace(MAIN, volume_mounts=(VolumeMount(name="files", mount_path="/run/db"),))
    with pytest.raises(InvalidWorkloadError, match=r"volumes\[0\].secret.items\[0\].key: default.db_x"):
        replace(PLAIN, volumes=(volume,), containers=(mounting,))
