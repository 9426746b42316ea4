"""The command line as a process of its own, against a real server: exit code, stdout and stderr, whole."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.answers import answering, response
from fixtures.api import NOW, Api, manifest
from fixtures.commandline import PROGRAM, environment, run
from fixtures.lab import ImageShelf
from polyfleet_controller.cli.humanized import humanize_bytes
from polyfleet_controller.lab.image import ImageRecipe
from polyfleet_controller.lab.push import PushedImage
from polyfleet_controller.lab.registry import Registry
from polyfleet_shared.messages import EventKind, Phase, Presence, WorkloadReport
from polyfleet_shared.reasons import Reason
from polyfleet_shared.topics import Channel, format_topic
from polyfleet_shared.wire import encode_message

HELLO = "/v1/workloads/default/hello"

Polyfleet = Callable[..., tuple[int, str, str]]


@pytest.fixture
def polyfleet(api: Api) -> Polyfleet:
    return lambda *arguments, **options: run(api.url, *arguments, **options)


@contextmanager
def running(url: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Start it; it is ended with the test at the latest."""
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(url),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def write(place: Path, *documents: dict[str, Any]) -> str:
    place.write_text(yaml.safe_dump_all(documents, sort_keys=False), encoding="utf-8")
    return str(place)


def pulled(api: Api, image: PushedImage, platform: str = "linux/amd64") -> str:
    """What a device of a platform that has nothing pulls."""
    covered = api.ask("GET", "/v1/images/check", params={"reference": image.reference}).json()["covered"]
    (size,) = (each["size"] for each in covered if each["platform"] == platform)
    return humanize_bytes(size)


# -- apply


def test_apply_creates_configures_and_then_changes_nothing(
    polyfleet: Polyfleet, image: PushedImage, tmp_path: Path
) -> None:
    hello, till = manifest(image.reference), manifest(image.reference, name="till", namespace="shop")
    changed = manifest(image.reference)
    changed["spec"]["template"]["spec"]["hostNetwork"] = True
    both = write(tmp_path / "both.yaml", hello, till)
    one = write(tmp_path / "one.json", changed)
    assert [
        polyfleet("apply", "-f", both),
        polyfleet("apply", "-f", both),
        polyfleet("apply", "-f", one),
        polyfleet("apply", "-f", "-", "-o", "name", stdin=Path(one).read_text(encoding="utf-8")),
    ] == [
        (0, "workload.polyfleet.io/hello created\nworkload.polyfleet.io/shop/till created\n", ""),
        (0, "workload.polyfleet.io/hello unchanged\nworkload.polyfleet.io/shop/till unchanged\n", ""),
        (0, "workload.polyfleet.io/hello configured\n", ""),
        (0, "workload.polyfleet.io/hello\n", ""),
    ]


def test_a_dry_run_shows_what_would_change_and_changes_nothing(
    api: Api, polyfleet: Polyfleet, image: PushedImage, tmp_path: Path
) -> None:
    api.add_device("edge-1")
    file = write(tmp_path / "hello.yaml", manifest(image.reference))
    code, shown, errors = polyfleet("apply", "-f", file, "--dry-run")
    assert (code, errors) == (0, "")
    assert shown.splitlines()[:2] == [
        "workload.polyfleet.io/hello created (dry run)",
        "  gained       1 device: edge-1",
    ]
    answer = api.ask("PUT", "/v1/workloads/default/hello?dryRun=true", manifest(image.reference))
    assert (answer.status_code, answer.json()["gained"]) == (200, {"devices": 1, "names": ["edge-1"]})
    code, text, errors = polyfleet("apply", "-f", file, "--dry-run", "-o", "json")
    assert (code, json.loads(text), errors) == (0, answer.json(), "")
    assert api.ask("GET", "/v1/workloads/default/hello").status_code == 404
    polyfleet("apply", "-f", file)
    assert polyfleet("apply", "-f", file, "--dry-run") == (
        0,
        "workload.polyfleet.io/hello unchanged (dry run)\n  devices  none changes\n",
        "",
    )


