"""The mirror's way out: certificates, a proxy; and a disk that is full."""

import subprocess

import pytest
from conftest import needs, needs_root, program
from test_mirror import KB, MB, get, make_mirror, noise, upstream  # noqa: F401
from upstream import Repository, Upstream, Weather


class Authority:
    """A certificate authority of our own, and certificates by it."""

    def __init__(self, folder):
        self.folder, self.openssl = folder, needs("openssl")
        self.make("ca", "req", "-x509", "-subj", "/CN=riad test authority", "-days", "2")
        self.file = folder / "ca.crt"

    def make(self, name, *words, extensions=""):
        (self.folder / "ext").write_text(extensions)
        subprocess.run(
            [self.openssl, *words, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", f"{name}.key", "-out", f"{name}.crt"],
            cwd=self.folder, check=True, capture_output=True,
        )  # fmt: skip

    def sign(self, name, address="IP:127.0.0.1", days=2):
        """The PEM file of a certificate for that address, and its key."""
        self.make(name, "req", "-subj", f"/CN={name}", extensions=f"subjectAltName={address}")
        validity = ["-days", str(days)]
        if days < 0 and b"-not_after" in subprocess.run([self.openssl, "x509", "-help"], capture_output=True).stderr:
            validity = ["-not_before", "20200101000000Z", "-not_after", "20200102000000Z"]  # OpenSSL 3.4 wants it so
        subprocess.run(
            [self.openssl, "x509", "-req", "-in", f"{name}.crt", "-CA", "ca.crt", "-CAkey",
             "ca.key", "-CAcreateserial", *validity, "-extfile", "ext", "-out", f"{name}.signed"],
            cwd=self.folder, check=True, capture_output=True,
        )  # fmt: skip
        return self.bundle(name, f"{name}.signed")

    def bundle(self, name, certificate):
        path = self.folder / f"{name}.pem"
        path.write_text(
            (self.folder / certificate).read_text() + (self.folder / f"{name}.key").read_text()
        )
        return path

    def self_signed(self, name):
        self.make(name, "req", "-x509", "-subj", f"/CN={name}", "-days", "2",
                  "-addext", "subjectAltName=IP:127.0.0.1")  # fmt: skip
        return self.bundle(name, f"{name}.crt")


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def test_certificates(make_box, authority):
    """The right one serves; a wrong host's, an expired, a self-signed one are refused, and the
    box says why; its archives come from where they can be had."""
    good = Upstream(tls=authority.sign("good"))
    bad = {
        "no alternative certificate subject name": Upstream(tls=authority.sign("other", "DNS:other.example")),
        "certificate has expired": Upstream(tls=authority.sign("old", days=-1)),
        "self-signed certificate|self signed": Upstream(tls=authority.self_signed("self")),
    }
    repository, body = Repository(good), noise(1, 300 * KB)
    path = repository.add("a.1", body)["md5"]
    repository.publish()
    for upstream in bad.values():  # noqa: F402
        upstream.files = good.files
    boxes = []
    for upstream in [good, *bad.values()]:
        box = make_box(
            start=False,
            chat={"enabled": "no"},
            mirror={
                "upstream": upstream.url,
                "caches": ",".join(each.url + "/cache" for each in [*bad.values(), good]),
                "refresh": "1h",
            },
        )
        box.environment["SSL_CERT_FILE"] = str(authority.file)
        boxes.append(box)
        box.start()
    boxes[0].wait_log("the index of https://.* is here")
    assert get(boxes[0], path) == (200, body)
    for box, why in zip(boxes[1:], bad):
        box.wait_log(rf"the index at https://.* cannot be had: .*({why})")
    assert all(not each.requests for each in bad.values())
    for upstream in [good, *bad.values()]:
        upstream.close()


def test_https_stays_https(make_box, authority, upstream):  # noqa: F811
    """An index is never taken from http where https was asked for; an archive has its digests."""
    secure = Upstream(tls=authority.sign("good"))
    repository, body = Repository(upstream), b"alpha"
    path = repository.add("a.1", body)["md5"]
    repository.publish()
    secure.put("/index.tar.gz", repository.index())
    secure.put(path, b"")
    secure.weather(path, Weather(location=upstream.url + path))
    box = make_box(
        start=False, chat={"enabled": "no"}, mirror={"upstream": secure.url, "caches": secure.url + "/cache"}
    )
    box.environment["SSL_CERT_FILE"] = str(authority.file)
    box.start()
    box.wait_log("the index of https://.* is here")
    assert get(box, path) == (200, body)
    assert upstream.asked(path)
    secure.put("/index.tar.gz", b"")
    secure.weather("/index.tar.gz", Weather(location=upstream.url + "/index.tar.gz"))
    box.riad("mirror", "refresh", check=1)
    assert "cannot be had" in box.log() and not upstream.asked("/index.tar.gz")
    secure.close()


def test_a_reason_is_logged_once(make_mirror, upstream):  # noqa: F811
    """An index that cannot be had for the same reason again is no line a minute."""
    complaints = lambda: box.log().count("cannot be had")
    box = make_mirror(wait=False, refresh="0")
    box.wait_log("the index at .* cannot be had")
    for _ in range(3):
        box.riad("mirror", "refresh", check=1)
    assert len(upstream.asked("/index.tar.gz")) >= 3 and complaints() == 1
    upstream.weather("/index.tar.gz", *[Weather(status=500)] * 20)
    box.riad("mirror", "refresh", check=1)
    box.wait_log("cannot be had: upstream answers 500")
    assert complaints() == 2


def test_a_proxy(make_box, upstream):  # noqa: F811
    """http_proxy and no_proxy, in the environment as everywhere."""
    repository = Repository(upstream)
    near = repository.add("near.1", b"near")["md5"]
    repository.publish("http://far.invalid/index.tar.gz")
    upstream.put("http://far.invalid/cache/" + "md5/" + near.split("md5/")[1], b"near")
    box = make_box(
        start=False,
        chat={"enabled": "no"},
        mirror={"upstream": "http://far.invalid", "caches": "http://far.invalid/cache"},
    )
    box.environment.update(http_proxy=upstream.url, no_proxy="")
    box.start()
    box.wait_log("the index of http://far.invalid/index.tar.gz is here")
    assert get(box, near) == (200, b"near")
