"""Where a person's credentials are looked for."""

from pathlib import Path

import pytest

from polyfleet_controller.registry.auth_files import find_auth_file

NOBODY = 4_000_000_000  # has no directory below /run


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}", encoding="ascii")
    return path


def test_the_variable_decides_even_for_a_file_that_is_not_there(tmp_path: Path) -> None:
    put(tmp_path / ".docker/config.json")
    environment = {"HOME": str(tmp_path), "REGISTRY_AUTH_FILE": "/none.json"}
    assert find_auth_file(environment, NOBODY) == Path("/none.json")


def test_the_file_of_the_login_comes_first_and_dockers_last(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    found = [find_auth_file(environment, NOBODY)]
    places = ("home/.docker/config.json", "home/.config/containers/auth.json", "run/containers/auth.json")
    expected = [put(tmp_path / place) for place in places[:1]]
    found.append(find_auth_file(environment, NOBODY))
    for place in places[1:]:
        expected.append(put(tmp_path / place))
        found.append(find_auth_file(environment, NOBODY))
    assert found == [None, *expected]


@pytest.mark.parametrize("environment", [{}, {"HOME": ""}, {"HOME": "/none", "XDG_CONFIG_HOME": "/none"}])
def test_without_any_nobody_is_logged_in(environment: dict[str, str]) -> None:
    assert find_auth_file(environment, NOBODY) is None
