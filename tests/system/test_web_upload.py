"""The drop over HTTP, inwards: PUT, forms, what breaks off and goes on, tus."""

import base64
import hashlib
import json
import os
import signal
import socket
import threading

import pytest

from conftest import PATIENCE, Box, wait_for

tusclient = pytest.importorskip("tusclient.client", reason="python3-tuspy is not installed")

TUS = {"Tus-Resumable": "1.0.0"}
CHUNK = {**TUS, "Content-Type": "application/offset+octet-stream"}


def meta(name):
    return "filename " + base64.b64encode(name.encode()).decode()


@pytest.fixture(scope="module")
def web():
    with Box({"chat": {"enabled": "no"}, "mirror": {"enabled": "no"}, "web": {"max_file": "64M"}}) as box:
        yield box


def path_of(location):
    return "/" + location.split("/", 3)[3]


# ---- PUT ----


def stores_open(web):
    """By their logs: SQLite keeps the file's own descriptors for the next connection."""
    pid = web.pid("web")
    paths = [f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd")]
    return sum(os.path.realpath(path).endswith("/riad.db-wal") for path in paths)


def test_what_many_uploads_needed_is_closed_behind_them(web):
    """Each upload under way holds a connection to the store; few are kept for quiet times."""
    before = stores_open(web)
    raws = []
    for number in range(16):
        raw = socket.create_connection(("127.0.0.1", web.web_port), 10)
        raw.sendall(b"PUT /files/held%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\na" % number)
        raws.append(raw)
    wait_for(lambda: stores_open(web) >= before + 12, "connections to be opened")
    for raw in raws:
        raw.sendall(b"b")
        assert raw.recv(100).startswith(b"HTTP/1.1 201")
        raw.close()
    wait_for(lambda: stores_open(web) <= before + 8, "the spare ones to be closed", 30)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_behind_a_chunked_one_on_the_same_connection(web, framing):
    """What the web server read ahead together with a head is unknown there; nobody waits for it."""
    with socket.create_connection(("127.0.0.1", web.web_port), 15 * PATIENCE) as raw:
        chunked = b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        raw.sendall(b"PUT /before.txt HTTP/1.1\r\nHost: localhost\r\n" + chunked)
        assert raw.recv(4096).split()[1] in (b"200", b"201")
        for size in (1, 300, 9000):
            body = os.urandom(size)
            framed = b"Content-Length: %d\r\n\r\n%b" % (size, body)
            if framing == "chunked":
                framed = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (size, body)
            name = f"behind-{framing}-{size}"
            raw.sendall(b"PUT /%b HTTP/1.1\r\nHost: localhost\r\n" % name.encode() + framed)
            assert raw.recv(4096).split()[1] in (b"200", b"201")
            assert web.request("GET", f"/files/{name}")[2] == body


def test_curl_drops_a_file_and_gets_it_back(web, tmp_path):
    (tmp_path / "sli des é.pdf").write_bytes(b"%PDF" * 1000)
    told = web.curl("-T", tmp_path / "sli des é.pdf", web.url("/")).stdout.splitlines()
    assert told[0] == web.url("/files/sli%20des%20%C3%A9.pdf")
    assert told[1] == hashlib.sha256(b"%PDF" * 1000).hexdigest()
    assert web.curl(told[0]).stdout == "%PDF" * 1000
    assert web.curl("-L", web.url("/sli%20des%20%C3%A9.pdf")).stdout == "%PDF" * 1000
    (tmp_path / "empty").touch()
    told = web.curl("-T", tmp_path / "empty", web.url("/")).stdout.splitlines()
    assert told[1] == hashlib.sha256(b"").hexdigest()


def test_curl_from_a_pipe(web):
    done = web.curl("-T", "-", web.url("/piped.txt"), "-H", "Transfer-Encoding: chunked")
    assert "piped.txt" in done.stdout
    status, _, body = web.request("PUT", "/files/chunked", iter([b"abc", b"de" * 50000, b"f"]))
    assert status == 201
    assert web.request("GET", "/files/chunked")[2] == b"abc" + b"de" * 50000 + b"f"


def test_a_free_name_and_the_same_bytes(web):
    first = web.request("PUT", "/same.txt", b"one")
    again = web.request("PUT", "/same.txt", b"one")
    other = web.request("PUT", "/same.txt", b"two")
    assert (first[0], again[0], other[0]) == (201, 200, 201)
    assert first[1]["location"] == again[1]["location"]
    assert other[1]["location"].endswith("/files/same%20(2).txt") or other[1]["location"].endswith(
        "/files/same%20%282%29.txt"
    )
    assert web.request("GET", path_of(other[1]["location"]))[2] == b"two"


def test_whose_file_it_is(web):
    made = web.request("PUT", "/files/mine.txt", b"one")
    token = made[1]["drop-token"]
    owner = {"Authorization": f"Bearer {token}"}
    assert made[0] == 201 and made[1]["etag"].strip('"') == hashlib.sha256(b"one").hexdigest()
    assert web.request("PUT", "/files/mine.txt", b"two")[0] == 409
    assert web.request("GET", "/files/mine.txt")[2] == b"one"
    assert web.request("PUT", "/files/mine.txt", b"two", owner)[0] == 200
    assert web.request("DELETE", "/files/mine.txt")[0] in (401, 403)
    assert web.request("DELETE", "/files/mine.txt", headers={"Authorization": "Bearer wrong"})[0] == 401
    cookie = made[1]["set-cookie"].split(";")[0]
    assert web.request("PUT", "/files/mine.txt", b"three", {"Cookie": cookie})[0] == 200
    assert web.request("DELETE", "/files/mine.txt", headers=owner)[0] == 204
    assert web.request("GET", "/files/mine.txt")[0] == 404
    assert web.request("DELETE", "/files/mine.txt", headers=owner)[0] == 404


def test_conditions_of_writes(web):
    assert web.request("PUT", "/files/c.txt", b"one", {"If-Match": "*"})[0] == 412
    made = web.request("PUT", "/files/c.txt", b"one", {"If-None-Match": "*"})
    assert made[0] == 201
    owner = {"Drop-Token": made[1]["drop-token"]}
    assert web.request("PUT", "/files/c.txt", b"two", {**owner, "If-None-Match": "*"})[0] == 412
    assert web.request("PUT", "/files/c.txt", b"two", {**owner, "If-Match": '"x"'})[0] == 412
    assert web.request("PUT", "/files/c.txt", b"two", {**owner, "If-Match": made[1]["etag"]})[0] == 200
    assert web.request("DELETE", "/files/c.txt", headers={**owner, "If-Match": made[1]["etag"]})[0] == 412
    assert web.request("GET", "/files/c.txt")[2] == b"two"


def test_places_that_are_not_for_uploads(web):
    assert web.request("PUT", "/files/shelf/x", b"x")[0] == 403
    assert web.request("PUT", "/files/d/x", b"x")[0] == 201
    assert web.request("PUT", "/files/d", b"x")[0] == 409
    assert web.request("PUT", "/files/d/x/y", b"x")[0] == 409
    assert web.request("PUT", "/files/d/", b"x")[0] == 400
    assert web.request("PUT", "/files/", b"x")[0] == 400
    assert b"Name the file" in web.request("PUT", "/", b"x")[2]
    assert b"Name the file" in web.request("PUT", "/files", b"x")[2]
    assert web.request("PUT", "/files/SHELF/x", b"x")[0] == 403
    assert web.request("PUT", "/files/" + "n" * 300, b"x")[0] == 400


def test_uploads_for_people_or_nobody(make_box):
    for upload, wanted in [("people", 401), ("nobody", 403)]:
        box = make_box(chat={"enabled": "no"}, mirror={"enabled": "no"}, web={"upload": upload})
        assert box.request("PUT", "/x", b"x")[0] == wanted
        assert box.request("POST", "/uploads/", headers={**TUS, "Upload-Length": "1", "Upload-Metadata": meta("x")})[0] == wanted
        body = b'--X\r\nContent-Disposition: form-data; name="f"; filename="m"\r\n\r\nx\r\n--X--'
        assert box.request("POST", "/files/", body, {"Content-Type": "multipart/form-data; boundary=X"})[0] == wanted


def test_curl_goes_on_where_it_was_cut(web, tmp_path):
    whole = os.urandom(3000000)
    (tmp_path / "half").write_bytes(whole)
    token = "guest-" + "B" * 22
    with socket.create_connection(("127.0.0.1", web.web_port)) as raw:
        raw.sendall(b"PUT /files/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n"
                    b"Authorization: Bearer " + token.encode() + b"\r\n\r\n" + whole[:1234567])  # fmt: skip
    owner = {"Authorization": f"Bearer {token}"}
    offset = lambda: web.request("HEAD", "/files/half", headers=owner)[1].get("upload-offset")
    wait_for(lambda: offset() == "1234567", "the part")
    assert web.request("GET", "/files/half")[0] == 404
    done = web.curl("-C", "1234567", "-H", f"Authorization: Bearer {token}",
                    "-T", tmp_path / "half", web.url("/files/half"))  # fmt: skip
    assert done.stdout.splitlines()[1] == hashlib.sha256(whole).hexdigest()
    assert web.request("GET", "/files/half")[2] == whole


def test_a_content_range_that_is_a_lie(web):
    """The length of a chunked body is only known at its end: what is too much costs this request."""
    owner = {"Authorization": "Bearer guest-" + "L" * 22}
    store = lambda body, said: web.request(
        "PUT", "/files/lie", body, {**owner, "Content-Range": f"bytes {said}"}
    )
    offset = lambda: web.request("HEAD", "/files/lie", headers=owner)[1].get("upload-offset")
    assert store(b"01234", "0-4/10")[0] == 202
    assert store(b"56789", "5-8/10")[0] == 400
    assert store(iter([b"567", b"89"]), "5-7/10")[0] == 400
    assert offset() == "5"
    assert store(b"56789", "5-9/11")[0] == 409
    assert store(iter([b"567", b"89x"]), "5-9/10")[2] == b"The body is longer than was said before.\n"


# ---- forms ----


def test_a_form_says_which_file_is_refused(web):
    done = web.curl("-F", "f=good;filename=good.txt", "-F", "f=bad;filename=.bad", web.url("/files/"))
    assert done.stdout == "Names do not begin with a dot. What came before it is here.\n"
    web.request("PUT", "/files/inthe", b"way")
    done = web.curl("-F", "f=bad;filename=inthe/way", web.url("/files/"))
    assert done.stdout == "way: There is a file of that name, and it stays: take another name.\n"


def test_a_form_that_another_upload_takes_over_is_told_when_to_come_again(web):
    token = "guest-" + "F" * 22
    head = (b"POST /files/ HTTP/1.1\r\nHost: localhost\r\nDrop-Token: " + token.encode() +
            b"\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000000\r\n\r\n")  # fmt: skip
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="taken.bin"\r\n\r\n'
    with socket.create_connection(("127.0.0.1", web.web_port)) as raw:
        raw.settimeout(20)
        raw.sendall(head + part + bytes(3 << 20))
        wait_for(lambda: web.request("HEAD", "/files/taken.bin")[0] == 200, "it to be coming")
        rest = {"Drop-Token": token, "Content-Range": "bytes 0-3/8"}
        assert web.request("PUT", "/files/taken.bin", b"abcd", rest)[0] == 409
        raw.sendall(bytes(1 << 20))
        answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 423 ") and b"Retry-After: 1\r\n" in answer, answer
    assert b"taken.bin: " in answer


def test_forms(web, tmp_path):
    (tmp_path / "a.txt").write_text("form a")
    (tmp_path / 'q"uo.txt').write_text("form q")
    done = web.curl("-F", f"f=@{tmp_path}/a.txt", "-F", f"g=@\"{tmp_path}/q\\\"uo.txt\"",
                    "-F", "text=ignored", web.url("/files/forms/"))  # fmt: skip
    assert done.stdout.splitlines()[0] == web.url("/files/forms/a.txt")
    assert web.curl("/files/forms/a.txt").stdout == "form a"
    assert len(web.curl("/files/forms/").stdout.splitlines()) == 2
    rows = json.loads(web.curl("-F", f"f=@{tmp_path}/a.txt", "-H", "Accept: application/json", web.url("/files/")).stdout)
    assert rows["files"][0]["path"] == "a.txt"
    done = web.curl("-si", "-F", f"f=@{tmp_path}/a.txt", "-H", "Accept: text/html", web.url("/files/forms/"))
    assert " 303 " in done.stdout and "/files/forms/" in done.stdout
    large = bytes(range(256)) * 20000
    (tmp_path / "large").write_bytes(large + b"\r\n--")
    web.curl("-F", f"f=@{tmp_path}/large", web.url("/files/"))
    assert web.request("GET", "/files/large")[2] == large + b"\r\n--"


def test_the_plain_home_page_says_who_may_drop(make_box, web):
    assert "\nDrop: open, up to " in web.curl(web.url("/")).stdout
    closed = make_box(web={"upload": "nobody"}, chat={"enabled": "no"}, mirror={"enabled": "no"})
    assert "\nDrop: Uploads are closed on this box.\n" in closed.curl(closed.url("/")).stdout


def test_a_folder_takes_a_name_like_a_file(web, tmp_path):
    """Also the name that a form's trial has is nobody's business."""
    assert web.request("PUT", "/files/form/x", b"x")[0] == 201
    (tmp_path / "y").write_text("y")
    done = web.curl("-F", f"f=@{tmp_path}/y", web.url("/files/"))
    assert done.stdout.splitlines()[0] == web.url("/files/y")
    status, head, _ = web.request("PUT", "/form", b"bare")
    assert status == 201 and head["location"] == web.url("/files/form%20%282%29")
    assert web.request("PUT", "/files/form", b"exact")[0] == 409


# ---- tus ----


def test_tuspy_uploads_in_pieces(web, tmp_path):
    bytes_ = os.urandom(1000003)
    (tmp_path / "t.bin").write_bytes(bytes_)
    client = tusclient.TusClient(web.url("/uploads/"))
    upload = client.uploader(str(tmp_path / "t.bin"), chunk_size=300000, metadata={"filename": "tus é.bin"},
                             upload_checksum=True)  # fmt: skip
    upload.upload_chunk()
    assert web.request("HEAD", path_of(upload.url), headers=TUS)[1]["upload-offset"] == "300000"
    upload.upload()
    assert web.request("GET", "/files/tus%20%C3%A9.bin")[2] == bytes_
    # The answer to the last chunk may be lost: where it stands can still be asked.
    head = web.request("HEAD", path_of(upload.url), headers=TUS)
    assert head[0] == 200 and head[1]["upload-offset"] == "1000003"


def create(web, name, length, body=b"", **headers):
    fields = {"Upload-Metadata": meta(name), **headers}
    if length is not None:
        fields["Upload-Length"] = str(length)
    return web.request("POST", "/uploads/", body, {**(CHUNK if body else TUS), **fields})


def test_tus_says_what_it_can(web):
    for path in ["/uploads", "/uploads/"]:
        status, head, _ = web.request("OPTIONS", path)
        assert status == 204 and head["tus-version"] == "1.0.0" and int(head["tus-max-size"]) == 64 << 20
    for word in ["creation", "creation-with-upload", "creation-defer-length", "termination", "checksum", "expiration"]:
        assert word in head["tus-extension"].split(",")
    assert "sha1" in head["tus-checksum-algorithm"].split(",")
    assert web.request("POST", "/uploads/", headers={"Upload-Length": "1"})[0] == 412
    assert create(web, "x", None)[0] == 400
    assert create(web, "../x", 1)[0] == 400
    assert create(web, "x", 65 << 20)[0] == 413
    assert create(web, "x", -1)[0] == 400


def test_tus_creation_with_upload_and_empty_files(web):
    made = create(web, "whole.txt", 5, b"whole")
    assert made[0] == 201 and made[1]["upload-offset"] == "5" and "drop-token" in made[1]
    assert web.request("GET", "/files/whole.txt")[2] == b"whole"
    made = create(web, "part.txt", 5, b"pa")
    assert made[1]["upload-offset"] == "2" and "upload-expires" in made[1]
    assert create(web, "nothing.txt", 0)[0] == 201
    assert web.request("GET", "/files/nothing.txt")[2] == b""


def test_tus_length_that_comes_later(web):
    made = create(web, "late.txt", None, **{"Upload-Defer-Length": "1"})
    at = path_of(made[1]["location"])
    assert web.request("HEAD", at, headers=TUS)[1]["upload-defer-length"] == "1"
    assert web.request("PATCH", at, b"abc", {**CHUNK, "Upload-Offset": "0"})[0] == 204
    assert web.request("PATCH", at, b"de", {**CHUNK, "Upload-Offset": "3", "Upload-Length": "5"})[0] == 204
    assert web.request("GET", "/files/late.txt")[2] == b"abcde"


def test_tus_refusals(web):
    at = path_of(create(web, "r.txt", 5)[1]["location"])
    assert web.request("PATCH", at, b"a", {**CHUNK, "Upload-Offset": "3"})[0] == 409
    assert web.request("PATCH", at, b"a", {**TUS, "Upload-Offset": "0"})[0] == 415
    assert web.request("PATCH", at, b"a", {**CHUNK})[0] == 409
    assert web.request("PATCH", at, b"abcdef", {**CHUNK, "Upload-Offset": "0"})[0] == 413
    assert web.request("HEAD", "/uploads/unknown", headers=TUS)[0] == 404
    assert web.request("PATCH", "/uploads/unknown", b"a", {**CHUNK, "Upload-Offset": "0"})[0] == 404


def test_tus_without_metadata_has_a_plain_name(web):
    head = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    status, answer, _ = web.request("POST", "/uploads/", b"plain", {**head, "Upload-Length": "5"})
    assert (status, answer["upload-offset"]) == (201, "5")
    assert web.request("GET", "/files/upload")[2] == b"plain"
    wrong = {**head, "Upload-Length": "5", "Upload-Metadata": "filename /w=="}
    assert web.request("POST", "/uploads/", b"", wrong)[0] == 400


def test_tus_chunk_that_is_too_long_costs_the_chunk_only(web):
    head = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    create = {"Tus-Resumable": "1.0.0", "Upload-Length": "5", "Upload-Metadata": "filename bG9uZy50eHQ="}
    where = web.request("POST", "/uploads/", b"", create)[1]["location"].split("/uploads/")[1]
    assert web.request("PATCH", f"/uploads/{where}", b"too long", {**head, "Upload-Offset": "0"})[0] == 413
    assert web.request("PATCH", f"/uploads/{where}", b"right", {**head, "Upload-Offset": "0"})[0] == 204
    assert web.request("GET", "/files/long.txt")[2] == b"right"


def test_tus_checksums(web):
    at = path_of(create(web, "sum.txt", 5)[1]["location"])
    sum_ = lambda kind, bytes_: f"{kind} " + base64.b64encode(hashlib.new(kind, bytes_).digest()).decode()
    patch = lambda body, offset, sum: web.request(
        "PATCH", at, body, {**CHUNK, "Upload-Offset": str(offset), "Upload-Checksum": sum}
    )[0]
    assert patch(b"ab", 0, sum_("sha1", b"xx")) == 460
    assert web.request("HEAD", at, headers=TUS)[1]["upload-offset"] == "0"
    assert patch(b"ab", 0, "crc9 AAAA") == 400
    assert patch(b"ab", 0, sum_("sha1", b"ab")) == 204
    assert patch(b"cde", 2, sum_("sha256", b"cde")) == 204
    assert web.request("GET", "/files/sum.txt")[2] == b"abcde"


def test_tus_termination(web):
    at = path_of(create(web, "gone.txt", 5, b"ab")[1]["location"])
    assert web.request("DELETE", at, headers=TUS)[0] == 204
    assert web.request("HEAD", at, headers=TUS)[0] in (404, 410)
    at = path_of(create(web, "gone.txt", 5)[1]["location"])
    assert web.request("POST", at, headers={**TUS, "X-HTTP-Method-Override": "DELETE"})[0] == 204


def test_tus_head_at_once_after_a_cut(web):
    at = path_of(create(web, "cut.bin", 500000)[1]["location"])
    with socket.create_connection(("127.0.0.1", web.web_port)) as raw:
        raw.sendall(f"PATCH {at} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\n"
                    "Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\n"
                    "Content-Length: 500000\r\n\r\n".encode() + b"c" * 200000)  # fmt: skip
    offset = lambda: web.request("HEAD", at, headers=TUS)[1]["upload-offset"]
    wait_for(lambda: offset() == "200000", "the offset")
    patched = web.request("PATCH", at, b"d" * 300000, {**CHUNK, "Upload-Offset": "200000"})
    assert patched[0] == 204, patched
    assert web.request("GET", "/files/cut.bin")[2] == b"c" * 200000 + b"d" * 300000


def test_tus_that_died_with_all_bytes_is_published_when_asked_for(make_box):
    """A client whose HEAD says that all is there sends nothing more and tells its user so."""
    box = make_box(chat={"enabled": "no"}, mirror={"enabled": "no"})
    at = path_of(create(box, "whole.bin", 10)[1]["location"])
    box.kill("web", signal.SIGKILL)
    (box.state / "drop" / ".arriving" / at.rsplit("/", 1)[1]).write_bytes(b"0123456789")
    wait_for(lambda: answers(box), "the service to be back")
    head = box.request("HEAD", at, headers=TUS)
    assert head[0] == 200 and head[1]["upload-offset"] == head[1]["upload-length"] == "10"
    assert head[1]["content-location"].endswith("/files/whole.bin")
    assert box.request("GET", "/files/whole.bin")[2] == b"0123456789"
    assert box.request("HEAD", at, headers=TUS)[1]["upload-offset"] == "10"


def answers(box):
    try:
        return box.request("GET", "/healthz")[0] == 200
    except OSError:
        return False


# ---- whatever dies ----


@pytest.mark.threads
def test_kill_during_uploads(make_box):
    """kill -9 of the service while eight upload: all resume, none truncated, none lost."""
    box = make_box(chat={"enabled": "no"}, mirror={"enabled": "no"})
    files = {f"k{i}": os.urandom(2000000 + i) for i in range(8)}
    done, failures = {}, []

    def upload(name):
        bytes_ = files[name]

        def ask(method, path, body=b"", headers=None):
            while True:  # the box comes back by itself
                try:
                    return box.request(method, path, body, headers)
                except (OSError, __import__("http").client.HTTPException):
                    if stop.is_set():
                        raise

        try:
            at = path_of(create_on(ask, name, len(bytes_)))
            while name not in done:
                status, head, _ = ask("HEAD", at, b"", TUS)
                if status == 404 or int(head["upload-offset"]) == len(bytes_):
                    done[name] = True
                    continue
                offset = int(head["upload-offset"])
                ask("PATCH", at, bytes_[offset : offset + 200000], {**CHUNK, "Upload-Offset": str(offset)})
        except Exception as failure:  # noqa: BLE001
            failures.append(failure)

    def create_on(ask, name, length):
        return ask("POST", "/uploads/", b"", {**TUS, "Upload-Length": str(length), "Upload-Metadata": meta(name)})[1]["location"]

    stop = threading.Event()
    threads = [threading.Thread(target=upload, args=(name,)) for name in files]
    for thread in threads:
        thread.start()
    arriving = lambda: json.loads(box.request("GET", "/api/files")[2])
    wait_for(lambda: arriving()["arriving"] or len(arriving()["files"]), "uploads")
    box.restart_service("web")
    for thread in threads:
        thread.join(60)
    stop.set()
    assert not failures
    for name, bytes_ in files.items():
        assert box.request("GET", f"/files/{name}")[2] == bytes_
