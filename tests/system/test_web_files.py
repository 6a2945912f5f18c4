"""The drop over HTTP, outwards: listings, ranges, conditions, archives, files still arriving."""

import base64
import contextlib
import hashlib
import io
import json
import shutil
import socket
import sqlite3
import subprocess
import tarfile
import zipfile

import pytest

from conftest import Box, needs, wait_for

BYTES = bytes(range(256)) * 40
SUM = hashlib.sha256(BYTES).hexdigest()
ETAG = f'"{SUM}"'


@pytest.fixture(scope="module")
def web():
    """One box for this file, with a file and a folder in its drop."""
    with Box({"chat": {"enabled": "no"}, "mirror": {"enabled": "no"}}) as box:
        assert box.request("PUT", "/files/ten.bin", b"0123456789")[0] == 201
        assert box.request("PUT", "/files/f/a%20%C3%A9.bin", BYTES)[0] == 201
        assert box.request("PUT", "/files/f/deep/" + "n" * 150 + ".txt", b"deep")[0] == 201
        assert box.request("PUT", "/files/f/empty", b"")[0] == 201
        yield box


RANGES = [
    # Range, status, Content-Range, body
    (None, 200, None, b"0123456789"),
    ("bytes=0-0", 206, "bytes 0-0/10", b"0"),
    ("bytes=0-99", 206, "bytes 0-9/10", b"0123456789"),
    ("bytes=3-5", 206, "bytes 3-5/10", b"345"),
    ("bytes=7-", 206, "bytes 7-9/10", b"789"),
    ("bytes=-3", 206, "bytes 7-9/10", b"789"),
    ("bytes=-30", 206, "bytes 0-9/10", b"0123456789"),
    ("bytes=10-", 416, "bytes */10", None),
    ("bytes=12-15", 416, "bytes */10", None),
    ("bytes=-0", 416, "bytes */10", None),
    ("bytes=" + "9" * 30 + "-", 416, "bytes */10", None),
    ("bytes=3-" + "9" * 30, 206, "bytes 3-9/10", b"3456789"),
    ("bytes=5-3", 200, None, b"0123456789"),
    ("bytes=0-1,3-4", 200, None, b"0123456789"),
    ("lines=0-1", 200, None, b"0123456789"),
    ("bytes=x", 200, None, b"0123456789"),
]


@pytest.mark.parametrize("given,status,content_range,body", RANGES)
def test_range(web, given, status, content_range, body):
    got, head, bytes_ = web.request("GET", "/files/ten.bin", headers={"Range": given} if given else {})
    assert (got, head.get("content-range")) == (status, content_range)
    if body is not None:
        assert bytes_ == body
        assert head["content-length"] == str(len(body))
        assert head["accept-ranges"] == "bytes"


def test_range_of_an_empty_file(web):
    assert web.request("GET", "/files/f/empty")[2] == b""
    assert web.request("GET", "/files/f/empty", headers={"Range": "bytes=0-"})[0] == 416


