"""What of a workload a device gets, and what its document holds."""

from dataclasses import replace

from controlroom import REPOSITORY, digest, index, manifest, named
from polyfleet_controller.domain.documents import Content, find_excess, make_content, put_decision, render
from polyfleet_controller.domain.manifest import read_manifest
from polyfleet_controller.domain.placement import (
    Assigned,
    Assignment,
    Decision,
    Held,
    Release,
    Share,
    Workload,
    make_assignment,
    place,
)
from polyfleet_controller.domain.staging import Stage, Staging
from polyfleet_controller.domain.sync import ImagePin, Pin, Standing
from polyfleet_shared.desired import read_desired
from polyfleet_shared.features import Feature
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.messages import Condition
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform
from polyfleet_shared.pods import (
    Capabilities,
    ConfigFile,
    ConfigMapVolume,
    EmptyDirVolume,
    HostPathType,
    HostPathVolume,
    Medium,
    SecurityContext,
    Volume,
    VolumeMount,
)
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import (
    ContainerPort,
    ContainerSpec,
    DesiredWorkload,
    EnvironmentVariable,
    HeldWorkload,
    ResourceLimits,
    RestartPolicy,
    UpdateMethod,
)

MANIFEST = read_manifest(manifest())
MISSING = Condition(reason=Reason.IMAGE_NOT_FOUND, message="no such tag")


def decide(workload: Workload, platforms: tuple[RunnablePlatform, ...]) -> Decision | None:
    return place(workload, platforms, workload.find_share("edge-7", platforms))


def runs(*platforms: str) -> tuple[RunnablePlatform, ...]:
    return tuple(
        RunnablePlatform(platform=Platform.parse(platform), fit=Fit.NATIVE) for platform in platforms
    )


def workload(
    uid: str = "w1", *, failure: Condition | None = None, env: list[dict[str, str]] | None = None
) -> Workload:
    release = Release(
        release="hello-4",
        revision=4,
        manifest=read_manifest(manifest(env=env or [])),
        images=named(index("1")),
    )
    return Workload(
        uid=uid,
        namespace="default",
        name="hello",
        manifest=release.manifest,
        release=release,
        failure=failure,
    )


def unreleased(failure: Condition | None) -> Workload:
    return Workload(
        uid="w1", namespace="default", name="hello", manifest=MANIFEST, release=None, failure=failure
    )


def test_all_that_the_manifest_says_reaches_the_device_and_the_image_is_pinned() -> None:
    document = manifest(
        command=["/bin/serve"],
        args=["--port", "80"],
        workingDir="/srv",
        env=[{"name": "A", "value": "b"}],
        ports=[{"containerPort": 80, "hostPort": 8080}],
        resources={"limits": {"memory": "64Mi", "cpu": "500m"}},
    )
    document["spec"]["template"]["spec"] |= {
        "restartPolicy": "OnFailure",
        "terminationGracePeriodSeconds": 7,
        "hostNetwork": True,
    }
    document["spec"] |= {
        "minReadySeconds": 5,
        "progressDeadlineSeconds": 60,
        "rollout": {"method": "startFirst"},
    }
    release = Release(
        release="hello-4", revision=4, manifest=read_manifest(document), images=named(index("1"))
    )
    image = PinnedImage(
        repository=REPOSITORY,
        index=digest("index 1"),
        child=digest("1 linux/arm64"),
        config=digest("config 1 linux/arm64"),
        platform=Platform.parse("linux/arm64"),
        size=1000,
    )
    proof = ImagePin(
        platform=image.platform,
        child=image.child,
        config=image.config,
        containers=frozenset({"main"}),
    )
    placed = decide(
        Workload(
            uid="w1",
            namespace="default",
            name="hello",
            manifest=release.manifest,
            release=release,
            failure=None,
        ),
        runs("linux/mips", "linux/arm64", "linux/amd64"),
    )
    assert placed == Assigned(
        images=(proof,),
        workload=DesiredWorkload(
            uid="w1",
            namespace="default",
            name="hello",
            release="hello-4",
            revision=4,
            requires=("updates",),
            restart_policy=RestartPolicy.ON_FAILURE,
            termination_grace_seconds=7,
            min_ready_seconds=5,
            progress_deadline_seconds=60,
            update_method=UpdateMethod.START_FIRST,
            host_network=True,
            containers=(
                ContainerSpec(
                    name="main",
                    image=image,
                    command=("/bin/serve",),
                    args=("--port", "80"),
                    working_dir="/srv",
                    env=(EnvironmentVariable(name="A", value="b"),),
                    ports=(ContainerPort(container_port=80, host_port=8080),),
                    limits=ResourceLimits(memory=64 << 20, cpu=500),
                ),
            ),
        ),
    )
    assignment = make_assignment(placed, Platform.parse("linux/mips"))
    assert assignment == Assignment(
        workload="w1",
        platform=Platform.parse("linux/mips"),
        release="hello-4",
        images=(proof,),
        held=None,
        standing=Standing.PENDING,
        min_ready_seconds=5,
    )
    assert assignment.pin == Pin(release="hello-4", images=(proof,))


