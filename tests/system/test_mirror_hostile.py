"""The mirror among enemies: indexes that are bombs or not what they seem, sources that hold on."""

import contextlib
import gzip
import io
import socketserver
import tarfile
import threading
import time
import unicodedata

import pytest
from conftest import PATIENCE, wait_for
from test_mirror import KB, MB, get, get_all, make_mirror, noise, upstream  # noqa: F401
from upstream import Repository, Weather, cache_path, digests

EVIL = "e\u202e\x9b.1"


def evil(repository):
    """Names that a terminal would obey: of an extra source, and of a folder."""
    sums = digests(b"x")
    repository.packages["a.1"] = (
        'extra-source "p\\x1b[2J\\nroot@box\\t" { src: "http://h/p" checksum: "md5=%s" }\n' % sums["md5"]
    )
    repository.packages[EVIL] = (
        'url { src: "http://h/e" checksum: "sha256=%s" }\n' % digests(b"e")["sha256"]
    )
    repository.packages["z\u202e.1"] = "url {"


def is_harmless(text):
    return not [c for c in text if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf")]


def test_names_that_a_terminal_obeys(make_mirror, upstream):
    """An index from strangers is shown, and nobody's terminal does what it says."""
    repository = Repository(upstream)
    evil(repository)
    good = repository.add("good.1", b"good")
    repository.publish()
    box = make_mirror()
    assert get(box, good["md5"])[0] == 200
    index = box.folder / "evil.tar.gz"
    index.write_bytes(repository.index())
    for words in (["catalog", index], ["catalog"], ["list"]):
        done = box.riad("mirror", *words, check=0)
        assert is_harmless(done.stdout) and is_harmless(done.stderr)
        if words[0] == "catalog":
            assert [line.count("\t") for line in done.stdout.splitlines()] == [4] * 3
    dry = box.riad("prefetch", "--dry-run", "a", "good", check=0)
    assert is_harmless(dry.stdout) and len(dry.stdout.splitlines()) == 3
    assert is_harmless(box.log())


def entry(path, body=b"", **how):
    info = tarfile.TarInfo(path)
    info.size = len(body)
    for name, value in how.items():
        setattr(info, name, value)
    return info, body


def test_an_index_with_too_much_in_it(make_mirror, upstream):
    """What is too large, too long or no text costs itself, never the index or the memory."""
    repository = Repository(upstream)
    good = repository.add("good.1", b"good")["md5"]
    long = "b" * 150
    text = repository.packages["good.1"].encode()
    repository.publish(
        more=[
            entry("packages/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
            entry(f"packages/{long}/{long}.1/opam", text),
            entry("packages/h\u00e4/h\u00e4.1/opam", text),
            entry("packages/bomb/bomb.1/opam", b"x: [" + b"a " * MB + b"]"),
        ]
    )
    box = make_mirror()
    assert get(box, good) == (200, b"good")
    assert "bomb.1/opam is too large and left out" in box.log()
    with tarfile.open(fileobj=io.BytesIO(get(box, "/index.tar.gz")[1])) as tar:
        names = tar.getnames()
    assert f"packages/{long}/{long}.1/opam" in names and "packages/link" not in names


def test_a_broken_index_is_not_asked_for_again(make_mirror, upstream):
    """What came whole and is no index will be none in a second either: the next refresh asks."""
    repository = Repository(upstream)
    good = repository.add("good.1", b"good")["md5"]
    repository.publish()
    box = make_mirror()
    packed = get(box, "/index.tar.gz")
    upstream.put("/index.tar.gz", b"no gzip" * 9)
    box.riad("mirror", "refresh", check=1)
    time.sleep(1.5)  # what failed for want of a link is asked for again after a second
    assert len(upstream.asked("/index.tar.gz")) == 2
    for broken in (repository.index()[:-20], b"\x1f\x8b" + bytes(99), gzip.compress(bytes(9 * MB))):
        upstream.put("/index.tar.gz", broken)
        box.riad("mirror", "refresh", check=1)
    assert get(box, "/index.tar.gz") == packed and get(box, good)[0] == 200


class Stubborn(socketserver.ThreadingTCPServer):
    """A server that does what `behave` says, by path: each is a generator of bytes, which are sent as
    they come; afterwards it is silent."""

    daemon_threads, allow_reuse_address = True, True

    def __init__(self, behave):
        self.behave, self.asked, self.over = behave, [], threading.Event()
        super().__init__(("127.0.0.1", 0), None)
        self.url = "http://127.0.0.1:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def finish_request(self, request, client_address):
        path = request.recv(4096).split(b" ")[1].decode()
        self.asked.append(path)
        with contextlib.suppress(OSError):
            for piece in self.behave[path]():
                request.sendall(piece)
                if self.over.wait(0.1):
                    return
            self.over.wait(60)

    def handle_error(self, *_):
        pass

    def close(self):
        self.over.set()
        self.shutdown()
        self.server_close()


BODY = noise(7, 400 * KB)


def headers_without_end():
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X-More: yes\r\n"


def refusal_without_end():
    yield b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n"


def drops():
    yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    for at in range(0, len(BODY), 120):
        yield BODY[at : at + 120]


@pytest.fixture
def stubborn():
    made = Stubborn({})
    yield made
    made.close()


def test_sources_that_hold_on(make_mirror, upstream, stubborn):
    """A head without end, a refusal without end, a body in drops: another source brings it."""
    repository, paths = Repository(upstream), []
    for number, behave in enumerate((headers_without_end, refusal_without_end, drops)):
        body = BODY if behave is drops else noise(number, 50 * KB)
        path = repository.add(f"p{number}.1", body, cached=False)["md5"]
        paths.append((path, body))
        stubborn.behave[path] = behave
    repository.publish()
    box = make_mirror(caches=stubborn.url + "/cache")
    began = time.monotonic()
    assert get_all(box, [path for path, _ in paths]) == [(200, body) for _, body in paths]
    assert time.monotonic() - began < 25 * PATIENCE
    assert sorted(stubborn.asked) == sorted(path for path, _ in paths)


def test_a_source_that_gives_crumbs(make_mirror, upstream):
    """A byte for each request: not a request for each byte, and the next source has it whole."""
    repository, body = Repository(upstream), noise(1, 3 * KB)
    path = repository.add("a.1", body)["md5"]
    repository.publish()
    upstream.weather(path, *[Weather(cut=n) for n in range(1, 3000)])
    box = make_mirror(retries=1)
    assert get(box, path) == (200, body)
    assert 20 < len(upstream.asked(path)) < 100