def test_etag_is_the_digest_and_conditions_hold(web):
    path = "/files/f/a%20%C3%A9.bin"
    status, head, body = web.request("GET", path)
    assert (status, head["etag"], body) == (200, ETAG, BYTES)
    changed = head["last-modified"]
    ask = lambda **headers: web.request(
        "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    assert ask(If_None_Match=ETAG)[0] == 304
    assert ask(If_None_Match=f'W/{ETAG}, "x"')[0] == 304
    assert ask(If_None_Match=ETAG)[2] == b""
    assert ask(If_None_Match='"x"')[0] == 200
    assert ask(If_Modified_Since=changed)[0] == 304
    assert ask(If_Match='"x"')[0] == 412
    assert ask(If_Unmodified_Since="Sun, 22 Nov 1998 16:11:23 GMT")[0] == 412
    assert ask(Range="bytes=0-3", If_Range=ETAG)[0] == 206
    assert ask(Range="bytes=0-3", If_Range=changed)[0] == 206
    assert ask(Range="bytes=0-3", If_Range='"x"')[0] == 200
    assert ask(Range="bytes=0-3", If_Range=f"W/{ETAG}")[0] == 200


def test_head_has_no_body(web):
    status, head, body = web.request("HEAD", "/files/ten.bin")
    assert (status, head["content-length"], body) == (200, "10", b"")
    assert web.request("HEAD", "/files/nothing")[0] == 404


def test_large_file_whole_and_in_parts(web, tmp_path):
    large = bytes(range(251)) * 40000
    assert web.request("PUT", "/files/large", large)[0] == 201
    assert web.request("GET", "/files/large")[2] == large
    part = web.request("GET", "/files/large", headers={"Range": "bytes=1000000-9999999"})[2]
    assert part == large[1000000:10000000]
    (tmp_path / "part").write_bytes(large[:12345])
    web.curl("-C", "-", "-o", tmp_path / "part", web.url("/files/large"))
    assert (tmp_path / "part").read_bytes() == large


def test_listings_are_negotiated(web):
    plain = web.curl("/files/").stdout.splitlines()
    assert "ten.bin" in plain and "f/" in plain
    status, head, body = web.request("GET", "/files/f/", headers={"Accept": "application/json"})
    rows = {row["name"]: row for row in json.loads(body)["files"]}
    assert rows["a é.bin"]["sha256"] == SUM and rows["a é.bin"]["size"] == len(BYTES)
    assert rows["deep"]["folder"] is True
    assert "Accept" in head["vary"]
    status, head, body = web.request("GET", "/files/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert head["content-type"].startswith("text/html") and b"ten.bin" in body
    assert "Accept" in head["vary"]
    assert web.request("GET", "/files/?json", headers={"Accept": "text/html"})[1][
        "content-type"
    ].startswith("application/json")
    assert web.request("GET", "/files/?text", headers={"Accept": "text/html"})[1][
        "content-type"
    ].startswith("text/plain")
    assert web.request("GET", "/files/?html")[1]["content-type"].startswith("text/html")
    assert web.request("GET", "/files/?q=%C3%89.BIN")[2].decode() == "f/a é.bin\n"
    found = json.loads(web.request("GET", "/files/?json&q=deep")[2])["files"]
    assert [row["path"] for row in found] == ["f/deep/" + "n" * 150 + ".txt"]
    assert web.request("GET", "/files/?day=1999-01-01")[2] == b""
    assert web.request("GET", "/files/?day=yesterday")[0] == 400
    # Strangers are not told whether there is such a person.
    assert web.request("GET", "/files/?person=nobody-at-all")[::2] == (200, b"")
    assert json.loads(web.curl("/api/files?person=nobody-at-all").stdout)["files"] == []
    assert json.loads(web.curl("/api/messages?person=nobody-at-all").stdout)["messages"] == []
    assert web.request("GET", "/files/f")[1]["location"] == "/files/f/"
    assert web.request("GET", "/files/none/")[0] == 404


def test_a_long_list_comes_whole(web):
    folder = web.state / "drop" / "many"
    names = [f"d{n:03}/" for n in range(250)] + [f"f{n:04}" for n in range(950)]
    for name in names:
        (folder / name).mkdir(parents=True) if name.endswith("/") else (folder / name).touch()
    wait_for(lambda: web.request("GET", "/files/many/f0949")[0] == 200, "the last one to be known")
    wait_for(lambda: len(web.curl("/files/many/").stdout.splitlines()) == 1200, "all to be known")
    assert web.curl("/files/many/").stdout.splitlines() == ["many/" + name for name in names]
    for version in ("--http1.1", "--http1.0"):
        rows = json.loads(web.curl(version, "/files/many/?json").stdout)["files"]
        assert [row["path"] + "/" * row["folder"] for row in rows] == ["many/" + name for name in names]
    assert web.curl("/files/?person=x").stdout == ""
    assert len(json.loads(web.curl("/files/many/?json&after=many/f0749").stdout)["files"]) == 200
    assert web.request("HEAD", "/files/many/?json")[2] == b""


def test_uploads_that_are_begun_do_not_fill_the_pages(web):
    """Of what is arriving a page shows what it has room for, however long the paths become."""
    deep = "/".join(["&" * 240] * 4)
    sending = []
    try:
        for n in range(150):
            raw = socket.create_connection(("127.0.0.1", web.web_port))
            head = f"PUT /files/{deep}{n} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n"
            raw.sendall(head.encode() + b"begun")
            sending.append(raw)
        # In the order in which they began; what it has no room for is left out.
        arriving = lambda: json.loads(web.request("GET", "/api/files")[2])["arriving"]
        wait_for(lambda: len(arriving()) > 100, "the uploads to have begun")
        for path in ("/", "/files/?html"):
            status, _, page = web.request("GET", path, headers={"Accept": "text/html"})
            assert status == 200 and b"arriving" in page and b"Made by riad" in page, path
            assert len(page) < 600_000
    finally:
        for raw in sending:
            raw.close()


def test_a_folder_as_tar_and_zip(web):
    status, head, body = web.request("GET", "/files/f/?tar")
    assert int(head["content-length"]) == len(body)
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        names = tar.getnames()
        assert tar.extractfile("a é.bin").read() == BYTES
    assert sorted(names) == sorted(["a é.bin", "deep/" + "n" * 150 + ".txt", "empty"])
    status, head, body = web.request("GET", "/files/f/?zip")
    assert int(head["content-length"]) == len(body)
    with zipfile.ZipFile(io.BytesIO(body)) as zip_:
        assert zip_.testzip() is None
        assert sorted(zip_.namelist()) == sorted(names)
        assert zip_.read("a é.bin") == BYTES


def test_an_archive_of_too_many_files_is_refused(make_box):
    """It would lack some, and say nothing of it."""
    web = make_box(chat={"enabled": "no"}, mirror={"enabled": "no"})
    assert web.request("PUT", "/files/many/one", b"1")[0] == 201
    with contextlib.closing(sqlite3.connect(web.state / "store" / "riad.db", timeout=10)) as store, store:
        store.executemany(
            "INSERT INTO file (path, size, created_at, modified_at) VALUES (?, 1, 1, 1)",
            ((f"many/{i}",) for i in range(100_000)),
        )
    status, _, body = web.request("GET", "/files/many/?zip")
    assert status == 403 and b"100001" in body and b"sftp" in body


def test_an_archive_leaves_out_what_the_box_may_not_read(web):
    """An organiser's file of mode 0 cut every archive of the drop at that place."""
    folder = web.state / "drop" / "u"
    folder.mkdir()
    for name in ("a", "b closed", "c"):
        (folder / name).write_text(name)
    wait_for(lambda: web.request("GET", "/files/u/?text")[2].count(b"\n") == 3, "all in the list")
    (folder / "b closed").chmod(0)  # only now: what cannot be read at first is not listed
    if web.request("GET", "/files/u/b%20closed")[0] == 200:
        pytest.skip("this account may read everything")
    with tarfile.open(fileobj=io.BytesIO(web.request("GET", "/files/u/?tar")[2])) as tar:
        assert tar.getnames() == ["a", "c"]
    with zipfile.ZipFile(io.BytesIO(web.request("GET", "/files/u/?zip")[2])) as zip_:
        assert zip_.testzip() is None and zip_.namelist() == ["a", "c"]


@pytest.mark.campaign
def test_a_zip_beyond_4_gib_is_one_for_unzip(web, tmp_path):
    """Python forgives where the directory begins, Info-ZIP does not: 2026-11-22 it was 76 bytes off."""
    unzip = needs("unzip")
    folder = web.state / "drop" / "large"
    folder.mkdir()
    (folder / "after.txt").write_text("after")
    with open(folder / "a large one.bin", "wb") as large:
        large.truncate((4 << 30) + 4096)
    try:
        wait_for(lambda: b"after.txt" in web.request("GET", "/files/large/?text")[2], "the list", 60)
        zipped = tmp_path / "large.zip"
        subprocess.run(["curl", "-sf", "-o", zipped, web.url("/files/large/?zip")], check=True)
        done = subprocess.run([unzip, "-tq", zipped], capture_output=True, text=True)
        assert done.returncode == 0 and "No errors detected" in done.stdout, done
        zipped.unlink()
    finally:
        shutil.rmtree(folder)


def test_peoples_bytes_do_not_run_as_the_page(web):
    for name, inline in [("evil.html", False), ("evil.svg", True), ("note.txt", True)]:
        web.request("PUT", f"/files/{name}", b"<script>alert(1)</script>")
        head = web.request("GET", f"/files/{name}")[1]
        assert head["x-content-type-options"] == "nosniff"
        assert "sandbox" in head["content-security-policy"]
        assert head["content-disposition"].startswith("inline" if inline else "attachment")


def test_api(web):
    assert web.request("GET", "/healthz")[2] == b"ok\n"
    status = json.loads(web.request("GET", "/api/status")[2])
    assert status["services"]["web"]["state"] == "up" and status["drop"]["files"] >= 4
    files = json.loads(web.request("GET", "/api/files?words=ten")[2])["files"]
    assert [row["path"] for row in files] == ["ten.bin"]
    assert json.loads(web.request("GET", "/api/people")[2]) == {"people": []}
    assert web.request("GET", "/api/leases")[0] == 401
    metrics = web.request("GET", "/metrics")[2].decode()
    assert "\nriad_drop_files " in metrics and 'riad_http_responses_total{class="2xx"}' in metrics


def test_the_list_goes_on_after_a_long_path(web):
    long = "/".join(["l" * 200] * 3)
    assert web.request("PUT", f"/files/z/{long}", b"a")[0] == 201
    assert web.request("PUT", "/files/z/z", b"z")[0] == 201
    rows = json.loads(web.request("GET", f"/api/files?after=z/{long}")[2])["files"]
    assert [row["path"] for row in rows] == ["z/z"]
    assert web.request("GET", "/api/files?words=" + "w" * 300)[0] == 400


def test_what_has_expired_goes_and_the_shelf_stays(make_box):
    box = make_box(web={"expire": "5s"}, chat={"enabled": "no"}, mirror={"enabled": "no"})
    (box.state / "drop/shelf").mkdir()
    (box.state / "drop/shelf/manual.txt").write_text("read me")
    wait_for(lambda: box.request("GET", "/files/shelf/manual.txt")[0] == 200, "the manual")
    assert box.request("PUT", "/files/short/lived.txt", b"x")[0] == 201
    assert box.request("GET", "/files/short/lived.txt")[0] == 200
    wait_for(lambda: box.request("GET", "/files/short/lived.txt")[0] == 404, "its end", 20)
    wait_for(lambda: box.request("GET", "/files/")[2] == b"shelf/\n", "the empty folder to go, too")
    assert box.request("GET", "/files/shelf/manual.txt")[0] == 200


def test_a_qr_code_of_what_is_here(web):
    web.request("PUT", "/files/codes/a.txt", b"x")
    for path in ("/files/codes/a.txt?qr", "/files/codes/?qr", "/files/?qr"):
        status, headers, body = web.request("GET", path)
        assert (status, headers["content-type"]) == (200, "image/svg+xml") and b"<svg" in body
    assert web.request("GET", "/files/codes/b.txt?qr")[0] == 404
    assert web.request("GET", "/files/.b?qr")[0] == 404


def test_errors_come_as_they_are_asked_for(web):
    status, head, body = web.request("GET", "/files/none", headers={"Accept": "application/json"})
    assert (status, json.loads(body)["status"]) == (404, 404)
    assert web.request("GET", "/files/none")[1]["content-type"].startswith("text/plain")
    status, head, body = web.request("PATCH", "/files/none")
    assert status == 405 and "PUT" in head["allow"]


def test_a_file_still_arriving_is_followed_to_its_end(web):
    put = socket.create_connection(("127.0.0.1", web.web_port))
    put.sendall(b"PUT /files/coming HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n")
    put.sendall(b"a" * 100000)

    def arriving():
        rows = json.loads(web.request("GET", "/api/files")[2])["arriving"]
        return any(row["path"] == "coming" and row["received"] >= 100000 for row in rows)

    wait_for(arriving, "the arrival to be known")
    assert not any(
        row["path"] == "coming" for row in json.loads(web.request("GET", "/api/files")[2])["files"]
    )
    get = socket.create_connection(("127.0.0.1", web.web_port))
    get.settimeout(20)
    get.sendall(b"GET /files/coming HTTP/1.1\r\nHost: localhost\r\nRange: bytes=5-\r\n"
                b"Connection: close\r\n\r\n")  # fmt: skip
    seen = b""
    while seen.count(b"a") < 100000:
        seen += get.recv(65536)
    put.sendall(b"b" * 100000)
    while piece := get.recv(65536):
        seen += piece
    put.close()
    get.close()
    head, _, body = seen.partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0]
    assert b"no-store" in head and b"chunked" in head and b"ETag" not in head
    assert body.count(b"b") == 100000 and body.endswith(b"\r\n0\r\n\r\n")


def test_what_has_only_just_begun_to_arrive_is_found(web):
    """Nobody is told of small files that take a blink, and yet nobody who asks is told 404."""
    arriving = web.state / "drop/.arriving"
    for path in ["/files/young", "/young2"]:
        before = set(arriving.iterdir())  # others' parts, of the same size, too
        put = socket.create_connection(("127.0.0.1", web.web_port))
        put.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n".encode())
        put.sendall(b"first")
        wait_for(
            lambda: any(part.stat().st_size == 5 for part in set(arriving.iterdir()) - before),
            "the part",
        )
        get = socket.create_connection(("127.0.0.1", web.web_port))
        get.settimeout(20)
        asked = path.replace("/young2", "/files/young2")
        if asked != path:
            assert web.request("GET", path)[1]["location"].endswith(asked)
        get.sendall(f"GET {asked} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        seen = b""
        while b"first" not in seen:
            piece = get.recv(65536)
            assert piece, seen
            seen += piece
        put.sendall(b"later")
        while piece := get.recv(65536):
            seen += piece
        assert b"later" in seen and seen.endswith(b"\r\n0\r\n\r\n")
        put.close()
        get.close()


def test_who_follows_an_upload_that_breaks_off_gets_the_rest_when_it_goes_on(web):
    token = "guest-" + "A" * 22
    put = socket.create_connection(("127.0.0.1", web.web_port))
    put.sendall(b"PUT /files/broken HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n"
                b"Authorization: Bearer " + token.encode() + b"\r\n\r\n")  # fmt: skip
    put.sendall(b"a" * 100000)
    get = socket.create_connection(("127.0.0.1", web.web_port))
    get.settimeout(20)

    def followed():
        get.sendall(b"GET /files/broken HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return b" 200 " in get.recv(65536)

    wait_for(followed, "the file to be followed")
    put.close()
    owner = {"Authorization": f"Bearer {token}"}

    def offset():
        head = web.request("HEAD", "/files/broken", headers=owner)[1]
        return head.get("upload-offset") == "100000"

    wait_for(offset, "the part to be kept")
    assert "upload-offset" not in web.request("HEAD", "/files/broken")[1]
    wrong = web.request(
        "PUT", "/files/broken", b"x", {**owner, "Content-Range": "bytes 5-5/200000"}
    )
    assert wrong[0] == 409 and wrong[1]["upload-offset"] == "100000" and b"100000" in wrong[2]
    done = web.request(
        "PUT", "/files/broken", b"b" * 100000, {**owner, "Content-Range": "bytes 100000-199999/200000"}
    )
    assert done[0] == 201, done
    seen = b""
    while not seen.endswith(b"\r\n0\r\n\r\n"):
        seen += get.recv(65536)
    get.close()
    assert seen.count(b"b") == 100000
    assert web.request("GET", "/files/broken")[2] == b"a" * 100000 + b"b" * 100000
