"""Where registries may send the controller, and what it takes along: servers that no real one would be."""

import base64
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from fixtures.answers import Answer, answering, response
from fixtures.certificates import Authority
from fixtures.oci import expected, make_child
from fixtures.registries import SERVER_NAMES, write_certificates
from polyfleet_controller.domain.images import ImageReference, ResolvedImage
from polyfleet_controller.lab.processes import run
from polyfleet_controller.registry.certificates import CertificateStore
from polyfleet_controller.registry.client import RegistryClient
from polyfleet_controller.registry.credential_store import CredentialStore
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_shared.reasons import Reason

FIXTURES: Final = Path(__file__).resolve().parents[2] / "fixtures"
CHILD: Final = make_child("linux/amd64")
USERNAME: Final = "till"
PASSWORD: Final = "sesame"  # noqa: S105 - opens nothing
BASIC: Final = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
BASIC_CHALLENGE: Final = 'WWW-Authenticate: Basic realm="lab"'
LIMITS: Final = [
    ("169.254.169.254", "a link-local address"),
    ("[fe80::1]", "a link-local address"),
    ("10.0.0.1", "a private address"),
    ("[fd00::1]", "a private address"),
    ("[::ffff:192.168.0.1]", "a private address"),
]


@dataclass(slots=True)
class Server:
    """Gives the image's manifest to whoever shows the right Authorization, and notes all requests.

    `routes` maps the beginnings of paths to other answers.
    """

    requires: str | None = None
    challenge: str = BASIC_CHALLENGE
    routes: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def __call__(self, head: bytes, send: Callable[[bytes], None], _: threading.Event) -> None:
        path = head.split()[1].decode()
        authorization = read_header(head, "authorization")
        self.requests.append((path, authorization))
        for beginning, answer in self.routes.items():
            if path.startswith(beginning):
                send(answer)
                return
        if self.requires is not None and authorization != self.requires:
            send(response(401, b"", self.challenge))
        elif "/blobs/" in path:
            send(response(200, CHILD.config.content))
        else:
            send(response(200, CHILD.manifest.content))

    @property
    def shown(self) -> set[str | None]:
        """Every Authorization that came."""
        return {authorization for _, authorization in self.requests}


def read_header(head: bytes, name: str) -> str | None:
    for line in head.decode().splitlines():
        key, _, value = line.partition(":")
        if key.lower() == name:
            return value.strip()
    return None


def redirect(location: str) -> bytes:
    return response(307, b"", f"Location: {location}")


