"""What opens a real registry, what does not, and who is shown the credentials."""

import base64
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from fixtures.certificates import Authority
from fixtures.oci import expected, listed, make_child, make_index
from fixtures.registries import (
    IDENTITY_TOKEN,
    PASSWORD,
    USERNAME,
    Access,
    Door,
    DoorMaker,
    with_entry,
    with_password,
    write_certificates,
)
from fixtures.tokenserver import SERVICE, TokenPolicy, TokenRequest
from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_shared.reasons import Reason

IMAGE: Final = make_index(listed(make_child("linux/amd64")), listed(make_child("linux/riscv64")))
CHILDREN: Final = tuple(map(expected, IMAGE.children))
BASIC: Final = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
PROTECTED: Final = (Access.BASIC, Access.BEARER, Access.INSECURE_BASIC, Access.INSECURE_BEARER)


@pytest.fixture
def bearer(doors: DoorMaker) -> Door:
    return doors.make(Access.BEARER)


def policy_of(door: Door) -> TokenPolicy:
    assert door.tokens is not None
    return door.tokens


def failure_of(door: Door, reference: ImageReference) -> RegistryFailure:
    with pytest.raises(RegistryFailure) as caught:
        door.make_client().resolve(reference)
    return caught.value


# -- credentials


@pytest.mark.parametrize("access", PROTECTED)
def test_a_wrong_password_is_denied_without_being_shown(
    access: Access, doors: DoorMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    door = with_password(doors.make(access), tmp_path / "auth.json", "mistaken")
    reference = door.push(IMAGE, "guarded")
    failure = failure_of(door, reference)
    assert failure.reason is Reason.REGISTRY_DENIED
    assert "for the credentials configured for it" in failure.message or (
        "with the credentials that are configured for it" in failure.message
    )
    assert "mistaken" not in f"{failure} {failure!r} {caplog.text}"
    assert base64.b64encode(b"till:mistaken").decode() not in f"{failure} {failure!r} {caplog.text}"


@pytest.mark.parametrize("access", PROTECTED)
def test_who_has_no_credentials_is_told_so(access: Access, doors: DoorMaker) -> None:
    door = replace(doors.make(access), auth_file=None)
    failure = failure_of(door, door.push(IMAGE, "guarded"))
    assert failure.reason is Reason.REGISTRY_DENIED
    assert "HTTP 401" in failure.message
    assert "configured" in failure.message


@pytest.mark.parametrize("access", PROTECTED)
def test_a_new_password_counts_at_once(access: Access, doors: DoorMaker, tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    door = with_password(doors.make(access), file, "mistaken")
    reference, client = door.push(IMAGE, "guarded"), door.make_client()
    with pytest.raises(RegistryFailure):
        client.resolve(reference)
    with_password(door, file, PASSWORD)
    assert client.resolve(reference).children == CHILDREN
    with_password(door, file, "mistaken")
    with pytest.raises(RegistryFailure) as caught:
        client.resolve(reference)
    assert caught.value.reason is Reason.REGISTRY_DENIED
    with_password(door, file, PASSWORD)
    assert client.resolve(reference).children == CHILDREN


@pytest.mark.parametrize("access", PROTECTED)
def test_nothing_that_is_logged_or_shown_has_the_password_or_a_token(
    access: Access, doors: DoorMaker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    door = doors.make(access)
    reference, client = door.push(IMAGE, "guarded"), door.make_client()
    assert client.resolve(reference).children == CHILDREN
    with pytest.raises(RegistryFailure) as caught:
        client.resolve(door.reference("guarded", "missing"))
    shown = f"{caplog.text} {caught.value} {vars(client)}"
    for secret in (PASSWORD, BASIC, BASIC.removeprefix("Basic "), "Bearer "):
        assert secret not in shown


def test_a_file_that_cannot_be_read_is_named(doors: DoorMaker, tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    door = replace(doors.make(Access.BASIC), auth_file=file)
    reference = door.push(IMAGE, "guarded")
    failure = failure_of(door, reference)
    assert (failure.reason, failure.message) == (
        Reason.REGISTRY_DENIED,
        f"{reference}: the credentials for {door.address}: {file} cannot be read: No such file or directory",
    )
    file.write_text(json.dumps({"auths": {door.address: {"auth": "c2VjcmV0"}}}), encoding="utf-8")
    assert failure_of(door, reference).message.endswith(
        f"{file}: auths[{door.address!r}].auth: expected USER:PASSWORD in base64"
    )


def test_a_file_that_cannot_be_read_keeps_nobody_from_an_open_registry(
    doors: DoorMaker, tmp_path: Path
) -> None:
    door = replace(doors.make(Access.TLS), auth_file=tmp_path / "missing.json")
    assert door.make_client().resolve(door.push(IMAGE, "open")).children == CHILDREN


def test_credentials_may_be_for_one_namespace_alone(doors: DoorMaker, tmp_path: Path) -> None:
    door = doors.make(Access.BASIC)
    encoded = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {f"{door.address}/team": {"auth": encoded}}}), encoding="utf-8")
    door = replace(door, auth_file=file)
    assert door.make_client().resolve(door.push(IMAGE, "team/app")).children == CHILDREN
    failure = failure_of(door, door.push(IMAGE, "other/app"))
    assert "asks for a password (HTTP 401), and none for it is configured" in failure.message


def test_a_helper_is_asked_for_its_registrys_credentials(
    doors: DoorMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = doors.make(Access.BASIC)
    answer = json.dumps({"ServerURL": door.address, "Username": USERNAME, "Secret": PASSWORD})
    program = tmp_path / "docker-credential-lab"
    script = (
        "#!/bin/sh",
        f"echo run >>{tmp_path}/runs",
        f'[ "$*" = get ] && [ "$(cat)" = {door.address} ] && echo \'{answer}\'',
    )
    program.write_text("\n".join((*script, "")), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"credHelpers": {door.address: "lab"}}), encoding="utf-8")
    reference = door.push(IMAGE, "guarded")
    assert replace(door, auth_file=file).make_client().resolve(reference).children == CHILDREN
    assert (tmp_path / "runs").read_text(encoding="utf-8") == "run\n"
    program.unlink()
    failure = failure_of(replace(door, auth_file=file), reference)
    assert (failure.reason, failure.message) == (
        Reason.REGISTRY_DENIED,
        (
            f"{reference}: the credentials for {door.address}: docker-credential-lab cannot be run: "
            "No such file or directory"
        ),
    )


