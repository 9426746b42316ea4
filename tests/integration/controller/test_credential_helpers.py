"""Programs that know a registry's credentials, and those that do not behave."""

import errno
import os
from pathlib import Path

import pytest

from polyfleet_controller.registry.credential_store import ask_helper
from polyfleet_controller.registry.credentials import CredentialError, Credentials, Helper
from waiting import wait_until

HELPER = Helper(key="registry.example", name="lab")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The helper's file, which the test has to write, in its working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    path = tmp_path / "docker-credential-lab"
    path.touch(mode=0o755)
    return path


def write(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")


def test_a_helper_is_asked_by_the_registrys_name(program: Path) -> None:
    write(program, 'printf \'{"Username": "%s", "Secret": "%s"}\' "$*" "$(cat)"')
    assert ask_helper(HELPER, seconds=20) == Credentials(username="get", password=HELPER.key)


def test_a_helper_may_have_an_identity_token(program: Path) -> None:
    write(program, 'echo \'{"Username": "<token>", "Secret": "t", "ServerURL": "x"}\'')
    credentials = ask_helper(HELPER, seconds=20)
    assert credentials is not None
    assert (credentials.username, credentials.identity_token) == ("", "t")


def test_a_helper_may_know_nothing(program: Path) -> None:
    write(program, "echo credentials not found in native keychain; exit 1")
    assert ask_helper(HELPER, seconds=20) is None


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo secret; echo secret >&2; exit 3", "docker-credential-lab failed with exit code 3: see what"),
        ("kill -9 $$", "docker-credential-lab failed with exit code -9: see what"),
        ("echo secret", "docker-credential-lab printed no credentials"),
        ("echo '[\"secret\"]'", "docker-credential-lab printed no credentials"),
        ('echo \'{"Username": "secret"}\'', "docker-credential-lab printed no credentials"),
        ('echo \'{"Username": "u", "Secret": "secret\\ud800"}\'', "half a surrogate pair"),
        ("head -c 100000 /dev/zero", "docker-credential-lab printed no credentials"),
    ],
)
def test_a_helper_that_fails_is_named_and_its_words_are_not_shown(
    program: Path, script: str, message: str
) -> None:
    write(program, script)
    with pytest.raises(CredentialError) as caught:
        ask_helper(HELPER, seconds=20)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("script", ["exec cat <>fifo", "cat <>fifo", "cat <>fifo & wait"])
def test_a_helper_that_hangs_is_ended_with_all_that_it_started(program: Path, script: str) -> None:
    os.mkfifo("fifo")
    write(program, script)
    with pytest.raises(CredentialError, match=r"^docker-credential-lab did not answer within 0\.5 s$"):
        ask_helper(HELPER, seconds=0.5)
    wait_until(lambda: not has_reader("fifo"), describe="nobody reads the fifo any more")


def has_reader(fifo: str) -> bool:
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        return error.errno != errno.ENXIO
    return True


@pytest.mark.parametrize("name", ["", "../lab", "a/b", "-x", "a b", "a\0b", "x" * 65])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(CredentialError, match="is no helper's name"):
        ask_helper(Helper(key="registry.example", name=name), seconds=20)


def test_a_helper_that_is_not_installed_is_named() -> None:
    with pytest.raises(CredentialError) as caught:
        ask_helper(Helper(key="registry.example", name="not-here"), seconds=20)
    assert str(caught.value) == "docker-credential-not-here cannot be run: No such file or directory"
