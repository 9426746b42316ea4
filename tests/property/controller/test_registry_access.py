"""Whatever a registry asks for, and whatever an auth.json holds: it is read or refused, and nothing leaks."""

import base64
import json
import string
from ipaddress import IPv4Address, IPv6Address

import httpx2
from hypothesis import assume, given
from hypothesis import strategies as st

from polyfleet_controller.registry.addresses import Scope, scope_of, scope_of_name
from polyfleet_controller.registry.challenges import Challenge, parse_challenges
from polyfleet_controller.registry.credentials import (
    CredentialError,
    Entry,
    Helper,
    decode_entry,
    read_auth_file,
)
from polyfleet_controller.registry.targets import Home, UnsafeTargetError, follow, read_realm
from polyfleet_controller.registry.tokens import TokenError, choose_scopes, read_token
from polyfleet_shared.json_text import JsonValue
from strategies import json_values, paths_within, replace_within

SECRET = "open-sesame"  # noqa: S105 - what must not leak
HOMES = st.builds(Home, host=st.just("registry.example"), plain_http=st.booleans())

names = st.text(string.ascii_lowercase, min_size=1, max_size=8)
paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)
registries = st.sampled_from(["r.example", "r.example:5000", "docker.io", "[::1]:5000", "localhost"])
challenges = st.lists(
    st.builds(
        Challenge,
        scheme=names,
        parameters=st.dictionaries(names, st.text(st.characters(codec="latin-1"), max_size=20), max_size=3),
    ),
    max_size=4,
)


def write_challenge(challenge: Challenge) -> str:
    parameters = [
        '{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"'))
        for name, value in challenge.parameters.items()
    ]
    return f"{challenge.scheme} {','.join(parameters)}"


@given(written=challenges)
def test_challenges_are_read_as_they_were_written(written: list[Challenge]) -> None:
    assume(not any("\n" in value for challenge in written for value in challenge.parameters.values()))
    headers = [write_challenge(challenge) for challenge in written]
    assert list(parse_challenges(headers)) == written
    assert list(parse_challenges([", ".join(headers)])) == written


@given(text=st.text(max_size=100) | st.text(' ,="\\aB\t', max_size=200))
def test_arbitrary_headers_are_read_up_to_what_makes_no_sense(text: str) -> None:
    for challenge in parse_challenges([text]):
        assert challenge.scheme == challenge.scheme.lower()


@given(registry=registries, path=paths, keys=st.lists(st.tuples(registries, st.just("") | paths), max_size=6))
def test_the_key_that_is_used_is_the_longest_that_names_the_repository(
    registry: str, path: str, keys: list[tuple[str, str]]
) -> None:
    written: dict[str, object] = {f"{of}/{below}" if below else of: {} for of, below in keys}
    found = read_auth_file(json.dumps({"auths": written}).encode()).find(registry, path)
    repository = f"{registry}/{path}/"
    expected = max((key for key in written if repository.startswith(f"{key}/")), key=len, default=None)
    assert (found.key if isinstance(found, Entry) else None) == expected


ENCODED = base64.b64encode(f"user:{SECRET}".encode()).decode()
VALID = {
    "auths": {
        "r.example": {"auth": ENCODED},
        "r.example/a": {"identitytoken": SECRET},
    },
    "credHelpers": {"docker.io": "pass"},
}


@given(replacement=json_values, data=st.data())
def test_a_changed_file_is_read_or_refused_and_shows_no_secret(
    replacement: JsonValue, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(paths_within(VALID)))
    content = json.dumps(replace_within(VALID, path, replacement)).encode()
    shown: list[object] = []
    try:
        file = read_auth_file(content)
        shown.append(file)
        for registry, repository in (("r.example", "a"), ("r.example", "b"), ("docker.io", "a")):
            found = file.find(registry, repository)
            shown += [found, decode_entry(found) if isinstance(found, Entry) else None]
            assert found is None or isinstance(found, Entry | Helper)
    except CredentialError as error:
        shown.append(error)
    text = repr(shown) + "".join(map(str, shown))
    assert SECRET not in text
    assert ENCODED not in text


@given(content=st.binary(max_size=200), prefix=st.sampled_from([b"", b'{"token":', b'{"token":"']))
def test_arbitrary_bytes_are_a_token_that_fits_a_header_or_none(content: bytes, prefix: bytes) -> None:
    try:
        token = read_token(prefix + content, now=0)
    except TokenError:
        return
    assert token.value.isascii()
    assert token.value.isprintable()
    assert " " not in token.value


@given(asked_for=st.text(max_size=60) | st.from_regex(r"([a-z/:,* ]|pull|push){0,30}", fullmatch=True))
def test_whatever_is_asked_for_only_pulling_is_passed_on(asked_for: str) -> None:
    scopes = choose_scopes(asked_for, "a/b")
    assert scopes
    assert all(":" not in scope or scope.endswith(":pull") for scope in scopes)


@given(address=st.ip_addresses(v=4))
def test_an_address_in_another_is_where_the_inner_one_is(address: IPv4Address) -> None:
    scope = scope_of(str(address))
    assert scope_of(f"::ffff:{address}") is scope
    assert scope_of(str(IPv6Address((0x0064FF9B << 96) | int(address)))) is scope
    assert scope_of(str(IPv6Address((0x2002 << 112) | (int(address) << 80)))) is scope
    assert (scope is Scope.PUBLIC) <= address.is_global


@given(address=st.ip_addresses())
def test_every_address_is_somewhere_and_is_its_own_name(address: IPv4Address | IPv6Address) -> None:
    assert scope_of_name(str(address)) is scope_of(str(address))


@given(
    text=st.text(max_size=60) | st.from_regex(r"https?://[a-z0-9.@:\[\]/%-]{0,30}", fullmatch=True),
    home=HOMES,
)
def test_whatever_a_realm_says_it_is_an_address_or_refused(text: str, home: Home) -> None:
    try:
        url = read_realm(text, home)
    except UnsafeTargetError:
        return
    assert not url.userinfo
    assert url.scheme == "https" or (home.plain_http and url.host == home.host)


@given(location=st.text(max_size=60) | st.from_regex(r"(https?:)?//[a-z0-9.@:/%-]{0,30}", fullmatch=True))
def test_whatever_a_redirect_says_tls_is_kept(location: str) -> None:
    try:
        url = follow(httpx2.URL("https://registry.example/v2/a/manifests/1"), location)
    except UnsafeTargetError:
        return
    assert (url.scheme, url.userinfo) == ("https", b"")