# -- tokens


def test_one_token_serves_for_a_repository_until_it_expires(bearer: Door) -> None:
    reference, client = bearer.push(IMAGE, "guarded"), bearer.make_client()
    for _ in range(3):
        assert client.resolve(reference).children == CHILDREN
    assert policy_of(bearer).requests == [
        TokenRequest(
            method="GET",
            parameters={
                "service": [SERVICE],
                "scope": ["repository:guarded:pull"],
                "account": [USERNAME],
            },
            authorization=BASIC,
        )
    ]
    assert client.resolve(bearer.push(IMAGE, "another")).children == CHILDREN
    assert len(policy_of(bearer).requests) == 2


def test_an_expired_token_is_refreshed(bearer: Door) -> None:
    reference, client = bearer.push(IMAGE, "guarded"), bearer.make_client()
    assert client.resolve(reference).children == CHILDREN
    policy_of(bearer).expired = 1
    other = bearer.push(IMAGE, "another")
    # The server says that the token is good for an hour; the registry knows better, once.
    with pytest.raises(RegistryFailure) as caught:
        client.resolve(other)
    assert caught.value.reason is Reason.REGISTRY_DENIED
    assert client.resolve(other).children == CHILDREN
    assert len(policy_of(bearer).requests) == 3


def test_tokens_that_stay_expired_are_not_asked_for_without_end(bearer: Door) -> None:
    reference = bearer.push(IMAGE, "guarded")
    policy_of(bearer).expired = 100
    failure = failure_of(bearer, reference)
    assert failure.reason is Reason.REGISTRY_DENIED
    assert len(policy_of(bearer).requests) == 1


def test_who_has_no_credentials_still_gets_what_is_for_everyone(bearer: Door) -> None:
    policy_of(bearer).public = True
    client = replace(bearer, auth_file=None).make_client()
    assert client.resolve(bearer.push(IMAGE, "library/public")).children == CHILDREN
    assert policy_of(bearer).requests == [
        TokenRequest(
            method="GET",
            parameters={"service": [SERVICE], "scope": ["repository:library/public:pull"]},
            authorization=None,
        )
    ]


@pytest.mark.parametrize("member", ["token", "access_token"])
def test_a_token_has_either_name(bearer: Door, member: str) -> None:
    policy_of(bearer).member = member
    assert bearer.make_client().resolve(bearer.push(IMAGE, "guarded")).children == CHILDREN


def test_an_identity_token_is_exchanged_by_a_form(bearer: Door, tmp_path: Path) -> None:
    door = with_entry(bearer, tmp_path / "auth.json", {"identitytoken": IDENTITY_TOKEN})
    assert door.make_client().resolve(door.push(IMAGE, "guarded")).children == CHILDREN
    assert policy_of(door).requests == [
        TokenRequest(
            method="POST",
            parameters={
                "grant_type": ["refresh_token"],
                "refresh_token": [IDENTITY_TOKEN],
                "client_id": ["polyfleet"],
                "service": [SERVICE],
                "scope": ["repository:guarded:pull"],
            },
            authorization=None,
        )
    ]


