"""Images as a registry was asked for them, of whatever children a test is about."""

from polyfleet_controller.domain.images import ImageReference, IndexChild, NamedImage, ResolvedImage


def name_image(*children: IndexChild, name: str = "hello") -> NamedImage:
    """An image of these children, under a name of its own."""
    reference = ImageReference.parse(f"localhost:5000/{name}:1")
    index = "sha256:" + name.encode().hex().rjust(64, "0")[-64:]
    image = ResolvedImage(repository=reference.repository, index=index, children=children)
    return NamedImage(reference=reference, image=image)
