"""Where addresses are, and from which registries one may be sent there."""

import pytest

from polyfleet_controller.registry.addresses import Scope, may_reach, scope_of, scope_of_name


@pytest.mark.parametrize(
    ("address", "scope"),
    [
        ("127.0.0.1", Scope.LOOPBACK),
        ("127.8.8.8", Scope.LOOPBACK),
        ("::1", Scope.LOOPBACK),
        ("0.0.0.0", Scope.LOOPBACK),  # noqa: S104 - nothing is bound to it
        ("::", Scope.LOOPBACK),
        ("::ffff:127.0.0.1", Scope.LOOPBACK),
        ("64:ff9b::7f00:1", Scope.LOOPBACK),
        ("2002:7f00:1::", Scope.LOOPBACK),
        ("169.254.169.254", Scope.LINK_LOCAL),
        ("fe80::1%eth0", Scope.LINK_LOCAL),
        ("::ffff:169.254.169.254", Scope.LINK_LOCAL),
        ("10.0.0.1", Scope.PRIVATE),
        ("172.31.0.1", Scope.PRIVATE),
        ("192.168.1.1", Scope.PRIVATE),
        ("100.64.0.1", Scope.PRIVATE),
        ("fd00::1", Scope.PRIVATE),
        ("fec0::1", Scope.PRIVATE),
        ("fd00:ec2::254", Scope.PRIVATE),
        ("64:ff9b:1::a00:1", Scope.PRIVATE),
        ("224.0.0.1", Scope.PRIVATE),
        ("ff02::1", Scope.PRIVATE),
        ("240.0.0.1", Scope.PRIVATE),
        ("255.255.255.255", Scope.PRIVATE),
        ("::ffff:10.0.0.1", Scope.PRIVATE),
        ("2002:a00:1::", Scope.PRIVATE),
        ("8.8.8.8", Scope.PUBLIC),
        ("172.32.0.1", Scope.PUBLIC),
        ("2606:4700::1111", Scope.PUBLIC),
        ("::ffff:8.8.8.8", Scope.PUBLIC),
        ("64:ff9b::808:808", Scope.PUBLIC),
    ],
)
def test_an_address_is_placed_by_how_far_it_reaches(address: str, scope: Scope) -> None:
    assert scope_of(address) is scope


@pytest.mark.parametrize(
    ("host", "scope"),
    [
        ("localhost", Scope.LOOPBACK),
        ("localhost.", Scope.LOOPBACK),
        ("registry.localhost", Scope.LOOPBACK),
        ("10.0.0.1", Scope.PRIVATE),
        ("::1", Scope.LOOPBACK),
        ("auth.docker.io", None),
        ("auth.docker.io.", None),
        ("xn--bcher-kva.de", None),
        ("token_server", None),
        ("localhost.example.com", None),
    ],
)
def test_a_name_is_placed_where_it_needs_no_resolver(host: str, scope: Scope | None) -> None:
    assert scope_of_name(host) is scope


@pytest.mark.parametrize(
    "host",
    [
        *("127.1", "2130706433", "0x7f.1", "0x7f000001", "1.2.3.4.5", "256.1.1.1", "127.0.0.1.", "a.0x"),
        *("", "..", ".", "a..b", "a/b", "-", "a b", "[::1]", "ä", "a%00", "x" * 64),
    ],
)
def test_what_resolvers_read_in_surprising_ways_is_no_host(host: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6 address"):
        scope_of_name(host)


@pytest.mark.parametrize("registry", [*Scope, None])
def test_a_registry_sends_its_clients_to_the_internet_or_to_where_it_is_itself(
    registry: Scope | None,
) -> None:
    reachable = {target for target in Scope if may_reach(target, registry=registry)}
    assert reachable == {Scope.PUBLIC, *([] if registry is None else [registry])}
