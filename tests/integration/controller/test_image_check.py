"""`image check` through the API and the command line, with a real registry."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.api import Api, manifest
from fixtures.commandline import run
from polyfleet_controller.lab.push import PushedImage
from polyfleet_controller.lab.registry import Registry

CHECK = "/v1/images/check"
HELLO = "/v1/workloads/default/hello"
Polyfleet = Callable[..., tuple[int, str, str]]


@pytest.fixture
def polyfleet(api: Api) -> Polyfleet:
    return lambda *arguments, **options: run(api.url, *arguments, **options)


def check(api: Api, reference: str, **query: str) -> Any:  # noqa: ANN401 - JSON
    return api.ask("GET", CHECK, params={"reference": reference, **query}).json()


def test_the_answer_has_every_device_once(api: Api, image: PushedImage) -> None:
    api.add_device("edge-1")
    api.add_device("edge-2", "linux/arm64")
    api.add_device("edge-3", "linux/s390x")
    answer = check(api, image.reference)
    sizes = {each["platform"]: each.pop("size") for each in answer["covered"]}
    assert set(sizes) == {"linux/amd64", "linux/arm64"}
    assert all(size > 0 for size in sizes.values())
    offers = ", ".join(image.children)
    assert answer == {
        "image": image.reference,
        "index": image.index,
        "offers": list(image.children),
        "devices": 3,
        "covered": [
            {
                "platform": platform,
                "devices": 1,
                "imagePlatform": platform,
                "child": image.children[platform],
                "fit": "native",
                "pull": dict.fromkeys(("total", "least", "most"), sizes[platform]),
                "others": [],
            }
            for platform in ("linux/amd64", "linux/arm64")
        ],
        "uncovered": [
            {
                "platform": "linux/s390x",
                "devices": 1,
                "runs": ["linux/s390x"],
                "reason": "no_matching_platform",
                "message": f"the image has nothing for this kind of processor, only {offers}",
                "names": ["edge-3"],
            }
        ],
        "unjudged": 0,
        "warnings": [],
        "others": [],
    }


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({}, "reference"),
        ({"reference": "hello"}, "reference"),
        ({"reference": "localhost/hello", "selector": "a b"}, "selector"),
        ({"reference": "localhost/hello", "workload": "Till"}, "workload"),
        ({"reference": "localhost/hello", "workload": "till", "selector": "a"}, "selector"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_place(api: Api, query: dict[str, str], path: str) -> None:
    answer = api.ask("GET", CHECK, params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")
    assert [problem["path"] for problem in answer.json()["problems"]] == [path]


def test_an_image_that_the_registry_does_not_have_is_a_problem_of_its_own(
    api: Api, registry: Registry
) -> None:
    answer = api.ask("GET", CHECK, params={"reference": f"{registry.address}/nothing:1"})
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (
        422,
        "image_unresolved",
        (
            f"image_not_found: {registry.address} has no tag 1 in the repository nothing. "
            "Check the name and the tag, or push the image."
        ),
    )
    answer = api.ask("GET", CHECK, params={"reference": f"{registry.address}/nothing:1", "workload": "till"})
    assert (answer.status_code, answer.json()["code"]) == (404, "workload_not_found")


def test_a_manifest_that_leaves_devices_uncovered_is_a_conflict_and_is_not_kept(
    api: Api, image: PushedImage
) -> None:
    api.add_device("edge-1")
    api.add_device("edge-3", "linux/s390x")
    answer = api.ask("PUT", HELLO, manifest(image.reference))
    offers = ", ".join(image.children)
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert answer.json() == {
        "type": "urn:polyfleet:problem:devices_uncovered",
        "title": "The image has nothing for some of the devices",
        "status": 409,
        "detail": (
            f"{image.reference} has {offers}: nothing that 1 of 2 devices can run: linux/s390x: 1 (edge-3). "
            "Nothing was changed: publish the image for these platforms, or set spec.onUncovered: hold, to "
            "let these devices wait for it, or exclude, to leave them out"
        ),
        "code": "devices_uncovered",
        "problems": [],
        "preflight": check(api, image.reference) | {"onUncovered": "refuse"},
    }
    assert api.ask("GET", HELLO).status_code == 404
    taken = api.ask("PUT", HELLO, manifest(image.reference, on_uncovered="exclude"))
    assert (taken.status_code, taken.json()["preflight"]) == (
        201,
        check(api, image.reference, workload="hello"),
    )
    assert check(api, image.reference, workload="default/hello")["onUncovered"] == "exclude"
    assert api.ask("GET", CHECK, params={"workload": "hello"}).json() == check(
        api, image.reference, workload="hello"
    )


def test_the_command_line_shows_the_answer_in_every_form(
    api: Api, polyfleet: Polyfleet, image: PushedImage
) -> None:
    api.add_device("edge-1")
    api.add_device("edge-3", "linux/s390x", site="south")
    code, text, errors = polyfleet("image", "check", image.reference)
    assert (code, errors) == (1, "")
    assert "Devices: 1 of 2 covered" in text.splitlines()
    assert f"  child {image.children['linux/amd64']}" in text.splitlines()
    assert polyfleet("image", "check", image.reference, "-o", "name") == (
        1,
        "device.polyfleet.io/edge-3\n",
        "",
    )
    code, text, errors = polyfleet("image", "check", image.reference, "-l", "site!=south", "-o", "json")
    assert (code, json.loads(text), errors) == (
        0,
        check(api, image.reference, selector="site!=south"),
        "",
    )
    assert polyfleet("image", "check", image.reference, "--workload", "shop/till") == (
        1,
        "",
        "polyfleet: there is no workload 'shop/till'\n",
    )
    code, text, errors = polyfleet("image", "check", "hello")
    assert (code, text) == (2, "")
    assert errors.startswith("polyfleet: reference: 'hello' does not say which registry holds it")