def test_a_dry_run_shows_who_is_restarted_and_what_differs(
    api: Api, polyfleet: Polyfleet, image: PushedImage, tmp_path: Path
) -> None:
    api.add_device("edge-1")
    hello = manifest(image.reference)
    polyfleet("apply", "-f", write(tmp_path / "hello.yaml", hello))
    hello["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}]
    file = write(tmp_path / "hello.yaml", hello)
    assert polyfleet("apply", "-f", file, "--dry-run") == (
        0,
        """\
workload.polyfleet.io/hello configured (dry run)
  restarted    1 device: edge-1
  linux/amd64  1 device, native
  --- now
  +++ then
  @@ -6,5 +6,8 @@
     template:
       spec:
         containers:
  -      - image: IMAGE
  +      - env:
  +        - name: A
  +          value: '1'
  +        image: IMAGE
           name: main
""".replace("IMAGE", image.reference),
        "",
    )
    answer = json.loads(polyfleet("apply", "-f", file, "--dry-run", "-o", "json")[1])
    assert (answer["restarted"], answer["differences"]) == (
        {"devices": 1, "names": ["edge-1"]},
        [{"path": "spec.template.spec.containers[main].env", "after": '[{"name":"A","value":"1"}]'}],
    )


def test_a_dry_run_of_several_manifests_tries_them_in_turn(
    api: Api, polyfleet: Polyfleet, image: PushedImage, tmp_path: Path
) -> None:
    api.add_device("edge-1")
    first, second, third = (manifest(image.reference, name=name) for name in ("first", "second", "third"))
    for document in (first, second):
        container = document["spec"]["template"]["spec"]["containers"][0]
        container["ports"] = [{"containerPort": 80, "hostPort": 80}]
        document["spec"]["replicas"] = 1
    third["metadata"]["resourceVersion"] = "1-0"
    file = write(tmp_path / "all.yaml", first, second, third)
    code, text, errors = polyfleet("apply", "-f", file, "--dry-run")
    assert (code, [line for line in text.splitlines() if "pull" not in line]) == (
        1,
        [
            "workload.polyfleet.io/first created (dry run)",
            "  gained       1 device: edge-1",
            "  linux/amd64  1 device, native",
            "workload.polyfleet.io/second created (dry run)",
            "  devices  none changes",
            "  missing  1 replicas find no device",
        ],
    )
    assert errors == (
        f"polyfleet: {file}: workload.polyfleet.io/third is not changed: it was deleted since you read it "
        "(resourceVersion 1-0)\nNext step: give --force to create it anew\n"
    )
    code, text, errors = polyfleet("apply", "-f", file, "--dry-run", "-o", "json")
    assert [item["name"] for item in json.loads(text)["items"]] == ["first", "second"]
    assert api.ask("GET", "/v1/workloads").json() == {"items": []}


def test_a_dry_run_refuses_what_apply_refuses(
    api: Api, polyfleet: Polyfleet, image: PushedImage, tmp_path: Path
) -> None:
    api.add_device("edge-1", platform="linux/s390x")
    file = write(tmp_path / "hello.yaml", manifest(image.reference))
    tried = polyfleet("apply", "-f", file, "--dry-run")
    assert tried == polyfleet("apply", "-f", file)
    assert (tried[0], tried[1]) == (1, "")
    assert polyfleet("apply", "-f", file, "--dry-run", "--wait")[0] == 2


def test_apply_gives_the_answer_of_the_api(
    api: Api, polyfleet: Polyfleet, image: PushedImage, tmp_path: Path
) -> None:
    hello, till = manifest(image.reference), manifest(image.reference, name="till")
    polyfleet("apply", "-f", write(tmp_path / "both.yaml", hello, till))
    answers = [
        api.ask("PUT", f"/v1/workloads/default/{document['metadata']['name']}", document).json()
        for document in (hello, till)
    ]
    code, text, errors = polyfleet("apply", "-f", write(tmp_path / "one.yaml", hello), "-o", "json")
    assert (code, json.loads(text), errors) == (0, answers[0], "")
    code, text, errors = polyfleet("apply", "-f", write(tmp_path / "both.yaml", hello, till), "-o", "yaml")
    assert (code, yaml.safe_load(text), errors) == (0, {"items": answers}, "")


def test_apply_takes_kubernetes_manifests_beside_our_own(
    api: Api, polyfleet: Polyfleet, image: PushedImage, tmp_path: Path
) -> None:
    template = manifest(image.reference)["spec"]["template"]
    template["metadata"] = {"labels": {"app": "web"}}
    template["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "colours"}}]
    web = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template},
    }
    colours = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "colours"}, "data": {"A": "1"}}
    both = write(tmp_path / "web.yaml", web, manifest(image.reference))
    settings = write(tmp_path / "settings.yaml", colours)
    assert polyfleet("apply", "-f", both, "-f", settings) == (
        0,
        "workload.polyfleet.io/web created\nworkload.polyfleet.io/hello created\n",
        "",
    )
    applied = json.loads(api.ask("GET", "/v1/workloads/default/web").json()["manifest"])
    assert applied["spec"]["replicas"] == 2
    assert applied["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}]
    assert polyfleet("apply", "-f", both) == (
        2,
        "",
        (
            "polyfleet: nothing was applied:\n"
            f"{both}:17: document 1: spec.template.spec.containers[0].envFrom[0].configMapRef.name: there is "
            "no ConfigMap 'colours' in the namespace default here: apply it in the same command, "
            "`polyfleet apply -f`\n"
        ),
    )


def test_export_writes_what_apply_reads_back_unchanged(
    polyfleet: Polyfleet, image: PushedImage, tmp_path: Path
) -> None:
    hello = manifest(image.reference)
    hello["spec"]["replicas"] = 2
    polyfleet("apply", "-f", write(tmp_path / "hello.yaml", hello))
    code, exported, errors = polyfleet("export", "hello", "-o", "k8s")
    assert (code, yaml.safe_load(exported)["kind"], errors) == (0, "Deployment", "")
    assert polyfleet("apply", "-f", "-", stdin=exported) == (0, "workload.polyfleet.io/hello unchanged\n", "")
    code, unit, errors = polyfleet("export", "hello", "-o", "quadlet")
    assert (code, unit.splitlines()[7], errors) == (
        0,
        f"Image={image.reference}",
        ("workload.polyfleet.io/hello: not said: spec.replicas: a unit runs on the machine that has it\n"),
    )


def test_one_mistake_and_nothing_is_applied(
    api: Api, polyfleet: Polyfleet, image: PushedImage, tmp_path: Path
) -> None:
    wrong = manifest(image.reference, name="wrong")
    wrong["spec"]["colour"] = True
    file = write(tmp_path / "both.yaml", manifest(image.reference), wrong)
    assert polyfleet("apply", "-f", file) == (
        2,
        "",
        (f"polyfleet: nothing was applied:\n{file}:24: document 2: spec.colour: unknown field\n"),
    )
    assert api.ask("GET", "/v1/workloads").json() == {"items": []}


def test_an_image_that_is_not_there_yet_is_no_failure_and_is_told(
    polyfleet: Polyfleet, registry: Registry, tmp_path: Path
) -> None:
    file = write(tmp_path / "hello.yaml", manifest(f"{registry.address}/nothing:1"))
    assert polyfleet("apply", "-f", file) == (
        0,
        "workload.polyfleet.io/hello created\n",
        (
            "workload.polyfleet.io/hello: no release yet: image_not_found: The registry does not have this "
            f"image ({registry.address} has no tag 1 in the repository nothing). "
            "Next step: Check the name and the tag, or push the image.\n"
        ),
    )


def test_what_only_the_controller_refuses_is_told_by_file_and_line(tmp_path: Path) -> None:
    file = write(tmp_path / "hello.yaml", manifest("registry.example.com/hello"))
    refused = json.dumps(
        {
            "code": "invalid_manifest",
            "detail": "too new",
            "problems": [{"path": "metadata.name", "message": "reserved since version 9"}],
            "added": "by a later version",
        }
    ).encode()

    def refuse(_head: bytes, send: Callable[[bytes], None], _ended: threading.Event) -> None:
        content_type = "Content-Type: application/problem+json"
        send(response(HTTPStatus.UNPROCESSABLE_ENTITY, refused, content_type))

    with answering(refuse) as address:
        assert run(f"http://{address}", "apply", "-f", file) == (
            2,
            "",
            f"polyfleet: {file}:4: document 1: metadata.name: reserved since version 9\n",
        )


def test_apply_waits_until_every_covered_device_proves_it(
    api: Api, image: PushedImage, tmp_path: Path
) -> None:
    first, second = api.add_device("edge-1"), api.add_device("edge-2", "linux/arm64")
    api.add_device("edge-3", "linux/s390x")
    file = write(tmp_path / "hello.yaml", manifest(image.reference, on_uncovered="hold"))
    with running(api.url, "apply", "-f", file, "--wait", "--timeout", "60s") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "workload.polyfleet.io/hello created\n"
        assert [process.stdout.readline().partition(",")[0] for _ in range(3)] == [
            "  linux/amd64  1 device",
            "  linux/arm64  1 device",
            "  linux/s390x  1 device",
        ]
        first.obey()
        second.obey()
        text, errors = process.communicate(timeout=60)
    release = api.ask("GET", "/v1/workloads").json()["items"][0]["release"]
    assert (process.returncode, text) == (0, "")
    told = errors.splitlines()
    start = "workload.polyfleet.io/hello: "
    assert set(told) >= {
        f"{start}release {release} runs on 2 of 2 devices",
        f"{start}edge-1 (linux/amd64): running {image.children['linux/amd64']}",
        f"{start}edge-2 (linux/arm64): running {image.children['linux/arm64']}",
        f"{start}edge-3 (linux/s390x): held: no_matching_platform",
    }


def test_apply_says_why_it_does_not_run_when_the_time_is_over(
    api: Api, polyfleet: Polyfleet, image: PushedImage, tmp_path: Path
) -> None:
    api.add_device("edge-1").connect(online=False)
    file = write(tmp_path / "hello.yaml", manifest(image.reference))
    code, text, errors = polyfleet("apply", "-f", file, "--wait", "--timeout", "1s")
    release = api.ask("GET", "/v1/workloads").json()["items"][0]["release"]
    called = "workload.polyfleet.io/hello"
    assert (code, text, errors.splitlines()) == (
        1,
        f"{called} created\n  linux/amd64  1 device, native, {pulled(api, image)} to pull\n",
        [
            f"{called}: release {release} runs on 0 of 1 devices",
            f"{called}: edge-1 (linux/amd64): not reported yet, offline",
            f"polyfleet: {called} does not run on every device that it is for, after 1 s:",
            "  edge-1: offline: it goes on by itself when it is back",
        ],
    )


def test_apply_does_not_wait_for_a_device_that_has_given_up(
    api: Api, polyfleet: Polyfleet, image: PushedImage, tmp_path: Path
) -> None:
    device = api.add_device()
    applied = api.ask("PUT", "/v1/workloads/default/hello", manifest(image.reference)).json()["workload"]
    device.report(
        WorkloadReport(
            uid=applied["uid"],
            namespace="default",
            name="hello",
            release=applied["release"],
            phase=Phase.FAILED,
            reason=Reason.EXEC_FORMAT,
            message="/server is for riscv64",
        ),
        observed=api.backend.desired("edge-1").version,
    )
    file = write(tmp_path / "hello.yaml", manifest(image.reference))
    called = "workload.polyfleet.io/hello"
    code, text, errors = polyfleet("apply", "-f", file, "--wait")
    assert (code, text, errors.splitlines()) == (
        1,
        f"{called} unchanged\n",
        [
            f"{called}: release {applied['release']} runs on 0 of 1 devices",
            f"{called}: edge-1 (linux/amd64): failed: exec_format",
            f"polyfleet: {called} does not run on every device that it is for, and waiting does not help:",
            (
                "  edge-1: exec_format: The image's program is built for another processor "
                "(/server is for riscv64). Next step: Rebuild the image for this device's platform and push "
                "it under the same tag."
            ),
        ],
    )


def test_what_leaves_devices_uncovered_is_refused_and_shown(
    api: Api, polyfleet: Polyfleet, image: PushedImage, tmp_path: Path
) -> None:
    api.add_device("edge-1")
    api.add_device("edge-3", "linux/s390x")
    nothing = f"the image has nothing for this kind of processor, only {', '.join(image.children)}"
    file = write(tmp_path / "hello.yaml", manifest(image.reference))
    code, text, errors = polyfleet("apply", "-f", file, COLUMNS="200")
    assert (code, text, errors.splitlines()) == (
        1,
        "",
        [
            f"polyfleet: {file}: workload.polyfleet.io/hello refused, nothing was changed",
            f"{image.reference} covers 1 of 2 devices",
            "",
            "Uncovered: 1 device",
            "  linux/s390x, 1 device",
            f"  reason   no_matching_platform: {nothing}",
            "  can run  linux/s390x",
            "  devices  edge-3",
            (
                "  The workload's onUncovered is refuse: `polyfleet apply` does not take such an image. "
                "Publish the image for these platforms too, or set spec.onUncovered to hold or exclude."
            ),
        ],
    )
    assert api.ask("GET", "/v1/workloads").json() == {"items": []}
    for policy, word in (("hold", "held"), ("exclude", "excluded")):
        file = write(tmp_path / f"{policy}.yaml", manifest(image.reference, name=policy, on_uncovered=policy))
        code, text, errors = polyfleet("apply", "-f", file)
        assert (code, text.splitlines(), errors) == (
            0,
            [
                f"workload.polyfleet.io/{policy} created",
                f"  linux/amd64  1 device, native, {pulled(api, image)} to pull",
                f"  linux/s390x  1 device, {word}: {nothing}",
            ],
            "",
        )
        code = polyfleet("image", "check", image.reference, "--workload", policy)[0]
        assert code == (0 if policy == "exclude" else 1)


def test_a_tag_that_moved_is_released_by_applying_again(
    api: Api, polyfleet: Polyfleet, images: ImageShelf, tmp_path: Path
) -> None:
    first = images.push(ImageRecipe(version="1", platforms=("linux/amd64",)), name="moving", tag="1")
    file = write(tmp_path / "hello.yaml", manifest(first.reference))
    assert polyfleet("apply", "-f", file) == (0, "workload.polyfleet.io/hello created\n", "")
    images.push(ImageRecipe(version="2", platforms=("linux/amd64",)), name="moving", tag="1")
    code, text, errors = polyfleet("apply", "-f", file)
    release = api.ask("GET", HELLO).json()["workload"]["release"]
    assert release.startswith("hello-2-")
    assert (code, text, errors) == (
        0,
        f"workload.polyfleet.io/hello configured: new release {release}, the tag moved\n",
        "",
    )
    assert polyfleet("apply", "-f", file) == (0, "workload.polyfleet.io/hello unchanged\n", "")


def test_that_the_registry_did_not_say_whether_a_tag_has_moved_is_told(
    api: Api, polyfleet: Polyfleet, registry: Registry, image: PushedImage, tmp_path: Path
) -> None:
    file = write(tmp_path / "hello.yaml", manifest(image.reference))
    polyfleet("apply", "-f", file)
    release = api.ask("GET", HELLO).json()["workload"]["release"]
    registry.stop()
    try:
        code, text, errors = polyfleet("apply", "-f", file)
    finally:
        registry.start()
    assert (code, text) == (0, "workload.polyfleet.io/hello unchanged\n")
    assert errors.startswith(
        f"workload.polyfleet.io/hello: whether its tag has moved is not known; release {release} stays in "
        "force: registry_unreachable: "
    )


# -- device


def test_devices_are_listed_in_every_form(api: Api, polyfleet: Polyfleet) -> None:
    api.add_device("edge-1", site="north")
    api.add_device("edge-2", "linux/arm64").connect(online=False)
    answer = api.ask("GET", "/v1/devices").json()
    forms = {form: polyfleet("device", "list", "-o", form) for form in ("table", "name", "json", "yaml")}
    assert forms["table"] == (
        0,
        (
            "NAME    PLATFORM     CONNECTION       SYNC    GEN  PROBLEMS\n"
            "edge-1  linux/amd64  online ##### d   behind  0/1  -\n"
            "edge-2  linux/arm64  offline ##### d  behind  0/1  -\n"
        ),
        "",
    )
    assert forms["name"] == (0, "device.polyfleet.io/edge-1\ndevice.polyfleet.io/edge-2\n", "")
    assert json.loads(forms["json"][1]) == yaml.safe_load(forms["yaml"][1]) == answer


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (("--platform", "linux/arm64"), ["edge-2"]),
        (("--connectivity", "online"), ["edge-1"]),
        (("--sync", "behind", "-l", "site=north"), ["edge-1"]),
        (("-l", "site=north", "-l", "site=south"), []),
        (("--admission", "pending"), []),
    ],
)
def test_devices_are_listed_by_what_they_are(
    api: Api, polyfleet: Polyfleet, filters: tuple[str, ...], names: list[str]
) -> None:
    api.add_device("edge-1", site="north")
    api.add_device("edge-2", "linux/arm64").connect(online=False)
    listed = "".join(f"device.polyfleet.io/{name}\n" for name in names)
    assert polyfleet("device", "list", *filters, "-o", "name") == (0, listed, "")