def test_a_pod_reaches_the_device_with_its_volumes_and_names_what_it_requires() -> None:
    document = manifest(volumeMounts=[{"name": "www", "mountPath": "/www", "readOnly": True}])
    (main,) = document["spec"]["template"]["spec"]["containers"]
    document["spec"]["template"]["spec"] |= {
        "securityContext": {"runAsUser": 1000, "runAsGroup": 1000},
        "volumes": [
            {"name": "www", "emptyDir": {}},
            {"name": "fast", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"name": "conf", "configMap": {"items": [{"key": "a.conf", "text": "a\n", "mode": 256}]}},
            {"name": "host", "hostPath": {"path": "/srv", "type": "Directory"}},
        ],
        "initContainers": [{"name": "first", "image": main["image"]}],
        "containers": [
            main,
            {
                "name": "side",
                "image": main["image"],
                "securityContext": {"runAsUser": 0, "capabilities": {"drop": ["ALL"]}},
            },
        ],
    }
    read = read_manifest(document)
    release = Release(release="hello-4", revision=4, manifest=read, images=named(index("1")))
    placed = decide(
        Workload(uid="w1", namespace="default", name="hello", manifest=read, release=release, failure=None),
        runs("linux/arm64"),
    )
    assert isinstance(placed, Assigned)
    image = placed.workload.containers[0].image
    nobody = SecurityContext(run_as_user=1000, run_as_group=1000)
    assert placed.workload == DesiredWorkload(
        uid="w1",
        namespace="default",
        name="hello",
        release="hello-4",
        revision=4,
        termination_grace_seconds=30,
        min_ready_seconds=10,
        requires=("init-containers", "pods", "security-context", "updates", "volumes"),
        volumes=(
            Volume(name="www", empty_dir=EmptyDirVolume()),
            Volume(name="fast", empty_dir=EmptyDirVolume(medium=Medium.MEMORY, size_limit=1 << 20)),
            Volume(
                name="conf",
                config_map=ConfigMapVolume(items=(ConfigFile(key="a.conf", text="a\n", mode=0o400),)),
            ),
            Volume(name="host", host_path=HostPathVolume(path="/srv", type=HostPathType.DIRECTORY)),
        ),
        init_containers=(ContainerSpec(name="first", image=image, security_context=nobody),),
        containers=(
            ContainerSpec(
                name="main",
                image=image,
                volume_mounts=(VolumeMount(name="www", mount_path="/www", read_only=True),),
                security_context=nobody,
            ),
            ContainerSpec(
                name="side",
                image=image,
                security_context=SecurityContext(
                    run_as_user=0, run_as_group=1000, capabilities=Capabilities(drop=("ALL",))
                ),
            ),
        ),
    )
    (pin,) = make_assignment(placed, Platform.parse("linux/arm64")).images
    assert pin.containers == frozenset({"main", "side"})


