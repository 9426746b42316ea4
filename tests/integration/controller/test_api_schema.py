"""The API is what its own OpenAPI document says, for whatever anybody sends."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from fixtures.api import NOW, Api, Backend, manifest, serving_backend
from polyfleet_controller.domain.images import ImageReference, ResolvedImage
from polyfleet_controller.lab.push import PushedImage
from polyfleet_controller.lab.registry import Registry
from polyfleet_controller.registry.client import RegistryClient
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_shared.messages import EventKind
from polyfleet_shared.reasons import Reason

DOCUMENT = "/v1/openapi.json"


class OnlyRegistry:
    """A client of one registry: whatever names are invented here, nobody else is asked."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = RegistryClient(insecure=frozenset({address}))

    def resolve(self, reference: ImageReference, *, known: ResolvedImage | None = None) -> ResolvedImage:
        if reference.registry != self._address:
            raise RegistryFailure(Reason.REGISTRY_UNREACHABLE, f"{reference.registry} is not asked here")
        return self._client.resolve(reference, known=known)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, registry: Registry, image: PushedImage) -> Iterator[Api]:
    """A controller with a device and a workload, for all requests of this module."""
    file = tmp_path_factory.mktemp("schema") / "polyfleet.db"
    backend = Backend(file, OnlyRegistry(registry.address))
    with serving_backend(backend) as api:
        device = api.add_device()
        for version in ("1", "2"):
            document = manifest(image.reference)
            document["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "V", "value": version}]
            api.ask("PUT", WORKLOAD.format(namespace="default", name="hello"), document)
            backend.services.rollouts.advance(now=NOW)
        device.obey()
        device.tell(EventKind.STARTED)
        yield api
    backend.database.close()


@pytest.fixture(scope="module")
def described(fleet: Api) -> OpenApiSchema:
    return schemathesis.openapi.from_url(f"{fleet.url}{DOCUMENT}")


DEVICE = "/v1/devices/{name}"
WORKLOAD = "/v1/workloads/{namespace}/{name}"
DRY_RUNS = "/v1/dry-runs"
VERBS = ("pause", "resume", "approve", "abort", "rollback", "retry")
IMAGE_CHECK = "/v1/images/check"
STEERED = tuple(f"{WORKLOAD}/rollout/{verb}" for verb in VERBS)
# They take nothing that could be wrong.
PLAIN = ("/v1/health", "/v1/version", "/v1/rollouts")

# What deletes comes last: all share one fleet.
OPERATIONS = (
    ("GET", "/v1/health"),
    ("GET", "/v1/version"),
    ("GET", "/v1/devices"),
    ("GET", DEVICE),
    ("POST", f"{DEVICE}/admit"),
    ("POST", f"{DEVICE}/resolve"),
    ("GET", f"{DEVICE}/events"),
    ("GET", IMAGE_CHECK),
    ("PATCH", f"{DEVICE}/labels"),
    ("PATCH", f"{DEVICE}/taints"),
    ("PATCH", "/v1/device-labels"),
    ("PATCH", "/v1/device-taints"),
    ("GET", "/v1/workloads"),
    ("GET", WORKLOAD),
    ("GET", f"{WORKLOAD}/releases"),
    ("GET", f"{WORKLOAD}/releases/{{revision}}"),
    ("POST", f"{WORKLOAD}/releases/{{revision}}/restore"),
    ("GET", "/v1/rollouts"),
    ("GET", f"{WORKLOAD}/rollouts"),
    ("GET", f"{WORKLOAD}/rollouts/{{number}}"),
    ("GET", f"{WORKLOAD}/rollout"),
    *(("POST", f"{WORKLOAD}/rollout/{verb}") for verb in VERBS),
    ("GET", f"{WORKLOAD}/why"),
    ("GET", f"{WORKLOAD}/why/{{device}}"),
    ("POST", DRY_RUNS),
    ("PUT", WORKLOAD),
    ("DELETE", DEVICE),
    ("DELETE", WORKLOAD),
)
EXISTING: dict[str, dict[str, Any]] = {
    DEVICE: {"name": "edge-1"},
    f"{WORKLOAD}/releases/": {"namespace": "default", "name": "hello", "revision": "1"},
    f"{WORKLOAD}/rollouts/": {"namespace": "default", "name": "hello", "number": "1"},
    f"{WORKLOAD}/why/": {"namespace": "default", "name": "hello", "device": "edge-1"},
    WORKLOAD: {"namespace": "default", "name": "hello"},
}

# A few for every change; hypothesis' profile decides whether they are always the same.
bounded = settings(max_examples=25, suppress_health_check=list(HealthCheck))


def validate(case: schemathesis.Case[Any]) -> None:
    """Send a request and check the answer by everything that the document says.

    A schema cannot say which cursors and versions we made, what a selector is, nor which of the manifests and
    marks of its shape make sense, nor which images a registry has. To a schema 1.0 is a whole number, to the
    codec it is none.
    """
    is_beyond = (
        case.method in ("PUT", "PATCH")
        or case.path in (DRY_RUNS, IMAGE_CHECK, *STEERED)
        or bool({"cursor", "selector", "resourceVersion"} & case.query.keys())
    )
    case.call_and_validate(excluded_checks=[positive_data_acceptance] if is_beyond else None)


def test_an_image_that_is_there_is_checked_as_described(
    fleet: Api, described: OpenApiSchema, image: PushedImage
) -> None:
    fleet.add_device("edge-2", "linux/s390x")
    case = described[IMAGE_CHECK]["GET"].Case(query={"reference": image.reference})
    answer = case.call_and_validate()
    assert (answer.status_code, answer.json()["uncovered"] != []) == (200, True)


def test_the_document_lists_every_operation(fleet: Api) -> None:
    paths = fleet.ask("GET", DOCUMENT).json()["paths"]
    found = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    assert sorted(found) == sorted(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_answers_are_as_described(described: OpenApiSchema, method: str, path: str) -> None:
    bounded(given(described[path][method].as_strategy())(validate))()


@pytest.mark.parametrize(("method", "path"), [each for each in OPERATIONS if "{" in each[1]])
def test_answers_about_what_exists_are_as_described(described: OpenApiSchema, method: str, path: str) -> None:
    names = next(names for start, names in EXISTING.items() if path.startswith(start))
    bounded(given(described[path][method].as_strategy(path_parameters=names))(validate))()


@pytest.mark.parametrize(("method", "path"), [each for each in OPERATIONS if each[1] not in PLAIN])
def test_what_is_not_as_described_is_refused(described: OpenApiSchema, method: str, path: str) -> None:
    operation = described[path][method]
    bounded(given(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))(validate))()


def test_every_schema_is_used_and_every_reference_leads_to_one(fleet: Api) -> None:
    document = fleet.ask("GET", DOCUMENT).json()
    used = {text.removeprefix("#/components/schemas/") for text in references(document)}
    assert used == set(document["components"]["schemas"])


def references(document: object) -> Iterator[str]:
    """Yield every `$ref` in a document."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(document, list):
        for value in document:
            yield from references(value)