def test_a_fleet_of_more_than_a_page_is_listed_whole(api: Api, polyfleet: Polyfleet) -> None:
    names = [f"edge-{number:03}" for number in range(501)]
    presence = Presence(incarnation="i", boot=1, connection=1, online=True, since=NOW)
    api.backend.hear_raw(
        *((format_topic(name, Channel.PRESENCE), encode_message(presence)) for name in names)
    )
    code, text, errors = polyfleet("device", "list", "-o", "json")
    assert (code, [item["name"] for item in json.loads(text)["items"]], errors) == (0, names, "")


def test_devices_are_listed_by_a_selector(api: Api, polyfleet: Polyfleet) -> None:
    api.add_device("edge-1", site="north")
    api.add_device("edge-2", "linux/arm64", site="north")
    api.add_device("edge-3", "linux/arm/v7")
    found = {
        asked: polyfleet("device", "list", "-o", "name", *asked)
        for asked in (
            ("-l", "site=north"),
            ("-l", "kubernetes.io/arch in (arm,arm64)", "--selector", "site"),
            ("--label", "!site"),
            ("-l", ""),
        )
    }
    assert found == {
        asked: (0, "".join(f"device.polyfleet.io/{name}\n" for name in names), "")
        for asked, names in zip(
            found, (["edge-1", "edge-2"], ["edge-2"], ["edge-3"], ["edge-1", "edge-2", "edge-3"]), strict=True
        )
    }
    code, text, errors = polyfleet("device", "list", "-l", "site in north")
    assert (code, text) == (2, "")
    assert "'site in north' is no selector: expected '(', got 'north'" in errors