def test_each_container_is_of_its_own_images_child_also_if_their_platforms_differ() -> None:
    document = manifest()
    pod = document["spec"]["template"]["spec"]
    (main,) = pod["containers"]
    pod["containers"].append({"name": "side", "image": f"{REPOSITORY}:2"})
    pod["initContainers"] = [{"name": "first", "image": f"{REPOSITORY}:3"}, main | {"name": "second"}]
    read = read_manifest(document)
    indexes = (index("1"), index("2", "linux/amd64"), index("3"))
    release = Release(release="hello-4", revision=4, manifest=read, images=named(*indexes))
    both = replace(workload(), manifest=read, release=release)
    placed = decide(both, runs("linux/arm64", "linux/amd64"))
    assert isinstance(placed, Assigned)
    given = {
        item.name: (str(item.image.platform), item.image.child) for item in placed.workload.all_containers
    }
    assert given == {
        "first": ("linux/arm64", digest("3 linux/arm64")),
        "second": ("linux/arm64", digest("1 linux/arm64")),
        "main": ("linux/arm64", digest("1 linux/arm64")),
        "side": ("linux/amd64", digest("2 linux/amd64")),
    }
    kept = make_assignment(placed, Platform.parse("linux/arm64"))
    assert [(image.child, image.containers) for image in kept.images] == [
        (digest("1 linux/arm64"), {"main"}),
        (digest("2 linux/amd64"), {"side"}),
        (digest("3 linux/arm64"), frozenset()),
    ]
    held = decide(both, runs("linux/riscv64"))
    assert isinstance(held, Held)
    assert held.workload.message == (
        f"{REPOSITORY}:2: the image has nothing for this kind of processor, only linux/amd64; this device "
        f"runs linux/riscv64 ({REPOSITORY}@{indexes[1].index})"
    )


def test_a_device_that_runs_none_of_the_image_is_held_with_both_lists() -> None:
    placed = decide(workload(), runs("linux/mips", "linux/s390x"))
    message = (
        "the image has nothing for this kind of processor, only linux/amd64, linux/arm64, linux/arm/v7, "
        f"linux/riscv64; this device runs linux/mips, linux/s390x ({REPOSITORY}@{digest('index 1')})"
    )
    assert placed == Held(
        workload=HeldWorkload(
            uid="w1",
            namespace="default",
            name="hello",
            reason=Reason.NO_MATCHING_PLATFORM,
            message=message,
        )
    )
    assignment = make_assignment(placed, Platform.parse("linux/mips"))
    assert (assignment.held, assignment.pin, assignment.standing) == (
        Condition(reason=Reason.NO_MATCHING_PLATFORM, message=message),
        None,
        Standing.HELD,
    )


def test_a_device_that_the_image_does_not_cover_is_held() -> None:
    release = Release(
        release="hello-4",
        revision=4,
        manifest=MANIFEST,
        images=named(index("1", "linux/amd64/v3")),
    )
    placed = decide(
        Workload(
            uid="w1",
            namespace="default",
            name="hello",
            manifest=MANIFEST,
            release=release,
            failure=None,
        ),
        runs("linux/amd64/v2", "linux/amd64"),
    )
    message = (
        "for this kind of processor the image has only linux/amd64/v3, which this one does not run; this "
        f"device runs linux/amd64/v2, linux/amd64 ({REPOSITORY}@{release.images[0].image.index})"
    )
    held = HeldWorkload(
        uid="w1", namespace="default", name="hello", reason=Reason.NO_MATCHING_PLATFORM, message=message
    )
    assert placed == Held(workload=held)


def test_without_a_release_a_device_is_told_why_once_that_is_known() -> None:
    assert decide(unreleased(None), runs("linux/amd64")) is None
    placed = decide(unreleased(MISSING), runs("linux/amd64"))
    assert isinstance(placed, Held)
    assert (placed.workload.reason, placed.workload.message) == (MISSING.reason, MISSING.message)


def test_a_release_in_force_is_not_given_up_for_a_failure() -> None:
    assert decide(workload(failure=MISSING), runs("linux/amd64")) == decide(workload(), runs("linux/amd64"))


def test_a_content_is_the_same_however_it_came_about() -> None:
    decisions = {
        uid: decide(workload(uid) if uid < "w3" else unreleased_as(uid), runs("linux/amd64"))
        for uid in ("w1", "w2", "w3", "w4")
    }
    known = [decision for decision in decisions.values() if decision is not None]
    whole = make_content(known)
    assert make_content(reversed(known)) == whole
    built = Content()
    for uid, decision in reversed(decisions.items()):
        built = put_decision(built, uid, decision)
    assert built == whole
    assert put_decision(built, "w3", decisions["w3"]) == whole
    without = put_decision(whole, "w3", None)
    assert [item.uid for item in without.held] == ["w4"]
    held = decide(unreleased(MISSING), runs("linux/amd64"))
    assert put_decision(put_decision(whole, "w1", held), "w1", decisions["w1"]) == whole


