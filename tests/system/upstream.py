"""An upstream with weather: an HTTP server that can fail in all the ways that upstreams do.

    upstream = Upstream()
    upstream.put("/cache/md5/ab/abcd", b"...")
    upstream.weather("/cache/md5/ab/abcd", Weather(cut=1000), Weather(status=503, retry_after=1))

Each request for a path takes the next Weather of its list; when they are used up the sun shines.
`upstream.requests` and `upstream.sent` tell what crossed the link, `upstream.rate` bounds it.
`Repository` makes small packages with their archives and puts them up.
"""

import fcntl
import hashlib
import io
import socket
import ssl
import struct
import tarfile
import termios
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ALGORITHMS = ("md5", "sha256", "sha512")
QUEUE_S = 0.5


@dataclass
class Weather:
    """What happens to one request. Positions are of the file, not of the response."""

    status: int = 0  # answer this instead
    retry_after: object = None
    cut: int = None  # the connection ends politely at this byte
    reset: int = None  # and here with a reset
    stall: int = None  # here it falls silent, until the client gives up
    flip: int = None  # this byte is wrong
    ranges: bool = True  # False: Range is ignored
    wrong_range: bool = False  # the 206 begins somewhere else
    chunked: bool = False  # no length
    etag: str = None  # another ETag than usual
    location: str = None  # a redirect to there
    lie: int = 0  # the length announced is off by so much
    total: int = 0  # and so much the whole length in Content-Range
    delay: float = 0  # before the head
    pace: float = 0  # bytes a second of this response
    drop: bool = False  # the connection ends without an answer
    head: int = 0  # answer this to a HEAD


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.upstream.answer(self)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512
    tls = None

    def finish_request(self, request, client_address):
        self.upstream.connections += 1
        if self.tls:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, *_):
        pass


class Upstream:
    def __init__(self, port=0, tls=None):
        """tls: the certificate and key that it shows, in one file of PEM."""
        self.files, self.forecast = {}, defaultdict(list)
        self.requests, self.sent = [], 0
        self.heads = []  # paths that were asked for by HEAD
        self.moments = defaultdict(list)  # path: when it was asked for
        self.sent_of = defaultdict(int)  # path: bytes
        self.connections = self.busy = self.busiest = 0
        self.first_byte = {}  # path: when its first byte left
        self.rate = 0  # bytes a second, all together
        self.down = False  # connections are dropped without an answer
        self.lock = threading.Lock()
        self.paid_until, self.sending = 0.0, 0
        self.stopping = threading.Event()
        self.server = Server(("127.0.0.1", port), Handler)
        self.server.upstream = self
        if tls:
            self.server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.server.tls.load_cert_chain(tls)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self):
        """Nobody listens any more: connections are refused, those that are kept open end."""
        self.down = True
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()

    def put(self, path, body):
        self.files[path] = body

    def weather(self, path, *kinds):
        self.forecast[path] = list(kinds)

    def asked(self, path):
        """The requests for that path."""
        with self.lock:
            return [request for request in self.requests if request[0] == path]

    # ---- one request ----

    def answer(self, http):
        with self.lock:
            path = http.path
            self.requests.append((path, dict(http.headers)))
            if http.command == "HEAD":
                self.heads.append(path)
            self.moments[path].append(time.monotonic())
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
            kinds = self.forecast.get(path)
            kind = kinds.pop(0) if kinds else Weather()
        try:
            self.meet(http, path, kind)
        finally:
            with self.lock:
                self.busy -= 1

    def meet(self, http, path, kind):
        if self.down or kind.drop:
            http.close_connection = True
            return
        if kind.delay:
            self.stopping.wait(kind.delay)
        if kind.head and http.command == "HEAD":
            self.refuse(http, kind.head, None)
        elif kind.status:
            self.refuse(http, kind.status, kind.retry_after)
        elif kind.location:
            http.send_response(302)
            http.send_header("Location", kind.location)
            http.send_header("Content-Length", "0")
            http.end_headers()
        elif path not in self.files:
            self.refuse(http, 404, None)
        else:
            self.deliver(http, path, self.files[path], kind)

    @staticmethod
    def refuse(http, status, retry_after):
        http.send_response(status)
        http.send_header("Content-Length", "3")
        if retry_after is not None:
            http.send_header("Retry-After", str(retry_after))
        http.end_headers()
        if http.command != "HEAD":
            http.wfile.write(b"no\n")

    def deliver(self, http, path, body, kind):
        etag = kind.etag or '"%s"' % hashlib.sha256(body).hexdigest()[:16]
        begin = self.begin(http, body, kind, etag)
        if begin == "not modified":
            http.send_response(304)
            http.send_header("ETag", etag)
            http.end_headers()
            return
        if http.headers.get("Range") == "bytes=0-0" and kind.ranges and not kind.chunked:
            self.first(http, body)
            return
        if begin is None:
            self.refuse(http, 416, None)
            return
        if kind.flip is not None:
            body = body[: kind.flip] + bytes([body[kind.flip] ^ 0x55]) + body[kind.flip + 1 :]
        self.head(http, body, kind, etag, begin)
        if http.command == "GET":
            self.body(http, path, body, kind, begin)

    @staticmethod
    def first(http, body):
        http.send_response(206)
        http.send_header("Content-Range", f"bytes 0-0/{len(body)}")
        http.send_header("Content-Length", "1")
        http.end_headers()
        http.wfile.write(body[:1])

    @staticmethod
    def begin(http, body, kind, etag):
        if http.headers.get("If-None-Match") == etag:
            return "not modified"
        asked = http.headers.get("Range", "")
        if not kind.ranges or kind.chunked or not asked.startswith("bytes="):
            return 0
        if http.headers.get("If-Range", etag) != etag:
            return 0
        first = int(asked[6:].split("-")[0])
        return first if first < len(body) else None

    @staticmethod
    def head(http, body, kind, etag, begin):
        http.send_response(206 if begin else 200)
        if begin:
            first = begin + 1 if kind.wrong_range else begin
            http.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body) + kind.total}")
        if kind.chunked:
            http.send_header("Transfer-Encoding", "chunked")
        else:
            http.send_header("Content-Length", str(len(body) - begin + kind.lie))
            http.send_header("ETag", etag)
        http.end_headers()

    def body(self, http, path, body, kind, begin):
        ends = [len(body)] + [p for p in (kind.cut, kind.reset, kind.stall) if p is not None]
        end = max(begin, min(ends))
        with self.lock:
            if self.sending == 0:
                self.paid_until = time.monotonic()
            self.sending += 1
        try:
            self.pieces(http, path, body[begin:end], kind)
        finally:
            with self.lock:
                self.sending -= 1
        if end == len(body) and not kind.lie:
            if kind.chunked:
                http.wfile.write(b"0\r\n\r\n")
            return
        http.wfile.flush()
        if kind.stall is not None:
            self.wait_for_client(http)
        if kind.reset is not None:
            self.wait_until_it_crossed(http.connection)
            http.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        http.close_connection = True

    def wait_until_it_crossed(self, connection):
        """A reset throws away what has not left yet; that never crossed the link."""
        left = struct.pack("i", 1)
        while struct.unpack("i", left)[0] and not self.stopping.wait(0.001):
            left = fcntl.ioctl(connection, termios.TIOCOUTQ, left)

    def pieces(self, http, path, body, kind):
        for at in range(0, len(body), 16384):
            piece = body[at : at + 16384]
            self.pay(len(piece), kind.pace)
            http.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if kind.chunked else piece)
            with self.lock:
                self.first_byte.setdefault(path, time.monotonic())
                self.sent += len(piece)
                self.sent_of[path] += len(piece)

    def wait_for_client(self, http):
        """Silence, until the other side hangs up."""
        http.connection.settimeout(0.2)
        while not self.stopping.is_set():
            try:
                if not http.connection.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    def pay(self, length, pace):
        """Waits until the link has had the time to carry so many bytes. While anything is on its way
        the link is never idle: who comes late for it by less than QUEUE_S has lost no time."""
        if pace:
            self.stopping.wait(length / pace)
        if not self.rate:
            return
        with self.lock:
            now = time.monotonic()
            self.paid_until = max(self.paid_until, now - QUEUE_S) + length / self.rate
            wait = self.paid_until - now
        if wait > 0.002:
            self.stopping.wait(wait)