def test_a_device_is_labelled(api: Api, polyfleet: Polyfleet) -> None:
    api.add_device(site="paris", tier="edge")
    label = ("device", "label", "edge-1")
    called = "device.polyfleet.io/edge-1"
    assert [
        polyfleet(*label, "rack=3", "kubernetes.io/arch=amd64"),
        polyfleet(*label, "rack=3", "never-there-", "-o", "name"),
        polyfleet(*label, "site=berlin", "rack=4"),
        polyfleet(*label, "site=berlin", "rack=4", "--overwrite"),
        polyfleet(*label, "--list", "rack-"),
        polyfleet(*label, "site-"),
        polyfleet(*label, "kubernetes.io/arch=arm64", "tier-", "a b=c"),
        polyfleet(*label, "tier=1", "rack", "tier=2"),
        polyfleet(*label),
    ] == [
        (0, f"{called} labelled\n", ""),
        (0, f"{called}\n", ""),
        (
            1,
            "",
            (
                f"polyfleet: {called} is not changed:\n"
                "  rack is 3 already, set by an operator: overwrite it if 4 is meant\n"
                "  site is paris already, set by the device's configuration: "
                "overwrite it if berlin is meant\n"
                "Give --overwrite where that is meant.\n"
            ),
        ),
        (0, f"{called} labelled\n", ""),
        (
            0,
            (
                "kubernetes.io/arch=amd64 (inventory)\n"
                "kubernetes.io/hostname=edge-1 (inventory)\n"
                "kubernetes.io/os=linux (inventory)\n"
                "site=berlin (operator; the device's configuration says paris)\n"
                "tier=edge (the device's configuration)\n"
            ),
            "",
        ),
        (
            0,
            f"{called} labelled\n",
            f"{called}: site is paris now, as the device's own configuration says\n",
        ),
        (
            2,
            "",
            (
                f"polyfleet: {called} is not changed:\n"
                "  a b=c: a label's key is 1 to 63 of letters, digits, '-', '_' and '.'\n"
                "  kubernetes.io/arch is amd64 by edge-1's inventory, and cannot be set to arm64\n"
                "  tier is edge by edge-1's own configuration: "
                "remove it from [device.labels] in its agent.toml\n"
            ),
        ),
        (
            2,
            "",
            (
                "polyfleet: 'rack' sets and removes nothing: write KEY=VALUE or KEY-\n"
                "tier is set to 1 and to 2: do one of both\n"
            ),
        ),
        (2, "", "polyfleet: nothing to set or to remove: write KEY=VALUE or KEY-, or --list to see all\n"),
    ]
    code, text, errors = polyfleet(*label, "--list", "-o", "json")
    shown = api.ask("GET", "/v1/devices/edge-1").json()
    assert (code, json.loads(text), errors) == (0, {"items": shown["labels"]}, "")
    code, text, errors = polyfleet(*label, "rack=5", "-o", "yaml")
    assert (code, errors) == (0, "")
    assert yaml.safe_load(text) == api.ask("GET", "/v1/devices/edge-1").json()["device"]


