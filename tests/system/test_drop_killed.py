"""Services die in the middle of eight uploads: all of them go on, none is cut short, none is lost."""

import base64
import hashlib
import http.client
import os
import random
import threading
import time

import pytest
from conftest import PATIENCE, wait_for

PIECE = 32768
CAMPAIGN = os.environ.get("RIAD_CAMPAIGN") == "full"


class Upload(threading.Thread):
    """A tus client that goes on until its file is there, whatever happens to the server."""

    def __init__(self, box, name, content, pace):
        super().__init__(daemon=True)
        self.box, self.name_, self.content, self.pace = box, name, content, pace
        self.location = self.failure = None
        self.sent = self.resumed = 0

    def ask(self, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.box.web_port, timeout=10 * PATIENCE)
        try:
            connection.request(method, path, body, {"Tus-Resumable": "1.0.0", **(headers or {})})
            answer = connection.getresponse()
            answer.read()
            return answer
        finally:
            connection.close()

    def create(self):
        name = base64.b64encode(self.name_.encode()).decode()
        answer = self.ask("POST", "/uploads/", {
            "Upload-Length": str(len(self.content)), "Upload-Metadata": f"filename {name}"})  # fmt: skip
        assert answer.status == 201, answer.status
        self.location = "/uploads/" + answer.headers["Location"].rstrip("/").rsplit("/", 1)[1]

    def pieces(self, offset):
        for at in range(offset, len(self.content), PIECE):
            yield self.content[at : at + PIECE]
            self.sent += PIECE
            time.sleep(self.pace)

    def step(self):
        """Whether it is finished."""
        if self.location is None:
            self.create()
        head = self.ask("HEAD", self.location)
        if head.status in (404, 410):  # published, and only the answer was lost?
            if self.there():
                return True
            raise AssertionError(f"{self.name_} was lost: {head.status}")
        offset = int(head.headers["Upload-Offset"])
        self.resumed += offset > 0
        answer = self.ask("PATCH", self.location, {
            "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(len(self.content) - offset)}, self.pieces(offset))  # fmt: skip
        return answer.status == 204

    def there(self):
        path = self.box.state / "drop" / self.name_
        return path.is_file() and path.read_bytes() == self.content

    def run(self):
        end = time.monotonic() + 60 * PATIENCE
        try:
            while time.monotonic() < end:
                try:
                    if self.step():
                        return
                except (OSError, http.client.HTTPException):
                    time.sleep(0.05)
            raise AssertionError(f"{self.name_} did not end")
        except Exception as failure:  # noqa: BLE001
            self.failure = failure


def kill_during_eight_uploads(box, turn):
    contents = [random.Random(100 * turn + i).randbytes(1_000_000 + i) for i in range(8)]
    uploads = [Upload(box, f"turn{turn}-{i}.bin", content, 0.03) for i, content in enumerate(contents)]
    for upload in uploads:
        upload.start()
    wait_for(lambda: all(u.sent > 150_000 for u in uploads), "some bytes of each")
    assert not any(upload.there() for upload in uploads)
    killed = box.kill("web")
    for upload in uploads:
        upload.join(90 * PATIENCE)
    failures = [str(upload.failure) for upload in uploads if upload.failure]
    assert not failures, failures
    box.wait_service("web", not_pid=killed)
    with box.store() as store:
        rows = {row["path"]: row for row in store.execute("SELECT * FROM file")}
    for upload in uploads:
        assert upload.there(), upload.name_
        row = rows[upload.name_]
        assert row["size"] == len(upload.content)
        assert bytes(row["sha256"]) == hashlib.sha256(upload.content).digest()
    assert sum(upload.resumed > 0 for upload in uploads) >= 6
    with box.store() as store:
        assert store.execute("SELECT count(*) FROM arrival").fetchone()[0] == 0
    parts = [name for name in os.listdir(box.state / "drop/.arriving") if not name.startswith(".")]
    assert not parts


def test_killed_during_eight_uploads(box):
    kill_during_eight_uploads(box, 0)


@pytest.mark.campaign
@pytest.mark.parametrize("turn", range(200 if CAMPAIGN else 10))
def test_killed_again_and_again(box, turn):
    kill_during_eight_uploads(box, turn)
