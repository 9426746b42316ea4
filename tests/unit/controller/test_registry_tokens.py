"""Token servers' answers, and for how long they are good."""

import json
from dataclasses import replace
from typing import Final

import pytest

from polyfleet_controller.registry.credentials import Credentials
from polyfleet_controller.registry.tokens import (
    TOKEN_LIMIT,
    Token,
    TokenCache,
    TokenError,
    TokenKey,
    choose_scopes,
    read_token,
)

KEY: Final = TokenKey(
    registry="registry.example",
    realm="https://auth.example/token",
    service="registry",
    scopes=("repository:a:pull",),
    credentials=None,
)


def credentials(username: str, password: str) -> Credentials:
    return Credentials(username=username, password=password, identity_token=password)


@pytest.mark.parametrize(
    ("document", "value", "expires_at"),
    [
        ({"token": "a.b-c"}, "a.b-c", 1060),
        ({"access_token": "a"}, "a", 1060),
        ({"token": "a", "access_token": "b"}, "a", 1060),
        ({"token": "", "access_token": "b"}, "b", 1060),
        ({"token": None, "access_token": "b"}, "b", 1060),
        ({"token": "a", "expires_in": 300, "issued_at": "2026-01-01T00:00:00Z"}, "a", 1300),
        ({"token": "a", "expires_in": 0.5}, "a", 1000.5),
        ({"token": "a", "expires_in": -5}, "a", 1000),
        ({"token": "a", "expires_in": 10**30}, "a", 1000 + 12 * 3600),
        ({"token": "a", "expires_in": "300"}, "a", 1060),
        ({"token": "a", "expires_in": True}, "a", 1060),
        ({"token": "a", "expires_in": None, "refresh_token": "c"}, "a", 1060),
    ],
)
def test_a_token_is_read_with_its_life(document: dict[str, object], value: str, expires_at: float) -> None:
    assert read_token(json.dumps(document).encode(), now=1000) == Token(value=value, expires_at=expires_at)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[]",
        b'"secret"',
        b"{}",
        b'{"token": 5}',
        b'{"token": "secret with space"}',
        b'{"token": "secret\\nX-Injected: 1"}',
        '{"token": "secret\u00e9"}'.encode(),
        b'{"token": "secret"' + b" " * TOKEN_LIMIT + b"}",
    ],
)
def test_what_is_no_token_is_refused_without_being_shown(content: bytes) -> None:
    with pytest.raises(TokenError) as caught:
        read_token(content, now=0)
    assert str(caught.value) == "sent something else than a token"


def test_a_token_does_not_show_itself() -> None:
    token = read_token(b'{"token": "secret"}', now=0)
    key = replace(KEY, credentials=credentials("u", "secret"))
    assert "secret" not in f"{token!r} {token} {key!r} {key}"


def test_a_token_is_used_until_shortly_before_it_expires() -> None:
    cache, token = TokenCache(), Token(value="a", expires_at=100)
    assert cache.get(KEY, now=0) is None
    cache.put(KEY, token)
    assert cache.get(KEY, now=94.9) == token
    assert cache.get(KEY, now=95) is None


def test_a_rejected_token_is_used_no_more() -> None:
    cache, token = TokenCache(), Token(value="a", expires_at=100)
    cache.put(KEY, token)
    assert cache.get(KEY, now=0, rejected="a") is None
    assert cache.get(KEY, now=0, rejected="another") == token


@pytest.mark.parametrize(
    "key",
    [
        replace(KEY, registry="another.example"),
        replace(KEY, realm="https://another.example/token"),
        replace(KEY, service="another"),
        replace(KEY, scopes=("repository:b:pull",)),
        replace(KEY, credentials=credentials("u", "p")),
    ],
)
def test_a_token_serves_only_for_what_it_was_given_for(key: TokenKey) -> None:
    cache = TokenCache()
    cache.put(KEY, Token(value="a", expires_at=100))
    assert cache.get(key, now=0) is None


@pytest.mark.parametrize(
    ("asked_for", "scopes"),
    [
        ("repository:a/b:pull", ("repository:a/b:pull",)),
        ("repository:a/b:pull,push", ("repository:a/b:pull",)),
        ("repository:other/name:pull", ("repository:other/name:pull",)),
        ("repository:host:5000/name:pull", ("repository:host:5000/name:pull",)),
        ("repository(plugin):a:pull", ("repository(plugin):a:pull",)),
        ("repository:a:pull repository:b:pull repository:a:pull", ("repository:a:pull", "repository:b:pull")),
        ("repository:a:pull registry:catalog:*", ("repository:a:pull",)),
        ("repository:a:push,delete", ("repository:mine:pull",)),
        ("registry:catalog:*", ("repository:mine:pull",)),
        ("aws", ("aws",)),
        ("", ("repository:mine:pull",)),
    ],
)
def test_no_more_is_asked_for_than_to_pull(asked_for: str, scopes: tuple[str, ...]) -> None:
    assert choose_scopes(asked_for, "mine") == scopes
