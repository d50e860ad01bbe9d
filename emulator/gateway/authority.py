"""The certificate authority of one data directory, and the certificates it issues."""

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from emulator.datadir import write_whole
from emulator.gateway.routes import METADATA_ADDRESS

VALID_FOR: Final = timedelta(days=90)
RENEWED_BEFORE: Final = timedelta(days=7)
SYSTEM_BUNDLES: Final = tuple(
    map(
        Path,
        (
            "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo
            "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
            "/etc/ssl/ca-bundle.pem",  # openSUSE
            "/etc/ssl/cert.pem",  # Alpine, macOS
        ),
    )
)

DOMAINS: Final = (  # what the authority may vouch for, and nothing else
    "googleapis.com",
    "accounts.google.com",
    "google.internal",
    "metadata",
    "localhost",
)
ADDRESSES: Final = ("127.0.0.1", "::1", METADATA_ADDRESS)

_CLOCK_SKEW: Final = timedelta(days=1)
_MARK: Final = "# The emulator's authority\n"


class Authority:
    """``D/authority``: ``ca.key`` (0600), ``ca.pem``, and ``bundle.pem`` (the system's and it)."""

    def __init__(
        self, folder: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> None:
        self.folder = folder
        self.certificate = certificate
        self._key = key

    @classmethod
    def open(cls, folder: Path, now: datetime) -> "Authority":
        """Read the authority, or make it; renew its certificate in the last week of its life.

        A renewed certificate keeps key and name, so that what trusted the old one (a running
        job has it mounted) still trusts what is issued under the new one.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        key = _read_key(folder / "ca.key")
        certificate = _read_certificate(folder / "ca.pem") if key is not None else None
        if key is None:
            key = ec.generate_private_key(ec.SECP256R1())
            _write_private(folder / "ca.key", _pem(key))
        if certificate is None or not _serves(certificate, key, now):
            certificate = _root(key, now)
            write_whole(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM))
        authority = cls(folder, key, certificate)
        authority.write_bundle()
        return authority

    def write_bundle(self) -> None:
        """What clients with one CA variable need: the system's authorities and this one."""
        system = next((path.read_bytes() for path in SYSTEM_BUNDLES if path.is_file()), b"")
        own = self.certificate.public_bytes(serialization.Encoding.PEM)
        if system and not system.endswith(b"\n"):
            system += b"\n"
        bundle = system if own in system else system + _MARK.encode() + own
        path = self.folder / "bundle.pem"
        if not path.is_file() or path.read_bytes() != bundle:
            write_whole(path, bundle)

    def due(self, now: datetime) -> bool:
        """Whether the authority should be opened anew to be renewed."""
        return not _fresh(self.certificate, now)

    def issue(self, names: Sequence[str], addresses: Sequence[str], now: datetime) -> bytes:
        """A new key and its certificate for these names, as PEM; nothing of it is kept."""
        key = ec.generate_private_key(ec.SECP256R1())
        subjects: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        subjects += [x509.IPAddress(ip_address(address)) for address in addresses]
        own_id = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        certificate = (
            _draft("gateway of the emulator", key, now)
            .issuer_name(self.certificate.subject)
            .not_valid_after(self.certificate.not_valid_after_utc)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(subjects), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_id.value),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return _pem(key) + certificate.public_bytes(serialization.Encoding.PEM)


def _root(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    permitted: list[x509.GeneralName] = [x509.DNSName(domain) for domain in DOMAINS]
    permitted += [x509.IPAddress(ip_network(address)) for address in ADDRESSES]
    # The name carries the key: two emulators' authorities never look alike to a client.
    mark = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:12]
    name = f"Cloud ML Engine emulator {mark}"
    return (
        _draft(name, key, now)
        .issuer_name(_name(name))
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, excluded_subtrees=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _draft(name: str, key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_private(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)
    part.replace(path)


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    """The key, or None when there is none that can be used."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (FileNotFoundError, ValueError):
        return None
    path.chmod(0o600)
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _read_certificate(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _serves(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, now: datetime) -> bool:
    """Whether a stored certificate is this key's, fresh, and constrained as today's are."""
    model = _root(key, now).extensions.get_extension_for_class(x509.NameConstraints)
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    except x509.ExtensionNotFound:
        return False
    return (
        certificate.public_key() == key.public_key()
        and constraints.value == model.value
        and _fresh(certificate, now)
    )


def _fresh(certificate: x509.Certificate, now: datetime) -> bool:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begins <= now < ends - RENEWED_BEFORE
