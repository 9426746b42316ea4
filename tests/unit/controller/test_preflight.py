"""What targeted devices get of an image, and what they have to pull for it."""

from dataclasses import replace

from image_examples import name_image
from polyfleet_controller.domain.coverage import Coverage, Gap
from polyfleet_controller.domain.images import IndexChild, Layer
from polyfleet_controller.domain.platforms import Lack, Match, Mismatch
from polyfleet_controller.domain.preflight import (
    Covered,
    Preflight,
    PullSize,
    TargetGroup,
    Uncovered,
    check_images,
    size_pull,
)
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform

BASE = Layer(digest="sha256:base", size=1000)
AMD, V3, ARM = (Platform.parse(text) for text in ("linux/amd64", "linux/amd64/v3", "linux/arm/v6"))


def child(platform: Platform, *own: int) -> IndexChild:
    layers = (BASE, *(Layer(digest=f"{platform} {size}", size=size) for size in own))
    return IndexChild(
        platform=platform,
        child=f"child {platform} {own}",
        config="",
        size=sum(layer.size for layer in layers),
        layers=layers,
    )


def runs(*pairs: tuple[Platform, Fit]) -> tuple[RunnablePlatform, ...]:
    return tuple(RunnablePlatform(platform=platform, fit=fit) for platform, fit in pairs)


NEW = runs((V3, Fit.NATIVE), (AMD, Fit.COMPATIBLE))
OLD = runs((AMD, Fit.NATIVE))
PI = runs((ARM, Fit.NATIVE), (AMD, Fit.EMULATED))


def group(
    platforms: tuple[RunnablePlatform, ...], devices: int, proven: tuple[IndexChild, ...] = ()
) -> TargetGroup:
    return TargetGroup(
        platform_set=" ".join(str(item.platform) for item in platforms),
        platforms=platforms,
        proven=frozenset(each.child for each in proven),
        devices=devices,
    )


def test_each_device_is_told_once_with_what_it_gets_and_what_it_lacks() -> None:
    image = (child(AMD, 7), child(V3, 9))
    other = child(AMD, 50)
    layers = {each.child: each.layers for each in (*image, other)}
    named = name_image(*image)
    groups = (
        group(NEW, 10),
        group(NEW, 5, (other,)),
        group(NEW, 2, (image[1],)),
        group(OLD, 3),
        group(PI, 4),
        group(runs((ARM, Fit.NATIVE)), 1),
    )
    assert check_images((named,), groups, layers) == Preflight(
        covered=(
            Covered(
                platform=AMD,
                coverage=Coverage(matches=(Match(child=image[0], fit=Fit.NATIVE),)),
                devices=3,
                pull=PullSize(total=3 * 1007, least=1007, most=1007),
            ),
            Covered(
                platform=V3,
                coverage=Coverage(matches=(Match(child=image[1], fit=Fit.NATIVE),)),
                devices=17,
                pull=PullSize(total=10 * 1009 + 5 * 9, least=0, most=1009),
            ),
            Covered(
                platform=ARM,
                coverage=Coverage(matches=(Match(child=image[0], fit=Fit.EMULATED),)),
                devices=4,
                pull=PullSize(total=4 * 1007, least=1007, most=1007),
            ),
        ),
        uncovered=(
            Uncovered(
                platform_set="linux/arm/v6",
                platforms=runs((ARM, Fit.NATIVE)),
                devices=1,
                gap=Gap(
                    lacks=((named.reference, Mismatch(lack=Lack.ARCHITECTURE, nearest=(AMD, V3))),), images=1
                ),
            ),
        ),
    )


def test_an_older_processor_is_told_that_only_newer_ones_are_served() -> None:
    (found,) = check_images((name_image(child(V3)),), (group(OLD, 2), group(OLD, 3)), {}).uncovered
    assert (found.devices, str(found.gap)) == (
        5,
        "for this kind of processor the image has only linux/amd64/v3, which this one does not run",
    )


def test_without_layers_the_whole_image_is_pulled_unless_it_is_there() -> None:
    bare = replace(child(AMD, 7), layers=())
    assert (size_pull([bare], (), {}), size_pull([bare], (bare.child,), {})) == (1007, 0)
    assert size_pull([child(AMD, 7)], ("of a release that nobody knows the layers of",), {}) == 1007


def test_of_several_images_a_device_gets_a_child_of_each_or_nothing() -> None:
    server, sidecar = name_image(child(AMD, 7), child(V3, 9)), name_image(child(ARM, 5), name="sidecar")
    native = runs((V3, Fit.NATIVE), (ARM, Fit.EMULATED), (AMD, Fit.COMPATIBLE))
    found = check_images((server, sidecar), (group(native, 2), group(OLD, 3), group(PI, 1)), {})
    matches = [
        (str(each.platform), [(str(match.child.platform), match.fit) for match in each.coverage.matches])
        for each in found.covered
    ]
    assert matches == [
        ("linux/amd64/v3", [("linux/amd64/v3", Fit.NATIVE), ("linux/arm/v6", Fit.EMULATED)]),
        ("linux/arm/v6", [("linux/amd64", Fit.EMULATED), ("linux/arm/v6", Fit.NATIVE)]),
    ]
    assert [each.coverage.fit for each in found.covered] == [Fit.EMULATED, Fit.EMULATED]
    # The layer that both images have is pulled once.
    assert [each.pull.most for each in found.covered] == [1000 + 9 + 5, 1000 + 7 + 5]
    assert [(each.devices, str(each.gap)) for each in found.uncovered] == [
        (
            3,
            "localhost:5000/sidecar:1: the image has nothing for this kind of processor, only linux/arm/v6",
        )
    ]
