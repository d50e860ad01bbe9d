import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from emulator.gateway.authority import SYSTEM_BUNDLES, VALID_FOR, Authority

NOW = datetime(2026, 11, 21, tzinfo=UTC)
OPENSSL = shutil.which("openssl")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "authority"


def test_the_key_is_for_the_gateway_alone(folder: Path) -> None:
    Authority.open(folder, NOW)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "ca.key").stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in (folder / "ca.pem").read_bytes()
    assert b"PRIVATE" not in (folder / "bundle.pem").read_bytes()


def test_the_bundle_is_the_systems_and_the_authority(folder: Path) -> None:
    Authority.open(folder, NOW)
    bundle = (folder / "bundle.pem").read_bytes()
    system = next((path.read_bytes() for path in SYSTEM_BUNDLES if path.is_file()), b"")

    assert bundle.startswith(system)
    assert bundle.endswith((folder / "ca.pem").read_bytes())


def test_it_is_the_same_when_opened_again(folder: Path) -> None:
    first = Authority.open(folder, NOW)
    again = Authority.open(folder, NOW + VALID_FOR - timedelta(days=8))

    assert again.certificate == first.certificate
    assert not again.due(NOW)


def test_it_is_renewed_in_its_last_week_with_its_key(folder: Path) -> None:
    first = Authority.open(folder, NOW)
    later = NOW + VALID_FOR - timedelta(days=6)
    again = Authority.open(folder, later)

    assert first.due(later)
    assert again.certificate.not_valid_after_utc == later + VALID_FOR
    assert again.certificate.public_key() == first.certificate.public_key()
    assert again.certificate.subject == first.certificate.subject


@pytest.mark.parametrize("damage", [b"", b"rubbish"])
def test_a_damaged_authority_is_made_anew(folder: Path, damage: bytes) -> None:
    first = Authority.open(folder, NOW)
    (folder / "ca.key").write_bytes(damage)
    again = Authority.open(folder, NOW)

    assert again.certificate.public_key() != first.certificate.public_key()
    assert again.certificate.subject != first.certificate.subject


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not on this machine")
@pytest.mark.parametrize(
    ("names", "addresses", "fine"),
    [
        (("www.googleapis.com", "*.storage.googleapis.com", "metadata"), (), True),
        (("localhost",), ("127.0.0.1", "::1", "169.254.169.254"), True),
        (("www.google.com",), (), False),
        (("example.com",), (), False),
        ((), ("10.0.0.1",), False),
    ],
)
def test_it_can_vouch_for_googles_names_alone(
    folder: Path,
    names: tuple[str, ...],
    addresses: tuple[str, ...],
    fine: bool,  # noqa: FBT001
) -> None:
    now = datetime.now(UTC)
    issued = Authority.open(folder, now).issue(names, addresses, now)
    certificate = folder / "issued.pem"
    certificate.write_bytes(issued[issued.index(b"-----BEGIN CERT") :])
    assert OPENSSL is not None
    verified = subprocess.run(
        [OPENSSL, *f"verify -x509_strict -CAfile {folder}/ca.pem {certificate}".split()],
        check=False,
        capture_output=True,
        text=True,
    )

    assert (verified.returncode == 0) is fine
    assert ("permitted subtree violation" in verified.stderr) is not fine


def test_names_and_addresses_are_never_in_one_certificate_with_the_hosts(folder: Path) -> None:
    issued = Authority.open(folder, NOW).issue(("www.googleapis.com",), (), NOW)
    certificate = x509.load_pem_x509_certificate(issued[issued.index(b"-----BEGIN CERT") :])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.IPAddress) == []