class Stage:
    """Servers on loopback, and a client that has credentials for some."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._authority = Authority(directory)
        self._pair = self._authority.issue("server", *SERVER_NAMES)

    def serve(self, answer: Answer, *, tls: bool = False) -> str:
        return self._stack.enter_context(answering(answer, self._pair if tls else None))

    def make_client(self, address: str, *, insecure: bool, credentials: Sequence[str] = ()) -> RegistryClient:
        file = self._directory / "auth.json"
        encoded = BASIC.removeprefix("Basic ")
        file.write_text(
            json.dumps({"auths": {key: {"auth": encoded} for key in credentials}}), encoding="utf-8"
        )
        certificates = self._directory / "certs.d"
        if not (certificates / address).exists():
            write_certificates(certificates, address, self._authority)
        return RegistryClient(
            insecure=frozenset({address} if insecure else ()),
            timeout=20,
            credentials=CredentialStore(file),
            certificates=CertificateStore(certificates),
        )

    def resolve(self, address: str, *, insecure: bool, credentials: Sequence[str] = ()) -> ResolvedImage:
        client = self.make_client(address, insecure=insecure, credentials=credentials)
        return client.resolve(ImageReference.parse(f"{address}/team/hello:1"))

    def failure(self, address: str, *, insecure: bool, credentials: Sequence[str] = ()) -> RegistryFailure:
        with pytest.raises(RegistryFailure) as caught:
            self.resolve(address, insecure=insecure, credentials=credentials)
        assert PASSWORD not in str(caught.value)
        assert BASIC.removeprefix("Basic ") not in str(caught.value)
        return caught.value


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(tmp_path, stack)


def port_of(address: str) -> str:
    return address.rpartition(":")[2]


# -- redirects


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_credentials_stay_with_the_host_that_asked_for_them(stage: Stage, scheme: str) -> None:
    store, tls = Server(), scheme == "https"
    elsewhere = stage.serve(store, tls=tls)
    registry = Server(
        requires=BASIC,
        routes={
            "/v2/team/hello/blobs/": redirect(f"{scheme}://localhost:{port_of(elsewhere)}/store/blobs/1")
        },
    )
    address = stage.serve(registry, tls=tls)
    resolved = stage.resolve(address, insecure=not tls, credentials=[address, "localhost", elsewhere])
    assert resolved.children == (expected(CHILD),)
    assert store.requests == [("/store/blobs/1", None)]
    assert registry.shown == {None, BASIC}


def test_credentials_stay_on_a_redirect_within_the_registry(stage: Stage) -> None:
    registry = Server(
        requires=BASIC, routes={"/v2/team/hello/manifests/1": redirect("/v2/team/hello/manifests/latest")}
    )
    address = stage.serve(registry)
    resolved = stage.resolve(address, insecure=True, credentials=[address])
    assert resolved.children == (expected(CHILD),)
    assert [path for path, shown in registry.requests if shown == BASIC and "manifests" in path] == [
        "/v2/team/hello/manifests/1",
        "/v2/team/hello/manifests/latest",
    ]


def test_who_a_registry_sends_its_clients_to_gets_no_password_by_asking_for_one(stage: Stage) -> None:
    thief = Server(requires=BASIC)
    elsewhere = stage.serve(thief)
    registry = Server(
        requires=BASIC,
        routes={"/v2/team/hello/blobs/": redirect(f"http://localhost:{port_of(elsewhere)}/")},
    )
    address = stage.serve(registry)
    failure = stage.failure(address, insecure=True, credentials=[address, f"localhost:{port_of(elsewhere)}"])
    assert failure.reason is Reason.REGISTRY_DENIED
    assert thief.shown == {None}


def test_who_a_registry_sends_its_clients_to_names_no_token_server(stage: Stage) -> None:
    tokens = Server(routes={"/token": give_token()})
    realm = f"https://localhost:{port_of(stage.serve(tokens, tls=True))}/token"
    thief = Server(requires="Bearer t", challenge=ask_for_token(realm))
    elsewhere = stage.serve(thief, tls=True)
    address = stage.serve(Server(routes={"/v2/": redirect(f"https://{elsewhere}/")}), tls=True)
    failure = stage.failure(address, insecure=False, credentials=[address])
    assert failure.reason is Reason.REGISTRY_DENIED
    assert thief.shown == {None}
    assert tokens.requests == []


def test_a_redirect_that_gives_up_tls_is_not_followed(stage: Stage) -> None:
    plain = Server()
    elsewhere = stage.serve(plain)
    address = stage.serve(Server(routes={"/v2/": redirect(f"http://{elsewhere}/")}), tls=True)
    failure = stage.failure(address, insecure=False)
    assert failure.reason is Reason.REGISTRY_UNREACHABLE
    assert f"the registry {address} sends its clients on to 127.0.0.1 without TLS" in failure.message
    assert plain.requests == []


@pytest.mark.parametrize(("host", "words"), LIMITS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_redirect_into_another_network_is_not_followed(
    stage: Stage, host: str, words: str, scheme: str
) -> None:
    tls = scheme == "https"
    target = f"{scheme}://{host}:1/latest/meta-data"
    address = stage.serve(Server(routes={"/v2/": redirect(target)}), tls=tls)
    failure = stage.failure(address, insecure=not tls)
    assert failure.reason is Reason.REGISTRY_UNREACHABLE
    assert f"sends its clients to {host}:1, {words}, where it is not itself" in failure.message


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("ftp://127.0.0.1/", "sends its clients to an address that is not https://host/path"),
        ("http://user:pw@127.0.0.1/", "sends its clients to an address that is not https://host/path"),
        ("http://127.1/", "sends its clients to '127.1', which is no host"),
        ("http://127.0.0.1:x/", "sends its clients to what is no address"),
    ],
)
def test_a_redirect_that_is_no_address_is_not_followed(stage: Stage, location: str, message: str) -> None:
    address = stage.serve(Server(routes={"/v2/": redirect(location)}))
    failure = stage.failure(address, insecure=True)
    assert failure.reason is Reason.REGISTRY_UNREACHABLE
    assert message in failure.message


def test_an_address_that_opens_a_store_is_neither_logged_nor_shown(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store = Server(routes={"/blobs/broken": response(500)})
    elsewhere = f"http://localhost:{port_of(stage.serve(store))}"
    addresses = [
        stage.serve(
            Server(routes={"/v2/team/hello/blobs/": redirect(f"{elsewhere}{path}?X-Amz-Signature=secret")})
        )
        for path in ("/blobs/1", "/blobs/broken")
    ]
    stage.resolve(addresses[0], insecure=True)
    failure = stage.failure(addresses[1], insecure=True)
    assert "answered HTTP 500" in failure.message
    assert "secret" not in failure.message
    assert [path for path, _ in store.requests] == [
        "/blobs/1?X-Amz-Signature=secret",
        "/blobs/broken?X-Amz-Signature=secret",
    ]
    assert "secret" not in caplog.text


# -- realms


def ask_for_token(realm: str) -> str:
    return f'WWW-Authenticate: Bearer realm="{realm}",service="lab",scope="repository:team/hello:pull"'


def give_token(document: str = '{"token": "t", "expires_in": 300}') -> bytes:
    return response(200, document.encode())


def test_a_token_server_on_another_host_gets_the_credentials_over_tls(stage: Stage) -> None:
    tokens = Server(routes={"/token": give_token()})
    realm = f"https://localhost:{port_of(stage.serve(tokens, tls=True))}/token?tenant=1"
    registry = Server(requires="Bearer t", challenge=ask_for_token(realm))
    address = stage.serve(registry, tls=True)
    assert stage.resolve(address, insecure=False, credentials=[address]).children == (expected(CHILD),)
    assert tokens.requests == [
        ("/token?tenant=1&service=lab&scope=repository%3Ateam%2Fhello%3Apull&account=till", BASIC)
    ]
    assert registry.shown == {None, "Bearer t"}


def test_an_insecure_registry_does_not_say_which_other_host_gets_its_credentials(stage: Stage) -> None:
    thief = Server(routes={"/token": give_token()})
    realm = f"https://localhost:{port_of(stage.serve(thief, tls=True))}/token"
    registry = Server(requires="Bearer t", challenge=ask_for_token(realm))
    address = stage.serve(registry)
    failure = stage.failure(address, insecure=True, credentials=[address])
    assert failure.reason is Reason.REGISTRY_DENIED
    assert "is insecure, and its token server localhost is another host: it gets no credentials" in (
        failure.message
    )
    assert thief.requests == []
    assert stage.resolve(address, insecure=True).children == (expected(CHILD),)
    assert thief.shown == {None}


def test_an_insecure_registrys_own_host_gets_its_credentials(stage: Stage) -> None:
    tokens = Server(routes={"/token": give_token()})
    realm = f"http://{stage.serve(tokens)}/token"
    address = stage.serve(Server(requires="Bearer t", challenge=ask_for_token(realm)))
    assert stage.resolve(address, insecure=True, credentials=[address]).children == (expected(CHILD),)
    assert tokens.shown == {BASIC}


@pytest.mark.parametrize(
    ("realm", "kind", "message"),
    [
        ("http://{tokens}/token", "secure", "for a token to 127.0.0.1 without TLS"),
        ("http://localhost:{port}/token", "insecure", "for a token to localhost without TLS"),
        ("https://user:pw@{tokens}/token", "insecure", "to an address that is not https://host/path"),
        ("file:///etc/passwd", "insecure", "to an address that is not https://host/path"),
        ("https://0x7f.1:{port}/token", "insecure", "to '0x7f.1', which is no host"),
        ("https://0/token", "insecure", "to '0', which is no host"),
        *(
            (f"https://{host}:1/token", "insecure", f"to {host}:1, {words}, where it is")
            for host, words in LIMITS
        ),
        *(
            (f"https://{host}:1/token", "secure", f"to {host}:1, {words}, where it is")
            for host, words in LIMITS
        ),
    ],
)
def test_a_realm_where_nobody_may_be_sent_is_not_asked(
    stage: Stage,
    realm: str,
    kind: str,
    message: str,
) -> None:
    tokens, insecure = Server(routes={"/token": give_token()}), kind == "insecure"
    served = stage.serve(tokens)
    challenge = ask_for_token(realm.format(tokens=served, port=port_of(served)))
    address = stage.serve(Server(requires="Bearer t", challenge=challenge), tls=not insecure)
    failure = stage.failure(address, insecure=insecure, credentials=[] if insecure else [address])
    assert failure.reason is Reason.REGISTRY_UNREACHABLE
    assert f"the registry {address} sends its clients {message}" in failure.message
    assert tokens.requests == []


def test_a_token_server_sends_no_credentials_on(stage: Stage) -> None:
    thief = Server(routes={"/": give_token()})
    elsewhere = f"http://localhost:{port_of(stage.serve(thief))}/steal"
    tokens = Server(routes={"/token": redirect(elsewhere)})
    realm = f"http://{stage.serve(tokens)}/token"
    address = stage.serve(Server(requires="Bearer t", challenge=ask_for_token(realm)))
    assert stage.resolve(address, insecure=True, credentials=[address]).children == (expected(CHILD),)
    assert tokens.shown == {BASIC}
    assert thief.requests == [("/steal", None)]


@pytest.mark.parametrize(
    ("answer", "reason", "message"),
    [
        (response(401), Reason.REGISTRY_DENIED, "for the credentials configured for it (HTTP 401)"),
        (response(403), Reason.REGISTRY_DENIED, "for the credentials configured for it (HTTP 403)"),
        (
            response(429, b"", "Retry-After: 90"),
            Reason.REGISTRY_UNREACHABLE,
            "takes no more requests for now (HTTP 429) and asks to wait 1 min 30 s",
        ),
        (response(500), Reason.REGISTRY_UNREACHABLE, "answered HTTP 500"),
        (response(200, b"<html>"), Reason.REGISTRY_UNREACHABLE, "sent something else than a token"),
        (
            give_token('{"token": "a\\r\\nb"}'),
            Reason.REGISTRY_UNREACHABLE,
            "sent something else than a token",
        ),
        (response(200, b" " * 70000), Reason.REGISTRY_UNREACHABLE, "has more than the 65536 bytes allowed"),
        (b"nonsense", Reason.REGISTRY_UNREACHABLE, "broke off or sent no proper answer"),
    ],
)
def test_a_token_server_that_gives_none_is_named(
    stage: Stage, answer: bytes, reason: Reason, message: str
) -> None:
    tokens = stage.serve(Server(routes={"/token": answer}), tls=True)
    realm = f"https://localhost:{port_of(tokens)}/token"
    address = stage.serve(Server(requires="Bearer t", challenge=ask_for_token(realm)), tls=True)
    failure = stage.failure(address, insecure=False, credentials=[address])
    assert failure.reason is reason
    assert message in failure.message
    assert "localhost" in failure.message or "the token server" in failure.message


def test_what_a_registry_asked_for_is_shown_unasked_from_then_on(stage: Stage) -> None:
    tokens = Server(routes={"/token": give_token()})
    realm = f"http://{stage.serve(tokens)}/token"
    for registry in (Server(requires=BASIC), Server(requires="Bearer t", challenge=ask_for_token(realm))):
        address = stage.serve(registry)
        client = stage.make_client(address, insecure=True, credentials=[address])
        for _ in range(3):
            client.resolve(ImageReference.parse(f"{address}/team/hello:1"))
        # The tag each time, and the config once.
        assert [shown for _, shown in registry.requests] == [None, *[registry.requires] * 4]


@pytest.mark.parametrize(
    "challenge", ["X-Nothing: 1", "WWW-Authenticate: Negotiate", 'WWW-Authenticate: Bearer service="lab"']
)
def test_what_nobody_here_can_answer_is_a_refusal(stage: Stage, challenge: str) -> None:
    registry = Server(requires="Bearer t", challenge=challenge)
    address = stage.serve(registry)
    failure = stage.failure(address, insecure=True, credentials=[address])
    assert failure.reason is Reason.REGISTRY_DENIED
    assert failure.message.endswith("the registry refuses to give the tag 1 (HTTP 401)")
    assert registry.shown == {None}


# -- names


def test_a_name_is_judged_by_where_it_leads(tmp_path: Path) -> None:
    """In a network with a public address, and with a file of names that only it sees."""
    hosts = tmp_path / "hosts"
    hosts.write_text("9.9.9.9 registry.example cdn.example\n127.0.0.1 inside.example\n", encoding="ascii")
    commands = (
        "ip link set lo up",
        "ip address add 9.9.9.9/32 dev lo",
        f"mount --bind {hosts} /etc/hosts",
        f"exec {sys.executable} {FIXTURES}/lured_client.py cdn.example inside.example",
    )
    outcomes = json.loads(run(["unshare", "--net", "--mount", "--", "sh", "-ec", "\n".join(commands)]))
    assert outcomes["cdn.example"]["names"] == ["registry.example", "cdn.example"]
    assert outcomes["cdn.example"]["reason"] == Reason.IMAGE_INVALID
    assert outcomes["inside.example"]["names"] == ["registry.example"]
    assert outcomes["inside.example"]["reason"] == Reason.REGISTRY_UNREACHABLE
    assert "a loopback address, where it is not itself" in outcomes["inside.example"]["message"]


# -- proxies


def test_a_proxy_is_used_and_its_address_is_nobody_elses(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Server(
        routes={"http://registry.example/v2/team/hello/blobs/": redirect("http://cdn.example/blobs/1")}
    )
    monkeypatch.setenv("http_proxy", f"http://{stage.serve(proxy)}")
    assert stage.resolve("registry.example", insecure=True).children == (expected(CHILD),)
    assert [path for path, _ in proxy.requests] == [
        "http://registry.example/v2/team/hello/manifests/1",
        f"http://registry.example/v2/team/hello/blobs/{CHILD.config.digest}",
        "http://cdn.example/blobs/1",
    ]


@pytest.mark.parametrize(("host", "words"), [*LIMITS, ("127.0.0.1", "a loopback address")])
def test_behind_a_proxy_nobody_is_sent_to_what_is_no_public_address(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, host: str, words: str
) -> None:
    proxy = Server(routes={"http://registry.example/v2/": redirect(f"http://{host}:1/")})
    monkeypatch.setenv("http_proxy", f"http://{stage.serve(proxy)}")
    failure = stage.failure("registry.example", insecure=True)
    assert failure.reason is Reason.REGISTRY_UNREACHABLE
    assert f"sends its clients to {host}:1, {words}" in failure.message
    assert len(proxy.requests) == 1
