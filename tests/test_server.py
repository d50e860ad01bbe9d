import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from emulator import Emulator
from emulator.datadir import DataDir
from emulator.errors import OperatorError
from emulator.rest import Refused

JOB: dict[str, Any] = {
    "jobId": "fine",
    "trainingInput": {
        "region": "us-central1",
        "runtimeVersion": "2.11",
        "pythonVersion": "3.7",
        "pythonModule": "trainer.task",
        "packageUris": ["gs://nowhere/trainer.tar.gz"],
    },
}


def test_all_violations_are_answered_at_once_and_nothing_is_stored(
    cmle_engine: Emulator,
) -> None:
    wrong = {"jobId": "not-fine", "trainingInput": {**JOB["trainingInput"], "region": "mars"}}
    with cmle_engine.client() as client:
        with pytest.raises(Refused) as refused:
            client.create_job(wrong)
        text = str(refused.value)
        assert "Field: job.job_id Error: A name should start with a letter" in text
        assert "Field: region Error: The provided GCE region 'mars' is not available." in text
        assert JOB["jobId"] not in {job["jobId"] for job in client.jobs()}


def test_packages_that_are_not_there_are_refused(cmle_engine: Emulator) -> None:
    with cmle_engine.client() as client:
        with pytest.raises(Refused, match="The provided GCS paths cannot be read") as refused:
            client.create_job(JOB)
        assert refused.value.code == 400
        assert refused.value.status == "FAILED_PRECONDITION"
        assert JOB["jobId"] not in {job["jobId"] for job in client.jobs()}


def test_a_deployment_one_level_off_is_told_where_the_model_is(
    cmle_engine: Emulator, cmle_bucket: str
) -> None:
    with cmle_engine.client() as client:
        client.storage.upload(f"gs://{cmle_bucket}/export/17/saved_model.pb", b"x")
        client.create_model("off")
        version = {
            "name": "v1",
            "deploymentUri": f"gs://{cmle_bucket}/export",
            "runtimeVersion": "2.11",
            "pythonVersion": "3.7",
        }
        with pytest.raises(Refused, match=r"exactly one of: \[saved_model.pb, saved_model.pbtxt\]"):
            client.create_version("off", version)
        assert client.versions("off") == []
        broken = {**version, "deploymentUri": f"gs://{cmle_bucket}/export/17/"}
        with pytest.raises(Refused, match=r"Create Version failed\. Bad model detected"):
            client.wait_operation(client.create_version("off", broken))
        assert client.version("off", "v1")["state"] == "FAILED"


def test_a_web_page_of_another_origin_is_refused(cmle_engine: Emulator) -> None:
    address = urlsplit(cmle_engine.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    connection.request(
        "POST",
        f"/v1/projects/{cmle_engine.project}/models",
        body='{"name": "evil"}',
        headers={"Origin": "https://evil.example", "Content-Type": "text/plain"},
    )

    assert connection.getresponse().status == 403
    connection.close()
    with cmle_engine.client() as client:
        assert "evil" not in str(client.models())


def test_an_unknown_host_is_refused_with_a_sentence(cmle_engine: Emulator) -> None:
    address = urlsplit(cmle_engine.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    connection.request("GET", "http://example.com/", headers={"Host": "example.com"})
    answer = connection.getresponse()

    assert answer.status == 404
    text = answer.read().decode()
    assert "example.com" in text
    assert "--allow-host" in text
    connection.close()


def test_the_card_names_the_gateway_that_runs(tmp_path: Path) -> None:
    with Emulator(tmp_path / "d") as emulator, emulator.client() as client:
        for _ in range(2):  # the second time perhaps before the first successor has all
            card = DataDir(tmp_path / "d").endpoint()
            assert card is not None
            os.kill(card.gateway_pid, signal.SIGKILL)
            deadline = time.monotonic() + 20
            while (found := DataDir(tmp_path / "d").endpoint()) == card:
                assert time.monotonic() < deadline, "no successor"
            assert found is not None
            assert Path(f"/proc/{found.gateway_pid}").exists()
        assert client.jobs() == []


def test_a_second_emulator_on_one_folder_is_refused(cmle_engine: Emulator) -> None:
    with pytest.raises(OperatorError, match=f"process {cmle_engine.pid}"):
        Emulator(cmle_engine.data_dir).start()


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OperatorError, match=str(port)) as refused:
            Emulator(tmp_path / "d", port=port).start()
    assert "Traceback" not in str(refused.value)
    assert DataDir(tmp_path / "d").owner() is None


def test_a_newer_folder_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("99")

    with pytest.raises(OperatorError, match="newer version"):
        Emulator(tmp_path).start()
    assert (tmp_path / "version").read_text() == "99"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ends_in_order_by_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "emulator", "serve", "--data-dir", str(tmp_path / "d")]
    with subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, env={**os.environ}
    ) as process:
        assert process.stdout is not None
        assert b"ready" in process.stdout.readline()
        endpoint = DataDir(tmp_path / "d").endpoint()
        process.send_signal(number)
        assert process.wait(30) == 0

    assert endpoint is not None
    assert not Path(f"/proc/{endpoint.gateway_pid}").exists()
    assert not (tmp_path / "d" / "endpoint.json").exists()


def test_a_catalog_of_one_s_own_and_exact_limits(tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "machine_types.toml").write_text(
        "[compute]\ntiny = { cpus = 1, memory_gb = 0.25 }\n"
        "vast = { cpus = 9000, memory_gb = 0.25 }\n"
    )
    options = ["--catalog", str(tables), "--limits", "exact", "--isolation", "none"]
    with Emulator(options=options) as emulator, emulator.client() as client:
        for machine, answer in (
            ("tiny", "cannot be read by service account"),
            ("vast", r"have 9000 CPUs and 0\.2 GiB .* --limits scaled"),
            ("none", "machine type is not supported: none"),
        ):
            custom = {"scaleTier": "CUSTOM", "masterType": machine}
            job = {**JOB, "trainingInput": {**JOB["trainingInput"], **custom}}
            with pytest.raises(Refused, match=answer):
                client.create_job(job)


def test_a_catalog_that_cannot_be_read_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "machines.toml").touch()
    done = subprocess.run(
        [sys.executable, "-m", "emulator", "serve", "--catalog", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "CMLE_DATA_DIR": str(tmp_path / "data")},
    )
    assert done.returncode == 1
    assert "machines.toml is no file of the catalog" in done.stderr