def test_a_device_is_tainted(api: Api, polyfleet: Polyfleet) -> None:
    api.add_device()
    taint = ("device", "taint", "edge-1")
    called = "device.polyfleet.io/edge-1"
    assert [
        polyfleet(*taint, "dedicated=till:NoSchedule", "broken:NoExecute"),
        polyfleet(*taint, "dedicated=scale:NoSchedule"),
        polyfleet(*taint, "dedicated=scale:NoSchedule", "--overwrite", "--list"),
        polyfleet(*taint, "broken=x:NoExecute-"),
        polyfleet(*taint, "dedicated=x:Never", "dedicated"),
        polyfleet(*taint, "dedicated-", "never-there-"),
        polyfleet(*taint, "--list"),
    ] == [
        (0, f"{called} tainted\n", ""),
        (
            1,
            "",
            (
                f"polyfleet: {called} is not changed:\n"
                "  dedicated:NoSchedule is till already: overwrite it if scale is meant\n"
                "Give --overwrite where that is meant.\n"
            ),
        ),
        (
            0,
            (
                "broken:NoExecute, since ##### d ago (1990-05-01 10:00:00Z)\n"
                "dedicated=scale:NoSchedule, since ##### d ago (1990-05-01 10:00:00Z)\n"
            ),
            "",
        ),
        (0, f"{called} tainted\n", ""),
        (
            2,
            "",
            (
                "polyfleet: 'dedicated=x:Never': an effect is one of NoSchedule, PreferNoSchedule, "
                "NoExecute, not 'Never'\n"
                "'dedicated' sets and removes nothing: write KEY=VALUE:EFFECT, KEY:EFFECT- or KEY-\n"
            ),
        ),
        (0, f"{called} untainted\n", ""),
        (0, "no taints\n", ""),
    ]
    code, text, errors = polyfleet(*taint, "broken:NoExecute", "--list", "-o", "json")
    taints = api.ask("GET", "/v1/devices/edge-1").json()["device"]["taints"]
    assert (code, json.loads(text), errors) == (0, {"items": taints}, "")


