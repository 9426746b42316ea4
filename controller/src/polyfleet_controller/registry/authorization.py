"""What a registry must be shown before it answers: nothing, a password, or a token server's token."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final

import httpx2

from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.registry.cache import BoundedCache
from polyfleet_controller.registry.challenges import Challenge, choose_challenge, parse_challenges
from polyfleet_controller.registry.channel import Answer, Channel, Wanted
from polyfleet_controller.registry.credential_store import CredentialStore
from polyfleet_controller.registry.credentials import CredentialError, Credentials
from polyfleet_controller.registry.targets import UnsafeTargetError, may_carry_credentials, read_realm
from polyfleet_controller.registry.tokens import (
    TOKEN_LIMIT,
    TokenCache,
    TokenError,
    TokenKey,
    choose_scopes,
    read_token,
)
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_shared.reasons import Reason

_CLIENT: Final = "polyfleet"
_REMEMBERED: Final = 1024
_TOKEN: Final = Wanted(
    what="the token server's answer",
    limit=TOKEN_LIMIT,
    reason=Reason.REGISTRY_UNREACHABLE,
    media_types=("application/json",),
)
# Token servers that know OAuth2 alone answer so to the older way.
_WRONG_METHOD: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
_REFUSALS: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """An Authorization header, and the challenge that it answers.

    One that is not `fresh` was good once: if it is refused, the next may be good again. `has_credentials`
    tells whether any were behind it.
    """

    header: str = field(repr=False)
    challenge: Challenge
    fresh: bool
    has_credentials: bool


class Authorizer:
    """Answers the challenges of all registries. Threads may share it."""

    def __init__(self, credentials: CredentialStore) -> None:
        self._credentials = credentials
        self._tokens = TokenCache()
        self._challenges: BoundedCache[str, Challenge] = BoundedCache(_REMEMBERED)

    def recall(self, channel: Channel) -> Authorization | None:
        """Make what the repository asked for the last time; None if it asked for nothing.

        Raises:
            RegistryFailure: the token server does not give it.
        """
        challenge = self._challenges.get(channel.reference.repository)
        if challenge is None:
            return None
        try:
            return replace(self._answer(channel, challenge, rejected=None), fresh=False)
        except RegistryFailure:
            # It may ask for something else by now.
            self._challenges.drop(channel.reference.repository)
            raise

    def remember(self, reference: ImageReference, authorization: Authorization) -> None:
        """Note what the repository was content with."""
        self._challenges.put(reference.repository, authorization.challenge)

    def answer(
        self, channel: Channel, refusal: Answer, *, rejected: Authorization | None
    ) -> Authorization | None:
        """Make what a registry that answered 401 asks for, other than what it has `rejected`.

        None if it asks for nothing that is known here.

        Raises:
            RegistryFailure: there are no credentials that would do, or the token server gives no token.
        """
        challenge = choose_challenge(parse_challenges(refusal.headers.get_list("WWW-Authenticate")))
        return None if challenge is None else self._answer(channel, challenge, rejected=rejected)

    def _answer(
        self, channel: Channel, challenge: Challenge, *, rejected: Authorization | None
    ) -> Authorization:
        credentials = self._find_credentials(channel)
        if challenge.scheme == "basic":
            return self._answer_with_password(channel, challenge, credentials)
        return self._answer_with_token(channel, challenge, credentials, rejected)

    def _answer_with_password(
        self, channel: Channel, challenge: Challenge, credentials: Credentials | None
    ) -> Authorization:
        if credentials is None:
            raise self._denied(channel, "asks for a password (HTTP 401), and none for it is configured")
        if not credentials.username:
            raise self._denied(
                channel, "asks for a password (HTTP 401), and only an identity token is configured"
            )
        return Authorization(header=credentials.basic, challenge=challenge, fresh=True, has_credentials=True)

    def _answer_with_token(
        self,
        channel: Channel,
        challenge: Challenge,
        credentials: Credentials | None,
        rejected: Authorization | None,
    ) -> Authorization:
        try:
            realm = read_realm(challenge.parameters["realm"], channel.home)
        except UnsafeTargetError as error:
            raise channel.unreachable(str(error)) from None
        if credentials is not None and not may_carry_credentials(realm, channel.home):
            raise self._denied(
                channel,
                f"is insecure, and its token server {realm.host} is another host: it gets no credentials",
            )
        key = TokenKey(
            registry=channel.reference.registry,
            realm=str(realm),
            service=challenge.parameters.get("service", ""),
            scopes=choose_scopes(challenge.parameters.get("scope", ""), channel.reference.path),
            credentials=credentials,
        )
        refused = None if rejected is None else rejected.header.removeprefix("Bearer ")
        token = self._tokens.get(key, now=time.monotonic(), rejected=refused)
        fresh = token is None
        if token is None:
            answer = _ask(channel, realm, key)
            try:
                token = read_token(answer.content, now=time.monotonic())
            except TokenError as error:
                raise channel.unreachable(str(error), realm) from None
            self._tokens.put(key, token)
        return Authorization(
            header=f"Bearer {token.value}",
            challenge=challenge,
            fresh=fresh,
            has_credentials=credentials is not None,
        )

    def _find_credentials(self, channel: Channel) -> Credentials | None:
        reference = channel.reference
        try:
            return self._credentials.find(reference.registry, reference.path, seconds=channel.remaining)
        except CredentialError as error:
            raise channel.failure(
                Reason.REGISTRY_DENIED, f"the credentials for {reference.registry}: {error}"
            ) from None

    def _denied(self, channel: Channel, message: str) -> RegistryFailure:
        return channel.failure(Reason.REGISTRY_DENIED, f"the registry {channel.reference.registry} {message}")


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
