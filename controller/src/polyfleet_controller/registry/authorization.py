"""What a registry must be shown before it answers: nothing, a password, or a token server's token."""

import time
from dataclasses import dataclass, field
from typing import Final

from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.registry.cache import BoundedCache
from polyfleet_controller.registry.challenges import Challenge, choose_challenge, parse_challenges
from polyfleet_controller.registry.channel import Answer, Channel
from polyfleet_controller.registry.credential_store import CredentialStore
from polyfleet_controller.registry.credentials import CredentialError, Credentials
from polyfleet_controller.registry.token_requests import fetch_token
from polyfleet_controller.registry.tokens import Token, TokenCache, TokenKey, choose_scopes
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_shared.reasons import Reason

_BASIC: Final = "basic"
_BEARER_PREFIX: Final = "Bearer "
_REMEMBERED: Final = 1024


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
        """Find what the repository was content with, as far as that takes no request.

        None if it asked for nothing, or has to be asked again what it wants.
        """
        challenge = self._challenges.get(channel.reference.repository)
        if challenge is None:
            return None
        try:
            credentials = self._find_credentials(channel)
        except RegistryFailure:
            return None
        if challenge.scheme == _BASIC:
            return None if credentials is None else _show_password(challenge, credentials, fresh=False)
        token = self._tokens.get(_key(channel, challenge, credentials), now=time.monotonic())
        return None if token is None else _show_token(challenge, token, credentials, fresh=False)

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
        if challenge is None:
            return None
        if challenge.scheme == _BASIC:
            return self._answer_with_password(channel, challenge)
        return self._answer_with_token(channel, challenge, rejected)

    def _answer_with_password(self, channel: Channel, challenge: Challenge) -> Authorization:
        credentials = self._find_credentials(channel)
        if credentials is None:
            raise _denied(channel, "asks for a password (HTTP 401), and none for it is configured")
        if not credentials.username:
            raise _denied(channel, "asks for a password (HTTP 401), and only an identity token is configured")
        return _show_password(challenge, credentials, fresh=True)

    def _answer_with_token(
        self, channel: Channel, challenge: Challenge, rejected: Authorization | None
    ) -> Authorization:
        credentials = self._find_credentials(channel)
        key = _key(channel, challenge, credentials)
        refused = None if rejected is None else rejected.header.removeprefix(_BEARER_PREFIX)
        token = self._tokens.get(key, now=time.monotonic(), rejected=refused)
        if token is not None:
            return _show_token(challenge, token, credentials, fresh=False)
        token = fetch_token(channel, key)
        self._tokens.put(key, token)
        return _show_token(challenge, token, credentials, fresh=True)

    def _find_credentials(self, channel: Channel) -> Credentials | None:
        reference = channel.reference
        try:
            return self._credentials.find(reference.registry, reference.path, seconds=channel.remaining)
        except CredentialError as error:
            raise channel.failure(
                Reason.REGISTRY_DENIED, f"the credentials for {reference.registry}: {error}"
            ) from None


def _key(channel: Channel, challenge: Challenge, credentials: Credentials | None) -> TokenKey:
    parameters = challenge.parameters
    return TokenKey(
        registry=channel.reference.registry,
        realm=parameters["realm"],
        service=parameters.get("service", ""),
        scopes=choose_scopes(parameters.get("scope", ""), channel.reference.path),
        credentials=credentials,
    )


def _show_password(challenge: Challenge, credentials: Credentials, *, fresh: bool) -> Authorization:
    return Authorization(header=credentials.basic, challenge=challenge, fresh=fresh, has_credentials=True)


def _show_token(
    challenge: Challenge, token: Token, credentials: Credentials | None, *, fresh: bool
) -> Authorization:
    return Authorization(
        header=_BEARER_PREFIX + token.value,
        challenge=challenge,
        fresh=fresh,
        has_credentials=credentials is not None,
    )


def _denied(channel: Channel, message: str) -> RegistryFailure:
    return channel.failure(Reason.REGISTRY_DENIED, f"the registry {channel.reference.registry} {message}")