def test_several_devices_are_labelled_each_by_itself(api: Api, polyfleet: Polyfleet) -> None:
    for number, site in enumerate(("north", "north", "south"), start=1):
        api.add_device(f"edge-{number}", site=site)
    api.ask("PATCH", "/v1/devices/edge-2/labels", {"set": {"tier": "gold"}})
    label = ("device", "label")
    called = "device.polyfleet.io/edge"
    assert [
        polyfleet(*label, "-l", "site=north", "tier=gold"),
        polyfleet(*label, "edge-1", "edge-9", "edge-3", "tier=silver"),
        polyfleet(*label, "--all", "tier=silver", "--overwrite", "-o", "name"),
        polyfleet(*label, "-l", "site=west", "tier=gold"),
        polyfleet(*label, "edge-1", "-l", "site=north", "tier=gold"),
        polyfleet(*label, "tier=gold"),
        polyfleet(*label, "--all", "--list"),
    ] == [
        (0, f"{called}-1 labelled\n{called}-2 not labelled\n", ""),
        (
            1,
            f"{called}-1 not labelled\n{called}-9 not labelled\n{called}-3 labelled\n",
            (
                f"polyfleet: {called}-1 is not changed:\n"
                "  tier is gold already, set by an operator: overwrite it if silver is meant\n"
                f"{called}-9 is not changed:\n"
                "  there is no device 'edge-9'\n"
                "Give --overwrite where that is meant.\n"
            ),
        ),
        (0, f"{called}-1\n{called}-2\n{called}-3\n", ""),
        (1, "", "polyfleet: no device meets site=west: nothing is changed\n"),
        (
            2,
            "",
            ("polyfleet: say which devices: their names, or -l SELECTOR, or --all, and only one of these\n"),
        ),
        (
            2,
            "",
            ("polyfleet: say which devices: their names, or -l SELECTOR, or --all, and only one of these\n"),
        ),
        (2, "", "polyfleet: --list shows one device, by its name\n"),
    ]
    devices = api.ask("GET", "/v1/devices").json()["items"]
    assert {device["labels"]["tier"] for device in devices} == {"silver"}
    code, text, errors = polyfleet(*label, "-l", "site", "tier-", "-o", "json")
    assert (code, json.loads(text), errors) == (
        0,
        {
            "items": [
                {"device": f"edge-{number}", "outcome": "changed", "problems": []} for number in (1, 2, 3)
            ]
        },
        "",
    )


