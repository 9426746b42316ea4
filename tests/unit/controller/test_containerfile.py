"""A Containerfile for one platform: what is put in, and what is left as it is."""

import pytest

from polyfleet_controller.domain.containerfile import adapt_containerfile
from polyfleet_shared.platforms import Platform

ARM = Platform.parse("linux/arm/v7")
MARK = "ENV POLYFLEET_PLATFORM=linux/arm/v7\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM scratch\nCOPY a /\n", f"FROM --platform=linux/arm/v7 scratch\n{MARK}COPY a /\n"),
        ("from debian AS x", f"from --platform=linux/arm/v7 debian AS x\n{MARK}"),
        ("FROM --platform=$TARGETPLATFORM a\n", f"FROM --platform=$TARGETPLATFORM a\n{MARK}"),
        ("FROM --platform=linux/s390x a\n", f"FROM --platform=linux/s390x a\n{MARK}"),
        ("# FROM a\n\n  FROM a\r\n", f"# FROM a\n\n  FROM --platform=linux/arm/v7 a\r\n{MARK}"),
        (
            "ARG BASE=a\nFROM \\\n  # why\n\n  ${BASE}\nRUN b\n",
            f"ARG BASE=a\nFROM --platform=linux/arm/v7 \\\n  # why\n\n  ${{BASE}}\n{MARK}RUN b\n",
        ),
        (
            "# escape=`\nFROM a `\n  AS b\nRUN c \\\nFROM d\n",
            (
                f"# escape=`\nFROM --platform=linux/arm/v7 a `\n  AS b\n{MARK}RUN c \\\n"
                f"FROM --platform=linux/arm/v7 d\n{MARK}"
            ),
        ),
        ("", ""),
        ("ONBUILD RUN a\n", "ONBUILD RUN a\n"),
        ("FROMAGE a\n", "FROMAGE a\n"),
    ],
)
def test_each_stage_is_given_its_platform_once(text: str, expected: str) -> None:
    assert adapt_containerfile(text, ARM) == expected


def test_what_runs_on_the_machine_is_left_alone_and_shared_by_all_platforms() -> None:
    text = "FROM --platform=${BUILDPLATFORM} go AS build\nRUN go\nFROM scratch\nCOPY --from=build /a /\n"
    assert adapt_containerfile(text, ARM) == (
        "FROM --platform=${BUILDPLATFORM} go AS build\nRUN go\n"
        f"FROM --platform=linux/arm/v7 scratch\n{MARK}COPY --from=build /a /\n"
    )


def test_a_stage_upon_a_stage_has_its_platform_already() -> None:
    text = "FROM a AS Base\nFROM base AS next\nFROM next\n"
    assert adapt_containerfile(text, ARM) == (
        f"FROM --platform=linux/arm/v7 a AS Base\n{MARK}FROM base AS next\nFROM next\n"
    )


@pytest.mark.parametrize(("target", "marked"), [(None, "b"), ("a", "a"), ("A", "a")])
def test_the_stage_that_the_image_is_made_of_never_comes_of_the_cache_of_another_platform(
    target: str | None, marked: str
) -> None:
    text = "FROM --platform=$BUILDPLATFORM x AS a\nFROM --platform=$BUILDPLATFORM x AS b\n"
    adapted = adapt_containerfile(text, ARM, target=target)
    assert adapted == text.replace(f" AS {marked}\n", f" AS {marked}\n{MARK}")


@pytest.mark.parametrize(
    "instruction",
    [
        "RUN <<EOF\nFROM table\nEOF\n",
        "RUN <<-'EOF' sh\n\tFROM table\n\tEOF\n",
        'COPY <<a <<"b" /\nFROM a\na\nFROM b\nb\n',
        "RUN a \\\n# FROM comment\n  && b \\\n\n  FROM c\n",
        "RUN a \\\n  FROM c",
        "RUN cat <<<EOF\n",
    ],
)
def test_words_of_other_instructions_are_no_stages(instruction: str) -> None:
    adapted = adapt_containerfile(f"FROM a\n{instruction}", ARM)
    assert adapted == f"FROM --platform=linux/arm/v7 a\n{MARK}{instruction}"
