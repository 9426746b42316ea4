"""Where a person's credentials for registries are, if nobody says where (containers-auth.json(5))."""

from collections.abc import Iterator, Mapping
from pathlib import Path


def find_auth_file(environment: Mapping[str, str], uid: int) -> Path | None:
    """Find the file that `podman login` writes, or else Docker's: the first that is there.

    One that the environment names need not exist: that it does not is then told.
    """
    named = environment.get("REGISTRY_AUTH_FILE")
    if named:
        return Path(named)
    return next((path for path in _usual_places(environment, uid) if path.is_file()), None)


def _usual_places(environment: Mapping[str, str], uid: int) -> Iterator[Path]:
    runtime, home = environment.get("XDG_RUNTIME_DIR"), environment.get("HOME")
    if runtime:
        yield Path(runtime) / "containers/auth.json"
    yield Path(f"/run/containers/{uid}/auth.json")
    if home:
        configuration = environment.get("XDG_CONFIG_HOME") or f"{home}/.config"
        yield Path(configuration) / "containers/auth.json"
        yield Path(home) / ".docker/config.json"