def test_several_devices_are_tainted(api: Api, polyfleet: Polyfleet) -> None:
    for number in (1, 2):
        api.add_device(f"edge-{number}")
    called = "device.polyfleet.io/edge"
    polyfleet("device", "taint", "edge-2", "broken:NoExecute")
    taint = ("device", "taint", "--all")
    assert [polyfleet(*taint, "broken:NoExecute"), polyfleet(*taint, "broken-", "x:NoSchedule-")] == [
        (0, f"{called}-1 tainted\n{called}-2 not tainted\n", ""),
        (0, f"{called}-1 untainted\n{called}-2 untainted\n", ""),
    ]


def test_a_device_is_shown(api: Api, polyfleet: Polyfleet, image: PushedImage) -> None:
    device = api.add_device(site="north")
    release = api.ask("PUT", "/v1/workloads/default/hello", manifest(image.reference)).json()["workload"][
        "release"
    ]
    device.obey()
    device.tell(EventKind.STARTED, "as it should")
    child = image.children["linux/amd64"]
    assert polyfleet("device", "show", "edge-1") == (
        0,
        f"""\
edge-1
connection    online since ##### d ago (1990-05-01 10:00:00Z)
last message  ##### d ago (1990-05-01 10:00:00Z)
platform      linux/amd64, configured in its agent.toml
sync          in sync: every workload runs, proven by its digest
document      wanted 1.2, confirmed 1.2
host          edge-1, Debian GNU/Linux 12, kernel 6.1.0, Podman 4.3.1
hardware      2 CPUs (x86_64), 1.0 GiB memory, 16.0 GiB disk
agent         0.1.0
labels        kubernetes.io/arch=amd64 (inventory)
              kubernetes.io/hostname=edge-1 (inventory)
              kubernetes.io/os=linux (inventory)
              site=north (the device's configuration)

Workload default/hello
  phase     running, ready for 1 min 1 s, 0 restarts
  release   {release}
  platform  linux/amd64
  wanted {child}
  proven {child}

Last events
  WHEN         EVENT    WORKLOAD  DETAIL
  ##### d ago  started  -         as it should
""",
        "",
    )
    code, text, errors = polyfleet("device", "show", "edge-1", "-o", "json")
    assert (code, json.loads(text), errors) == (0, api.ask("GET", "/v1/devices/edge-1").json(), "")


def test_a_pipe_gets_no_colours_and_a_narrow_terminal_no_less(
    api: Api, polyfleet: Polyfleet, image: PushedImage
) -> None:
    device = api.add_device()
    api.ask("PUT", "/v1/workloads/default/hello", manifest(image.reference))
    device.obey()
    pages = [polyfleet("device", "show", "edge-1", COLUMNS=width)[1] for width in ("20", "80", "200")]
    assert [page for page in pages if "\x1b" in page] == []
    assert {page.count(image.children["linux/amd64"]) for page in pages} == {2}
    assert pages[0] == pages[1]


def test_a_device_is_admitted_resolved_and_deleted(api: Api, polyfleet: Polyfleet) -> None:
    device = api.add_device()
    assert polyfleet("device", "delete", "edge-1") == (0, "device.polyfleet.io/edge-1 deleted\n", "")
    device.describe()
    assert [
        polyfleet("device", "admit", "edge-1"),
        polyfleet("device", "resolve", "edge-1", "-o", "name"),
        polyfleet("device", "delete", "edge-1", "-o", "json"),
        polyfleet("device", "delete", "edge-1"),
        polyfleet("device", "show", "edge-1"),
        polyfleet("device", "events", "edge-1"),
    ] == [
        (0, "device.polyfleet.io/edge-1 admitted\n", ""),
        (0, "device.polyfleet.io/edge-1\n", ""),
        (0, '{\n  "name": "edge-1",\n  "change": "deleted"\n}\n', ""),
        (1, "", "polyfleet: there is no device 'edge-1'\n"),
        (1, "", "polyfleet: there is no device 'edge-1'\n"),
        (1, "", "polyfleet: there is no device 'edge-1'\n"),
    ]


def test_events_are_listed(api: Api, polyfleet: Polyfleet) -> None:
    device = api.add_device()
    assert polyfleet("device", "events", "edge-1") == (0, "no events\n", "")
    device.tell(EventKind.PULL_FAILED, "no such tag")
    device.tell(EventKind.STARTED)
    code, text, errors = polyfleet("device", "events", "edge-1", "--limit", "1", "-o", "json")
    assert (code, json.loads(text), errors) == (
        0,
        api.ask("GET", "/v1/devices/edge-1/events", params={"limit": 1}).json(),
        "",
    )
    assert polyfleet("device", "events", "edge-1") == (
        0,
        (
            "WHEN         EVENT        WORKLOAD  DETAIL\n"
            "##### d ago  started      -         -\n"
            "##### d ago  pull failed  -         no such tag\n"
        ),
        "",
    )


# -- workload


