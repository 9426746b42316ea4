"""Which files of a certs.d count for which host."""

from pathlib import Path

import pytest

from polyfleet_controller.registry.certificates import CertificateError, CertificateStore


@pytest.fixture
def store(tmp_path: Path) -> CertificateStore:
    return CertificateStore(tmp_path)


def write(store: CertificateStore, host: str, name: str) -> Path:
    """Put what is neither certificate nor key where the host's are: whoever reads it fails."""
    assert store.directory is not None
    path = store.directory / host / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("neither", encoding="utf-8")
    return path


def test_hosts_without_a_directory_have_the_systems_authorities(store: CertificateStore) -> None:
    system = CertificateStore().context_for("a.example", registry="a.example")
    context = store.context_for("a.example", registry="a.example")
    assert context.cert_store_stats() == system.cert_store_stats()


def test_the_same_files_make_one_context(store: CertificateStore) -> None:
    context = store.context_for("a.example", registry="a.example")
    assert store.context_for("b.example", registry="c.example") is context


@pytest.mark.parametrize("name", ["ca.crt", "another.crt"])
def test_a_registrys_authorities_count_where_it_sends_its_clients(store: CertificateStore, name: str) -> None:
    path = write(store, "registry.example:5000", name)
    for host in ("registry.example:5000", "cdn.example"):
        with pytest.raises(CertificateError) as caught:
            store.context_for(host, registry="registry.example:5000")
        assert str(caught.value).startswith(f"{path} cannot be read as a CA's certificate in PEM form: ")
    store.context_for("cdn.example", registry="registry.example")


def test_the_certificate_for_a_registry_is_shown_to_no_other_host(store: CertificateStore) -> None:
    path = write(store, "registry.example", "client.cert")
    store.context_for("cdn.example", registry="registry.example")
    with pytest.raises(CertificateError) as caught:
        store.context_for("registry.example", registry="registry.example")
    assert str(caught.value).startswith(f"{path} and {path.with_suffix('.key')} cannot be read as ")


@pytest.mark.parametrize("name", ["ca.pem", "README", "client.key"])
def test_other_files_do_not_count(store: CertificateStore, name: str) -> None:
    write(store, "registry.example", name)
    store.context_for("registry.example", registry="registry.example")


def test_a_directory_that_is_a_file_is_no_directory(store: CertificateStore) -> None:
    assert store.directory is not None
    (store.directory / "registry.example").touch()
    store.context_for("registry.example", registry="registry.example")
