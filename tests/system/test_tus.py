"""Resumable uploads with the clients that people have: tus-js-client in node (in Chromium: test_page_upload.py), tuspy."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest
from conftest import PATIENCE, Box, needs, wait_for
from cutting import cutting
from npm import installed

SCRIPT = Path(__file__).with_name("tus.js")


@pytest.fixture(scope="module")
def web():
    with Box({"chat": {"enabled": "no"}, "mirror": {"enabled": "no"}}) as box:
        yield box


@pytest.fixture(scope="session")
def client(tmp_path_factory):
    """The folder of tus-js-client."""
    needs("node")
    return installed(tmp_path_factory.mktemp("tus"), "tus-js-client@4")


@pytest.fixture
def upload(client, web, tmp_path):
    """upload(name, content, …) starts tus-js-client in node; its result is what it told."""

    def start(name, content, port=None, wait=True, **wish):
        file = tmp_path / "content"
        file.write_bytes(content)
        wish = {"endpoint": f"http://127.0.0.1:{port or web.web_port}/uploads/", "file": str(file),
                "name": name, **wish}  # fmt: skip
        line = [needs("node"), str(SCRIPT), str(client), json.dumps(wish)]
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return end(process) if wait else process

    def end(process):
        out, err = process.communicate(timeout=40 * PATIENCE)
        assert process.returncode == 0 and out, err
        return json.loads(out)

    start.end = end
    return start


def kept(web, name):
    """The bytes that lie under name, and the digest that the index has of them agrees."""
    path = web.state / "drop" / name
    content = path.read_bytes()
    etag = web.request("HEAD", f"/files/{name}")[1]["etag"]
    assert etag.strip('"') == hashlib.sha256(content).hexdigest()
    return content


WAYS = {
    "whole": {},
    "chunks": {"options": {"chunkSize": 300_000}},
    "with-creation": {"options": {"uploadDataDuringCreation": True}},
    "with-creation-chunks": {"options": {"uploadDataDuringCreation": True, "chunkSize": 400_000}},
    "deferred": {"deferred": True, "options": {"chunkSize": 250_000}},
    "by-post": {"options": {"overridePatchMethod": True}},
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_upload(web, upload, way):
    content = os.urandom(1_000_003)
    told = upload(f"{way}.bin", content, **WAYS[way])
    assert told.get("done"), told
    assert kept(web, f"{way}.bin") == content


def test_an_empty_file(web, upload):
    assert upload("empty.bin", b"").get("done")
    assert kept(web, "empty.bin") == b""


@pytest.mark.parametrize("options", [{}, {"chunkSize": 700_000}], ids=["whole", "chunks"])
def test_a_line_that_is_cut_again_and_again(web, upload, options):
    """The client asks HEAD at once (its first pauses are 0 ms) and goes on from there."""
    content, name = os.urandom(4_000_000), f"cut-{len(options)}.bin"
    with cutting(web, [500_000, 600_000, 400_000, 300_000]) as line:
        told = upload(name, content, port=line.port, options=options)
        assert told.get("done") and line.broken == 4, told
    assert kept(web, name) == content
    heads = [status for method, status in told["requests"] if method == "HEAD"]
    assert len(heads) >= 4 and set(heads) <= {200, 423}, told
    assert [status for method, status in told["requests"] if method == "POST"] == [201], told


def test_another_program_goes_on_later(web, upload, tmp_path):
    content = os.urandom(3_000_000)
    memory = str(tmp_path / "memory.json")
    (tmp_path / "memory.json").write_text("{}")
    options = {"chunkSize": 500_000}
    first = upload("later.bin", content, memory=memory, pause=1_500_000, options=options)
    assert first["remembered"] == 0 and first["paused"] < 3_000_000
    web.restart_service("web")
    second = upload("later.bin", content, memory=memory, options=options)
    assert second["remembered"] == 1 and second.get("done"), second
    assert second["url"] == first["url"] and second["requests"][0] == ["HEAD", 200]
    assert kept(web, "later.bin") == content


def test_the_box_is_killed_meanwhile(web, upload):
    content = os.urandom(6_000_000)
    running = upload("killed.bin", content, wait=False, options={"chunkSize": 200_000})
    wait_for(lambda: any(part.stat().st_size > 400_000 for part in (web.state / "drop/.arriving").iterdir()),
             "some bytes")  # fmt: skip
    web.restart_service("web")
    assert upload.end(running).get("done")
    assert kept(web, "killed.bin") == content


def test_termination(web, upload):
    told = upload("ended.bin", os.urandom(2_000_000), end=500_000, options={"chunkSize": 100_000})
    assert told.get("ended"), told
    assert web.request("HEAD", "/files/ended.bin")[0] == 404
    gone = web.request("HEAD", "/uploads/" + told["url"].rsplit("/", 1)[1], headers={"Tus-Resumable": "1.0.0"})
    assert gone[0] in (404, 410)


def test_refusals_reach_the_client(make_box, upload):
    box = make_box(chat={"enabled": "no"}, mirror={"enabled": "no"}, web={"max_file": "1K"})
    told = upload("big.bin", bytes(5000), port=box.web_port)
    assert "413" in told["error"] and "larger than a file may be" in told["error"], told


def test_tuspy_goes_on_after_a_cut(web, tmp_path):
    tusclient = pytest.importorskip("tusclient.client", reason="python3-tuspy is not installed")
    content = os.urandom(3_000_000)
    (tmp_path / "tuspy.bin").write_bytes(content)
    with cutting(web, [700_000, 700_000]) as line:
        uploader = tusclient.TusClient(f"http://127.0.0.1:{line.port}/uploads/").uploader(
            str(tmp_path / "tuspy.bin"), metadata={"filename": "tuspy.bin"}, retries=8, retry_delay=0.05)
        uploader.upload()
        assert line.broken == 2
    assert kept(web, "tuspy.bin") == content
