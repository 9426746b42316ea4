"""Pushing an image to a registry (distribution-spec, "Push")."""

import contextlib
import http.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.image import Blob, Image

ANSWER_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedImage:
    """An image as a registry holds it. `children` and `configs` map platforms to digests."""

    repository: str
    tag: str
    index: str
    children: Mapping[str, str]
    configs: Mapping[str, str]

    @property
    def reference(self) -> str:
        """The name an operator writes: `repository:tag`."""
        return f"{self.repository}:{self.tag}"

    def pinned(self, platform: str) -> str:
        """The name a device pulls: `repository@child`."""
        return f"{self.repository}@{self.children[platform]}"


def push_image(image: Image, *, registry: str, name: str, tag: str) -> PushedImage:
    """Push the image to `registry` (host:port, plain HTTP) and let the tag name its index.

    Raises:
        LabError: the registry did not answer, or refused something.
    """
    with _connect(registry) as connection:
        for child in image.children:
            for blob in (child.config, *child.layers):
                _push_blob(connection, name, blob)
            _push_manifest(connection, name, child.manifest, child.manifest.digest)
        _push_manifest(connection, name, image.index, tag)
    return PushedImage(
        repository=f"{registry}/{name}",
        tag=tag,
        index=image.index.digest,
        children=MappingProxyType({child.platform: child.manifest.digest for child in image.children}),
        configs=MappingProxyType({child.platform: child.config.digest for child in image.children}),
    )


@contextlib.contextmanager
def _connect(registry: str) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(registry, timeout=ANSWER_SECONDS)
    try:
        yield connection
    except (OSError, http.client.HTTPException) as error:
        raise LabError(f"the registry {registry} does not answer: {error}") from error
    finally:
        connection.close()


def _push_blob(connection: http.client.HTTPConnection, name: str, blob: Blob) -> None:
    status, _ = _exchange(connection, "HEAD", f"/v2/{name}/blobs/{blob.digest}")
    if status == http.HTTPStatus.OK:
        return
    location = _demand(connection, "POST", f"/v2/{name}/blobs/uploads/", status=http.HTTPStatus.ACCEPTED)
    upload = urlsplit(location)
    _demand(
        connection,
        "PUT",
        f"{upload.path}?{upload.query}&digest={blob.digest}",
        body=blob.content,
        media_type="application/octet-stream",
        status=http.HTTPStatus.CREATED,
    )


def _push_manifest(connection: http.client.HTTPConnection, name: str, manifest: Blob, reference: str) -> None:
    _demand(
        connection,
        "PUT",
        f"/v2/{name}/manifests/{reference}",
        body=manifest.content,
        media_type=manifest.media_type,
        status=http.HTTPStatus.CREATED,
    )


def _demand(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    *,
    status: http.HTTPStatus,
    body: bytes = b"",
    media_type: str = "application/octet-stream",
) -> str:
    """Make the request and return the Location that the registry answers with."""
    answered, location = _exchange(connection, method, path, body=body, media_type=media_type)
    if answered != status:
        raise LabError(f"the registry {connection.host} answered {answered} to {method} {path}, not {status}")
    return location


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    *,
    body: bytes = b"",
    media_type: str = "application/octet-stream",
) -> tuple[int, str]:
    connection.request(method, path, body=body, headers={"Content-Type": media_type})
    response = connection.getresponse()
    response.read()
    return response.status, response.getheader("Location", "")