def test_a_wrong_identity_token_is_denied_without_being_shown(bearer: Door, tmp_path: Path) -> None:
    door = with_entry(bearer, tmp_path / "auth.json", {"identitytoken": "mistaken"})
    failure = failure_of(door, door.push(IMAGE, "guarded"))
    assert failure.reason is Reason.REGISTRY_DENIED
    assert "gives no token" in failure.message
    assert "mistaken" not in failure.message


def test_a_token_server_that_knows_forms_alone_is_sent_one(bearer: Door) -> None:
    policy_of(bearer).only_oauth2 = True
    assert bearer.make_client().resolve(bearer.push(IMAGE, "guarded")).children == CHILDREN
    assert [request.method for request in policy_of(bearer).requests] == ["GET", "POST"]


# -- certificates


@pytest.mark.parametrize("access", [Access.TLS, Access.BASIC, Access.BEARER])
def test_an_unknown_ca_is_named_as_what_is_wrong(access: Access, doors: DoorMaker, tmp_path: Path) -> None:
    door = replace(doors.make(access), certificates=tmp_path)
    reference = door.push(IMAGE, "guarded")
    failure = failure_of(door, reference)
    assert (failure.reason, failure.message) == (
        Reason.REGISTRY_UNREACHABLE,
        (
            f"{reference}: the registry {door.address} has a certificate that is not trusted here: unable to "
            f"get local issuer certificate; put its CA's certificate into {tmp_path}/{door.address}/ca.crt"
        ),
    )


def test_a_ca_that_is_added_counts_at_once(doors: DoorMaker, tmp_path: Path) -> None:
    door = replace(doors.make(Access.TLS), certificates=tmp_path)
    reference, client = door.push(IMAGE, "guarded"), door.make_client()
    with pytest.raises(RegistryFailure):
        client.resolve(reference)
    write_certificates(tmp_path, door.address, doors.authority)
    assert client.resolve(reference).children == CHILDREN


def test_a_ca_of_the_same_name_is_not_the_same(doors: DoorMaker, tmp_path: Path) -> None:
    door = doors.make(Access.TLS)
    certificates = write_certificates(tmp_path / "certs.d", door.address, Authority(tmp_path))
    failure = failure_of(replace(door, certificates=certificates), door.push(IMAGE, "guarded"))
    assert failure.reason is Reason.REGISTRY_UNREACHABLE
    assert "has a certificate that is not trusted here: " in failure.message


def test_what_is_no_certificate_is_named(doors: DoorMaker, tmp_path: Path) -> None:
    door = replace(doors.make(Access.TLS), certificates=tmp_path)
    file = tmp_path / door.address / "ca.crt"
    file.parent.mkdir()
    file.write_text("no certificate", encoding="utf-8")
    failure = failure_of(door, door.push(IMAGE, "guarded"))
    assert failure.reason is Reason.REGISTRY_UNREACHABLE
    assert f"{file} cannot be read as a CA's certificate in PEM form" in failure.message


@pytest.mark.parametrize("alternative", ["DNS:registry.example", "IP:127.0.0.2"])
def test_a_certificate_for_another_name_is_named_as_what_is_wrong(doors: DoorMaker, alternative: str) -> None:
    door = doors.make(Access.TLS, tls=doors.authority.issue("other", alternative))
    failure = failure_of(door, door.push(IMAGE, "guarded"))
    assert failure.reason is Reason.REGISTRY_UNREACHABLE
    assert "has a certificate that is not trusted here: IP address mismatch" in failure.message
    assert "put its CA" not in failure.message


def test_a_registry_may_ask_for_a_certificate_of_its_clients(doors: DoorMaker, tmp_path: Path) -> None:
    door = doors.make(Access.TLS, clients=doors.authority.certificate)
    reference = door.push(IMAGE, "guarded")
    failure = failure_of(door, reference)
    assert failure.reason is Reason.REGISTRY_UNREACHABLE
    assert "this machine cannot agree on TLS" in failure.message
    directory = write_certificates(tmp_path / "certs.d", door.address, doors.authority)
    pair = doors.authority.issue("client", "DNS:client")
    (directory / door.address / "client.cert").write_bytes(pair.certificate.read_bytes())
    (directory / door.address / "client.key").write_bytes(pair.key.read_bytes())
    assert replace(door, certificates=directory).make_client().resolve(reference).children == CHILDREN


def test_a_certificate_without_its_key_is_named(doors: DoorMaker, tmp_path: Path) -> None:
    door = doors.make(Access.TLS)
    directory = write_certificates(tmp_path / "certs.d", door.address, doors.authority) / door.address
    (directory / "client.cert").write_bytes(doors.authority.certificate.read_bytes())
    failure = failure_of(replace(door, certificates=directory.parent), door.push(IMAGE, "guarded"))
    assert failure.reason is Reason.REGISTRY_UNREACHABLE
    assert f"{directory}/client.cert and {directory}/client.key cannot be read" in failure.message
