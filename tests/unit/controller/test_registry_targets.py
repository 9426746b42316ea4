"""Where registries may send their clients."""

import httpx2
import pytest

from polyfleet_controller.registry.targets import (
    Home,
    UnsafeTargetError,
    follow,
    may_carry_credentials,
    read_realm,
)

SECURE = Home(host="registry.example", plain_http=False)
INSECURE = Home(host="registry.example", plain_http=True)


@pytest.mark.parametrize(
    ("realm", "home"),
    [
        ("https://auth.example/token", SECURE),
        ("https://auth.example/token", INSECURE),
        ("https://registry.example:8443/token?tenant=1", SECURE),
        ("http://registry.example:5001/token", INSECURE),
    ],
)
def test_a_realm_is_taken_over_tls_or_from_an_insecure_registrys_own_host(realm: str, home: Home) -> None:
    assert str(read_realm(realm, home)) == realm


@pytest.mark.parametrize(
    ("realm", "home", "message"),
    [
        ("http://registry.example/token", SECURE, "to registry.example without TLS"),
        ("http://auth.example/token", INSECURE, "to auth.example without TLS"),
        ("http://169.254.169.254/latest", SECURE, "to 169.254.169.254 without TLS"),
        ("ftp://auth.example/token", SECURE, "that is not https://host/path"),
        ("file:///etc/passwd", SECURE, "that is not https://host/path"),
        ("https://user:hidden@auth.example/", SECURE, "that is not https://host/path"),
        ("//auth.example/token", SECURE, "that is not https://host/path"),
        ("token", SECURE, "that is not https://host/path"),
        ("", SECURE, "that is not https://host/path"),
        ("https:///token", SECURE, "'', which is no host"),
        ("https://127.1/token", SECURE, "'127.1', which is no host"),
        ("https://../token", SECURE, "'..', which is no host"),
        ("https://auth.example:port/", SECURE, "what is no address"),
        ("https://auth\nexample/", SECURE, "what is no address"),
    ],
)
def test_a_realm_that_is_not_safe_is_refused(realm: str, home: Home, message: str) -> None:
    with pytest.raises(UnsafeTargetError) as caught:
        read_realm(realm, home)
    assert message in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("realm", "home", "carried"),
    [
        ("https://registry.example/token", SECURE, "yes"),
        ("https://registry.example:8443/token", SECURE, "yes"),
        ("https://auth.example/token", SECURE, "yes"),
        ("http://registry.example:5001/token", INSECURE, "yes"),
        ("https://registry.example/token", INSECURE, "yes"),
        ("https://auth.example/token", INSECURE, "no"),
    ],
)
def test_only_a_registry_whose_word_is_its_own_names_who_gets_its_credentials(
    realm: str, home: Home, carried: str
) -> None:
    assert may_carry_credentials(httpx2.URL(realm), home) is (carried == "yes")


@pytest.mark.parametrize(
    ("source", "location", "target"),
    [
        (
            "https://a.example/v2/x",
            "https://cdn.example/blob?signature=1",
            "https://cdn.example/blob?signature=1",
        ),
        ("https://a.example/v2/x", "/elsewhere", "https://a.example/elsewhere"),
        ("https://a.example/v2/x", "//cdn.example/y", "https://cdn.example/y"),
        ("http://a.example/v2/x", "https://a.example/v2/x", "https://a.example/v2/x"),
        ("http://a.example/v2/x", "http://b.example/y", "http://b.example/y"),
    ],
)
def test_a_redirect_is_followed(source: str, location: str, target: str) -> None:
    assert str(follow(httpx2.URL(source), location)) == target


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://a.example/v2/x", "on to a.example without TLS"),
        ("http://cdn.example/", "on to cdn.example without TLS"),
        ("ftp://cdn.example/", "that is not https://host/path"),
        ("https://user@cdn.example/", "that is not https://host/path"),
        ("https://0x7f.1/", "'0x7f.1', which is no host"),
        ("https://cdn.example:x/", "what is no address"),
    ],
)
def test_a_redirect_that_is_not_safe_is_refused(location: str, message: str) -> None:
    with pytest.raises(UnsafeTargetError) as caught:
        follow(httpx2.URL("https://a.example/v2/x"), location)
    assert message in str(caught.value)