def digests(body):
    return {algorithm: hashlib.new(algorithm, body).hexdigest() for algorithm in ALGORITHMS}


def cache_path(algorithm, digest):
    return f"/cache/{algorithm}/{digest[:2]}/{digest}"


class Repository:
    """Packages of our own making on an Upstream: an index, archives in its cache and at URLs."""

    def __init__(self, upstream, mirrors='archive-mirrors: "https://elsewhere.invalid/cache"'):
        self.upstream, self.packages, self.repo = upstream, {}, f'opam-version: "2.0"\n{mirrors}\n'

    def add(self, name, body, cached=True, algorithms=ALGORITHMS, more="", own=None, mirrors=()):
        """A package NAME.VERSION; its archive stands at /src/NAME.tgz and in the cache. own is what
        stands there instead. Returns the paths by algorithm, as an opam client asks for them."""
        sums = digests(body)
        url = f"{self.upstream.url}/src/{name}.tgz"
        lines = ['opam-version: "2.0"', more, "url {", f'  src:\n    "{url}"', "  checksum: ["]
        lines += [f'    "{algorithm}={sums[algorithm]}"' for algorithm in algorithms]
        lines += ["  ]"]
        if mirrors:
            lines += ["  mirrors: [" + " ".join(f'"{mirror}"' for mirror in mirrors) + "]"]
        self.packages[name] = "\n".join(lines + ["}", ""])
        self.upstream.put(f"/src/{name}.tgz", body if own is None else own)
        if cached:
            for algorithm in algorithms:
                self.upstream.put(cache_path(algorithm, sums[algorithm]), body)
        return {algorithm: cache_path(algorithm, sums[algorithm]) for algorithm in ALGORITHMS}

    def index(self, folder="", more=()):
        """The packed index. more: further tarfile members as (TarInfo, bytes)."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
            files = {"repo": self.repo}
            for package, text in self.packages.items():
                files[f"packages/{package.split('.')[0]}/{package}/opam"] = text
            for path, text in files.items():
                info = tarfile.TarInfo(folder + path)
                info.size = len(text.encode())
                tar.addfile(info, io.BytesIO(text.encode()))
            for info, body in more:
                tar.addfile(info, io.BytesIO(body))
        return packed.getvalue()

    def publish(self, path="/index.tar.gz", **how):
        self.upstream.put(path, self.index(**how))


def put_real(upstream, data):
    """Puts the real repository up: its index, and its archives under all their digests."""
    data = Path(data)
    upstream.put("/index.tar.gz", (data / "index.tar.gz").read_bytes())
    for line in (data / "archives" / "MANIFEST.tsv").read_text().splitlines():
        if line.startswith("#"):
            continue
        name, _, sums, _ = line.split("\t")
        body = (data / "archives" / name).read_bytes()
        for each in sums.split(","):
            upstream.put(cache_path(*each.split("=")), body)
