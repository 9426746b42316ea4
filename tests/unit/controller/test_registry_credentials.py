"""Credentials as `podman login` and `docker login` leave them behind."""

import base64
import json

import pytest

from polyfleet_controller.registry.credentials import (
    AUTH_FILE_LIMIT,
    CredentialError,
    Credentials,
    Entry,
    Helper,
    decode_entry,
    read_auth_file,
)


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def credentials(username: str, password: str, identity_token: str | None = None) -> Credentials:
    return Credentials(username=username, password=password, identity_token=identity_token)


def auth_file(**document: object) -> bytes:
    return json.dumps(document).encode()


def find(content: bytes, registry: str, path: str) -> str | None:
    """Return the key that is used for a repository."""
    found = read_auth_file(content).find(registry, path)
    return None if found is None else found.key


def decode(**fields: object) -> Credentials | None:
    found = read_auth_file(auth_file(auths={"registry.example": fields})).find("registry.example", "a")
    assert isinstance(found, Entry)
    return decode_entry(found)


@pytest.mark.parametrize(
    ("registry", "path", "key"),
    [
        ("quay.io", "team/app/web", "quay.io/team/app"),
        ("quay.io", "team/app", "quay.io/team/app"),
        ("quay.io", "team/application", "quay.io/team"),
        ("quay.io", "teams/app", "quay.io"),
        ("quay.io:443", "team/app", None),
        ("registry.example:5000", "a", "registry.example:5000"),
        ("registry.example", "a", None),
        ("docker.io", "library/nginx", "https://index.docker.io/v1/"),
        ("registry-1.docker.io", "library/nginx", "https://index.docker.io/v1/"),
        ("docker.io", "private/app", "docker.io/private"),
        ("ghcr.io", "a", "https://ghcr.io"),
        ("localhost", "a", "http://localhost/v2/"),
    ],
)
def test_the_longest_key_is_used(registry: str, path: str, key: str | None) -> None:
    keys = [
        "quay.io",
        "quay.io/team",
        "quay.io/team/app",
        "registry.example:5000",
        "https://index.docker.io/v1/",
        "docker.io/private",
        "https://ghcr.io",
        "http://localhost/v2/",
    ]
    assert find(auth_file(auths={key: {} for key in keys}), registry, path) == key


def test_a_key_that_is_exact_wins_over_one_that_means_the_same() -> None:
    content = auth_file(auths={"https://index.docker.io/v1/": {}, "docker.io": {}, "index.docker.io": {}})
    assert find(content, "docker.io", "library/nginx") == "docker.io"


def test_a_registrys_helper_is_asked_before_its_entries() -> None:
    content = auth_file(auths={"quay.io/team": {}}, credHelpers={"quay.io": "pass", "index.docker.io": "x"})
    file = read_auth_file(content)
    assert file.find("quay.io", "team/app") == Helper(key="quay.io", name="pass")
    assert file.find("docker.io", "library/nginx") == Helper(key="index.docker.io", name="x")
    assert file.find("ghcr.io", "team/app") is None


@pytest.mark.parametrize(
    ("text", "username", "password"),
    [
        ("user:pass", "user", "pass"),
        ("user:pass:word", "user", "pass:word"),
        ("user:", "user", ""),
        ("üser:pässwörd", "üser", "pässwörd"),
        ("user:pass\0\0", "user", "pass"),
    ],
)
def test_a_user_and_a_password_are_decoded(text: str, username: str, password: str) -> None:
    assert decode(auth=encode(text)) == credentials(username, password)


def test_an_identity_token_may_come_with_or_without_a_user() -> None:
    alone = credentials("", "", "t")
    assert decode(identitytoken="t") == alone
    assert decode(auth="", identitytoken="t") == alone
    assert decode(auth=encode("u:p"), identitytoken="t") == credentials("u", "p", "t")


@pytest.mark.parametrize("fields", [{}, {"auth": ""}, {"auth": None}, {"identitytoken": ""}, {"other": 1}])
def test_an_empty_entry_has_no_credentials(fields: dict[str, object]) -> None:
    assert decode(**fields) is None


def test_credentials_are_sent_as_rfc_7617_has_it() -> None:
    assert credentials("Aladdin", "open sesame").basic == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"auth": "c2VjcmV0"}, "auths['registry.example'].auth: expected USER:PASSWORD in base64"),
        ({"auth": "secret!"}, "auths['registry.example'].auth: expected USER:PASSWORD in base64"),
        ({"auth": "secret:é"}, "auths['registry.example'].auth: expected USER:PASSWORD in base64"),
        ({"auth": ["secret"]}, "auths['registry.example'].auth: expected USER:PASSWORD in base64"),
        ({"auth": encode("secret:").rstrip("=")[:-1]}, ".auth: expected USER:PASSWORD in base64"),
        ({"identitytoken": "secret\ud800"}, "half a surrogate pair"),
        ({"identitytoken": {"secret": 1}}, "auths['registry.example'].identitytoken: expected a text"),
    ],
)
def test_a_malformed_entry_is_named_and_not_shown(fields: dict[str, object], message: str) -> None:
    with pytest.raises(CredentialError) as caught:
        decode(**fields)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON: Expecting value at line 1 column 1"),
        (b'{"auths": {"r": {"auth": "secret', "not JSON: Unterminated string"),
        (b'["secret"]', "it is no JSON object"),
        (auth_file(auths="secret"), "auths: expected an object"),
        (auth_file(auths={"r": "secret"}), "auths['r']: expected an object"),
        (auth_file(credHelpers=["secret"]), "credHelpers: expected an object"),
        (auth_file(credHelpers={"r": {"secret": 1}}), "credHelpers['r']: expected the name of a helper"),
        (auth_file(credsStore="desktop"), "credsStore is Docker's alone"),
        (b" " * (AUTH_FILE_LIMIT + 1), f"{AUTH_FILE_LIMIT + 1} bytes are more than the {AUTH_FILE_LIMIT}"),
    ],
)
def test_a_malformed_file_is_refused_and_not_shown(content: bytes, message: str) -> None:
    with pytest.raises(CredentialError) as caught:
        read_auth_file(content)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_mistake_in_one_entry_concerns_no_other() -> None:
    content = auth_file(auths={"broken": {"auth": "?"}, "whole": {"auth": encode("u:p")}})
    found = read_auth_file(content).find("whole", "a")
    assert isinstance(found, Entry)
    assert decode_entry(found) == credentials("u", "p")


def test_nothing_shows_what_is_secret() -> None:
    file = read_auth_file(auth_file(auths={"r": {"auth": encode("u:secret"), "identitytoken": "secret"}}))
    entry = file.find("r", "a")
    assert isinstance(entry, Entry)
    decoded = decode_entry(entry)
    shown = f"{file!r} {entry!r} {decoded!r} {decoded}"
    assert "secret" not in shown
    assert encode("u:secret") not in shown