def unreleased_as(uid: str) -> Workload:
    return Workload(
        uid=uid, namespace="default", name="hello", manifest=MANIFEST, release=None, failure=MISSING
    )


def test_a_document_carries_the_digest_of_its_content() -> None:
    decision = decide(workload(), runs("linux/amd64"))
    content = put_decision(Content(), "w1", decision)
    document = read_desired(render(content, epoch=2, generation=9), features=frozenset(Feature))
    assert document.version.order == (2, 9)
    assert document.version.digest == content.digest
    assert (document.workloads, document.held) == (content.workloads, content.held)


def test_a_content_fits_or_not_whatever_its_version() -> None:
    def sized(count: int) -> Content:
        env = [{"name": f"V{n}", "value": "x" * 1000} for n in range(count)]
        return put_decision(Content(), "w1", decide(workload(env=env), runs("linux/amd64")))

    assert find_excess(sized(200)) is None
    assert (find_excess(sized(300)) or "").endswith("are more than the 262144 allowed")


def staged(staging: Staging) -> Workload:
    """Its fifth release has all platforms, and so had its fourth."""
    first = workload().release
    assert first is not None
    newest = Release(release="hello-5", revision=5, manifest=MANIFEST, images=named(index("2")))
    return replace(workload(), release=newest, earlier={4: first}, staging=staging)


def shares(workload: Workload, platform: str, *devices: str) -> list[tuple[int, int, bool]]:
    return [workload.find_share(device, runs(platform)).key for device in devices]


def test_a_rollout_decides_which_release_a_device_is_given() -> None:
    staging = Staging(
        members={
            "edge-1": Stage(revision=5, attempt=2),
            "edge-2": Stage(revision=4),
            "edge-3": Stage(revision=4),
            "edge-4": Stage(revision=None),
        },
        strata={Platform.parse("linux/arm64"): 5},
        fallback=4,
        prefetching=frozenset({"edge-3"}),
    )
    assert shares(staged(staging), "linux/amd64", "edge-1", "edge-2", "edge-3", "edge-4", "new") == [
        (5, 2, False),
        (4, 1, False),
        (4, 1, True),
        (0, 1, False),
        (4, 1, False),
    ]
    assert shares(staged(staging), "linux/arm64", "edge-2", "new") == [(4, 1, False), (5, 1, False)]
    assert staging.revisions == {4, 5}


def test_a_device_that_the_newest_release_has_nothing_for_is_told_so_during_a_rollout() -> None:
    workload = staged(Staging(members={"edge-7": Stage(revision=4)}))
    assert shares(workload, "linux/mips", "edge-7") == [(5, 1, False)]
    assert isinstance(decide(workload, runs("linux/mips")), Held)


def test_a_device_whose_wave_has_not_come_is_held_and_told_why() -> None:
    held = place(staged(Staging()), runs("linux/amd64"), Share(release=None))
    assert isinstance(held, Held)
    assert held.workload.reason is Reason.AWAITS_ROLLOUT


def test_a_retry_is_another_attempt_at_the_same_release() -> None:
    tried = staged(Staging(members={"edge-7": Stage(revision=5, attempt=2)}))
    again = decide(tried, runs("linux/amd64"))
    first = place(tried, runs("linux/amd64"), Share(release=tried.release))
    assert isinstance(again, Assigned)
    assert isinstance(first, Assigned)
    assert again.workload == replace(first.workload, attempt=2)
    assert again.workload.spec_hash != first.workload.spec_hash


def test_a_device_gets_the_newest_releases_images_ready_beside_what_it_runs() -> None:
    staging = Staging(members={"edge-7": Stage(revision=4)}, prefetching=frozenset({"edge-7"}))
    placed = decide(staged(staging), runs("linux/arm64"))
    assert isinstance(placed, Assigned)
    assert placed.workload.containers[0].image.child == digest("1 linux/arm64")
    assert [image.child for image in placed.workload.prefetch] == [digest("2 linux/arm64")]
    kept = make_assignment(placed, Platform.parse("linux/arm64"))
    assert kept.prefetch == frozenset({digest("2 linux/arm64")})
