"""What registries ask for, as they really write it."""

import pytest

from polyfleet_controller.registry.challenges import Challenge, choose_challenge, parse_challenges

DOCKER_HUB = (
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
    'scope="repository:library/nginx:pull"'
)
ECR = 'Basic realm="https://1234.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com"'
PUBLIC_ECR = 'Bearer realm="https://public.ecr.aws/token/",service="public.ecr.aws",scope="aws"'
GOOGLE = 'Bearer realm="https://gcr.io/v2/token",service="gcr.io",scope="repository:a/b:pull"'


def bearer(**parameters: str) -> Challenge:
    return Challenge(scheme="bearer", parameters=parameters)


def basic(**parameters: str) -> Challenge:
    return Challenge(scheme="basic", parameters=parameters)


@pytest.mark.parametrize(
    ("headers", "challenges"),
    [
        (
            [DOCKER_HUB],
            [
                bearer(
                    realm="https://auth.docker.io/token",
                    service="registry.docker.io",
                    scope="repository:library/nginx:pull",
                )
            ],
        ),
        (
            [PUBLIC_ECR],
            [bearer(realm="https://public.ecr.aws/token/", service="public.ecr.aws", scope="aws")],
        ),
        (
            [ECR],
            [basic(realm="https://1234.dkr.ecr.eu-west-1.amazonaws.com/", service="ecr.amazonaws.com")],
        ),
        (
            [GOOGLE],
            [bearer(realm="https://gcr.io/v2/token", service="gcr.io", scope="repository:a/b:pull")],
        ),
        (["BEARER Realm = x , SCOPE=\ty"], [bearer(realm="x", scope="y")]),
        (["Basic realm=a", "Bearer realm=b"], [basic(realm="a"), bearer(realm="b")]),
        (["Basic realm=a, Bearer realm=b,service=c"], [basic(realm="a"), bearer(realm="b", service="c")]),
        (
            ["Negotiate, NTLM TlRMTVNT==, Basic realm=a"],
            [
                Challenge(scheme="negotiate", parameters={}),
                Challenge(scheme="ntlm", parameters={}),
                basic(realm="a"),
            ],
        ),
        ([r'Basic realm="a \"quoted\" realm, with \\"'], [basic(realm='a "quoted" realm, with \\')]),
        (['Bearer realm="a",realm="b"'], [bearer(realm="a")]),
        (['Basic realm="a", Bearer realm="unfinished'], [basic(realm="a"), bearer()]),
        ([",, , Basic"], [basic()]),
        ([], []),
        (["=", "x=y", '"'], []),
        (["realm=x"], []),
    ],
)
def test_challenges_are_read_in_their_order(headers: list[str], challenges: list[Challenge]) -> None:
    assert list(parse_challenges(headers)) == challenges


@pytest.mark.parametrize(
    ("headers", "chosen"),
    [
        (["Basic realm=a, Bearer realm=b"], bearer(realm="b")),
        (["Bearer realm=b", "Basic realm=a"], bearer(realm="b")),
        (["Bearer realm=a, Bearer realm=b"], bearer(realm="a")),
        (["Bearer, Basic"], basic()),
        (["Negotiate"], None),
        (["Bearer"], None),
        ([], None),
    ],
)
def test_a_token_is_preferred_to_a_password(headers: list[str], chosen: Challenge | None) -> None:
    assert choose_challenge(parse_challenges(headers)) == chosen
