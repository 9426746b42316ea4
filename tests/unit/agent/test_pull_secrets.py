"""Credentials for registries that a workload names, from files that a technician has put there."""

import base64
import json
from pathlib import Path

import pytest

from polyfleet_agent.adapters.pull_secrets import Credentials, PullSecrets
from polyfleet_agent.ports import RuntimeFailure
from polyfleet_shared.reasons import Reason

REPOSITORY = "registry.example.com:5000/team/hello"
DENIED = RuntimeFailure(Reason.REGISTRY_DENIED, "unauthorized")


def write(directory: Path, name: str, **users: str) -> None:
    """A file of credentials; of each place the user, whose password is `secret-USER`."""
    auths = {
        place: {"auth": base64.b64encode(f"{user}:secret-{user}".encode()).decode()}
        for place, user in users.items()
    }
    (directory / f"{name}.json").write_text(json.dumps({"auths": auths}), encoding="utf-8")


def lent(directory: Path, *names: str) -> str | None:
    """The user with whom an image is pulled."""
    found = PullSecrets(directory).lend(REPOSITORY, names, lambda credentials: credentials)
    return None if found is None else found.username


def refuse(_: Credentials | None) -> None:
    raise DENIED


def failure(directory: Path, *names: str) -> tuple[Reason, str]:
    with pytest.raises(RuntimeFailure) as caught:
        PullSecrets(directory).lend(REPOSITORY, names, refuse)
    return caught.value.reason, caught.value.message


def test_the_entry_counts_that_names_the_most_of_the_repository(tmp_path: Path) -> None:
    users = {
        "registry.example.com:5000": "host",
        "registry.example.com:5000/team": "team",
        "other.example": "x",
    }
    write(tmp_path, "several", **users)
    write(tmp_path, "host", **{"registry.example.com:5000": "host"})
    write(tmp_path, "other", **{"registry.example.com": "x", "registry.example.com:5000/tea": "x"})
    assert [lent(tmp_path, name) for name in ("several", "host", "other")] == ["team", "host", None]


def test_the_first_secret_with_an_entry_is_taken_and_a_missing_one_hinders_nothing(tmp_path: Path) -> None:
    write(tmp_path, "other", **{"other.example": "x"})
    write(tmp_path, "second", **{"registry.example.com:5000": "second"})
    write(tmp_path, "third", **{"registry.example.com:5000": "third"})
    assert lent(tmp_path, "missing", "other", "second", "third") == "second"
    assert (lent(tmp_path), lent(tmp_path, "missing")) == (None, None)


def test_podman_gets_the_credentials_for_the_registry_in_one_header(tmp_path: Path) -> None:
    write(tmp_path, "team", **{"registry.example.com:5000/team": "team"})
    found = PullSecrets(tmp_path).lend(REPOSITORY, ("team",), lambda credentials: credentials)
    assert found is not None
    header = found.header
    assert json.loads(base64.urlsafe_b64decode(header)) == {
        "registry.example.com:5000": {"username": "team", "password": "secret-team"}
    }


def test_a_missing_secret_is_told_with_the_command_where_the_registry_refuses(tmp_path: Path) -> None:
    path = tmp_path / "team.json"
    assert failure(tmp_path, "team") == (
        Reason.SECRET_MISSING,
        (
            f"there is no {path}: podman login --authfile {path} registry.example.com:5000 && "
            f"chown polyfleet-agent {path}. unauthorized"
        ),
    )
    elsewhere = tmp_path / "pull-secrets"
    assert failure(elsewhere, "team")[1].startswith(
        f"there is no {elsewhere}/team.json: mkdir -p {elsewhere} && podman login"
    )


def test_credentials_that_the_registry_does_not_take_are_the_registrys_word(tmp_path: Path) -> None:
    write(tmp_path, "team", **{"registry.example.com:5000": "team"})
    assert failure(tmp_path, "team") == (Reason.REGISTRY_DENIED, "unauthorized")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"auths": []}',
        '{"auths": {"registry.example.com:5000": {}}}',
        '{"auths": {"registry.example.com:5000": {"auth": "swordfish!"}}}',
        '{"auths": {"registry.example.com:5000": {"auth": "c3dvcmRmaXNo"}}}',
        '{"auths": {"registry.example.com:5000": {"auth": 7}}}',
        "\ud800",
    ],
)
def test_a_file_of_another_form_is_told_and_its_content_is_not(tmp_path: Path, content: str) -> None:
    (tmp_path / "team.json").write_bytes(content.encode(errors="surrogatepass"))
    reason, message = failure(tmp_path, "team")
    assert reason is Reason.SECRET_MISSING
    assert message.startswith(f"{tmp_path}/team.json is no auth.json: write it with `podman login --authfile")
    assert "swordfish" not in message


def test_what_is_not_readable_is_told(tmp_path: Path) -> None:
    (tmp_path / "team.json").mkdir()
    assert failure(tmp_path, "team") == (
        Reason.SECRET_MISSING,
        f"{tmp_path}/team.json is not readable: Is a directory. unauthorized",
    )


def test_credentials_do_not_show(tmp_path: Path) -> None:
    write(tmp_path, "team", **{"registry.example.com:5000": "team"})
    assert PullSecrets(tmp_path).lend(REPOSITORY, ("team",), repr) == (
        "Credentials(registry='registry.example.com:5000')"
    )
