import pytest

from emulator.storage.addresses import Address, address

GCS = "storage.googleapis.com"


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        (GCS, "/storage/v1/b", Address()),
        (GCS, "/storage/v1/b/bkt", Address("bkt")),
        (GCS, "/storage/v1/b/bkt/o", Address("bkt")),
        (GCS, "/storage/v1/b/bkt/o/a%2Fb", Address("bkt", "a/b")),
        (GCS, "/storage/v1/b/bkt/o/a/rewriteTo/b/c/o/d", Address("bkt", "a")),
        (GCS, "/upload/storage/v1/b/bkt/o", Address("bkt")),
        (GCS, "/resumable/upload/storage/v1/b/bkt/o", Address("bkt")),
        (GCS, "/download/storage/v1/b/bkt/o/x", Address("bkt", "x")),
        (GCS, "/batch/storage/v1", Address()),
        (GCS, "/bkt/deep/er%20", Address("bkt", "deep/er ", is_xml=True)),
        (GCS, "/bkt", Address("bkt", is_xml=True)),
        (GCS, "/", Address(is_xml=True)),
        (f"bkt.{GCS}", "/deep/er", Address("bkt", "deep/er", is_xml=True)),
        ("www.googleapis.com", "/storage/v1/b/bkt/o/x", Address("bkt", "x")),
        ("127.0.0.1", "/storage/v1/b/bkt/o/x", Address("bkt", "x")),
        ("127.0.0.1", "/b/bkt/o/x", Address("bkt", "x")),
    ],
)
def test_reads_both_apis(host: str, path: str, expected: Address) -> None:
    assert address(host, path) == expected