def test_workloads_are_listed_in_every_form(
    api: Api, polyfleet: Polyfleet, image: PushedImage, registry: Registry
) -> None:
    api.add_device()
    api.ask("PUT", "/v1/workloads/default/hello", manifest(image.reference))
    missing = manifest(f"{registry.address}/nothing:1", name="till", namespace="shop")
    api.ask("PUT", "/v1/workloads/shop/till", missing)
    forms = {form: polyfleet("workload", "list", "-o", form) for form in ("table", "name", "json")}
    address = registry.address
    assert forms["table"] == (
        0,
        f"""\
NAMESPACE  NAME   RUNNING  FAILING  HELD  CHANGED      {"IMAGE":<{len(address) + 12}}PROBLEM
default    hello  0 of 1   0        0     ##### d ago  {address}/hello:1    -
shop       till   0 of 0   0        1     ##### d ago  {address}/nothing:1  image_not_found
""",
        "",
    )
    assert forms["name"] == (0, "workload.polyfleet.io/hello\nworkload.polyfleet.io/shop/till\n", "")
    assert json.loads(forms["json"][1]) == api.ask("GET", "/v1/workloads").json()


def test_a_workload_is_shown_with_its_release_and_devices(
    api: Api, polyfleet: Polyfleet, image: PushedImage
) -> None:
    api.add_device("edge-1")
    applied = api.ask("PUT", "/v1/workloads/default/hello", manifest(image.reference)).json()["workload"]
    code, text, errors = polyfleet("workload", "show", "hello")
    children = "".join(
        f"  {child['platform']}, {child['size'] / 1024:.1f} KiB\n  child {child['child']}\n"
        for child in api.ask("GET", "/v1/workloads/default/hello").json()["release"]["children"]
    )
    assert (code, errors) == (0, "")
    assert (
        text
        == f"""\
default/hello
image       {image.reference}
running on  0 of 1 devices
manifest    number 1, changed ##### d ago (1990-05-01 10:00:00Z)
released    number 1
created     ##### d ago (1990-05-01 10:00:00Z)
uid         {applied["uid"]}

Release {applied["release"]}
  revision  1
  cut       ##### d ago (1990-05-01 10:00:00Z)
  image     {image.reference}
  index {image.index}
{children}
Platforms
  PLATFORM     DEVICES  RUNNING  COMPLETED  EARLIER  FAILING  HELD
  linux/amd64  1        0        0          0        0        0

Devices
  DEVICE  PLATFORM     CONNECTION  STATE         REASON
  edge-1  linux/amd64  online      not reported  -
"""
    )
    code, text, errors = polyfleet("workload", "show", "hello", "-o", "json")
    assert (code, json.loads(text), errors) == (
        0,
        api.ask("GET", "/v1/workloads/default/hello").json(),
        "",
    )


def test_releases_are_listed_newest_first(api: Api, polyfleet: Polyfleet, image: PushedImage) -> None:
    for arguments in ([], ["--verbose"]):
        document = manifest(image.reference)
        document["spec"]["template"]["spec"]["containers"][0]["args"] = arguments
        api.ask("PUT", "/v1/workloads/default/hello", document)
    answer = api.ask("GET", "/v1/workloads/default/hello/releases").json()
    code, text, errors = polyfleet("workload", "releases", "hello", "-o", "json")
    assert (code, json.loads(text), errors) == (0, answer, "")
    second, first = (release["release"] for release in answer["items"])
    lines = polyfleet("workload", "releases", "hello")[1].splitlines()
    assert [line for line in lines if not line.startswith(" ") and line] == [
        "2 releases",
        f"Release {second}",
        f"Release {first}",
    ]


def test_a_workload_is_deleted(api: Api, polyfleet: Polyfleet, image: PushedImage) -> None:
    api.ask("PUT", "/v1/workloads/shop/till", manifest(image.reference, name="till", namespace="shop"))
    assert [
        polyfleet("workload", "delete", "till"),
        polyfleet("workload", "delete", "till", "-n", "shop"),
        polyfleet("workload", "show", "till", "-n", "shop"),
        polyfleet("workload", "list"),
    ] == [
        (1, "", "polyfleet: there is no workload 'default/till'\n"),
        (0, "workload.polyfleet.io/shop/till deleted\n", ""),
        (1, "", "polyfleet: there is no workload 'shop/till'\n"),
        (0, "no workloads\n", ""),
    ]


# -- the controller


def test_both_versions_are_told(polyfleet: Polyfleet) -> None:
    assert polyfleet("version") == (
        0,
        "client polyfleet   0.1.0\nserver api         v1\nserver controller  0.1.0\nserver wire        1\n",
        "",
    )


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"<html>", "not JSON: Expecting value at line 1 column 1"),
        (b"[]", "a list has no items"),
        (b'{"items": [{"name": 7}]}', None),
    ],
)
def test_what_is_no_controller_is_told(content: bytes, cause: str | None) -> None:
    def answer(_head: bytes, send: Callable[[bytes], None], _ended: threading.Event) -> None:
        send(response(HTTPStatus.OK, content))

    with answering(answer) as address:
        code, text, errors = run(f"http://{address}", "device", "list")
    start = f"polyfleet: what answers at http://{address} is no controller that this program understands ("
    end = "): check --server, and compare the versions with `polyfleet version`\n"
    assert (code, text) == (1, "")
    assert errors.startswith(start)
    assert errors.endswith(end)
    assert errors == f"{start}{cause}{end}" or cause is None
