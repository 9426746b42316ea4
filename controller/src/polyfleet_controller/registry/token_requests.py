"""Requests to token servers (distribution, "Token Authentication Specification" and "OAuth2 …")."""

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import httpx2

from polyfleet_controller.registry.channel import Answer, Channel, Wanted
from polyfleet_controller.registry.targets import UnsafeTargetError, may_carry_credentials, read_realm
from polyfleet_controller.registry.tokens import TOKEN_LIMIT, Token, TokenError, TokenKey, read_token
from polyfleet_shared.reasons import Reason

_CLIENT: Final = "polyfleet"
_TOKEN: Final = Wanted(
    what="the token server's answer",
    limit=TOKEN_LIMIT,
    reason=Reason.REGISTRY_UNREACHABLE,
    media_types=("application/json",),
)
# Token servers that know OAuth2 alone answer so to the older way.
_WRONG_METHOD: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
_REFUSALS: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def fetch_token(channel: Channel, key: TokenKey) -> Token:
    """Ask the token server that a registry named, once that registry itself has answered over the channel.

    Raises:
        RegistryFailure: it gives none, or is not to be asked.
    """
    try:
        realm = read_realm(key.realm, channel.home)
    except UnsafeTargetError as error:
        raise channel.unreachable(str(error)) from None
    if key.credentials is not None and not may_carry_credentials(realm, channel.home):
        raise channel.failure(
            Reason.REGISTRY_DENIED,
            f"the registry {key.registry} is insecure, and its token server {realm.host} is another host: "
            "it gets no credentials",
        )
    answer = _ask(channel, realm, key)
    try:
        return read_token(answer.content, now=time.monotonic())
    except TokenError as error:
        raise channel.unreachable(str(error), realm) from None


def _ask(channel: Channel, realm: httpx2.URL, key: TokenKey) -> Answer:
    credentials = key.credentials
    if credentials is not None and credentials.identity_token is not None:
        answer = channel.post(
            realm,
            _form(key, {"grant_type": "refresh_token", "refresh_token": credentials.identity_token}),
            _TOKEN,
        )
    else:
        answer = channel.get(
            _with_query(realm, key),
            _TOKEN,
            authorization=None if credentials is None else credentials.basic,
        )
        if credentials is not None and answer.status in _WRONG_METHOD:
            form = {
                "grant_type": "password",
                "username": credentials.username,
                "password": credentials.password,
            }
            answer = channel.post(realm, _form(key, form), _TOKEN)
    if answer.status in _REFUSALS:
        whose = "without credentials" if credentials is None else "for the credentials configured for it"
        raise channel.failure(
            Reason.REGISTRY_DENIED,
            f"{realm.host} gives no token for the registry {key.registry} {whose} (HTTP {answer.status})",
        )
    channel.require_success(answer, realm)
    return answer


def _with_query(realm: httpx2.URL, key: TokenKey) -> httpx2.URL:
    query = [("service", key.service)] if key.service else []
    query += [("scope", scope) for scope in key.scopes]
    if key.credentials is not None:
        query.append(("account", key.credentials.username))
    return realm.copy_with(params=[*realm.params.multi_items(), *query])


def _form(key: TokenKey, grant: Mapping[str, str]) -> dict[str, str]:
    form = {"client_id": _CLIENT, "scope": " ".join(key.scopes), **grant}
    return {**form, "service": key.service} if key.service else form
