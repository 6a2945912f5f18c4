"""The real opam client, with the real repository and archives, where they are at hand."""

import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
from pathlib import Path

import pytest
from conftest import PATIENCE, ROOT, needs
from upstream import Repository, Upstream, Weather, put_real

DATA = Path(os.environ.get("RIAD_TEST_DATA", ROOT.parent / "shared" / "data" / "opam"))
PACKAGES = """ocaml-system.4.13.1 ocaml-config.2 ocamlfind.1.9.6 dune.3.17.2 csexp.1.5.2
    dune-configurator.3.17.2 cppo.1.8.0 ocplib-endian.1.2 lwt.5.6.1 re.1.10.4""".split()


# Another client than the system's, to be tested by hand.
OPAM = os.environ.get("RIAD_TEST_OPAM", "opam")


class Opam:
    """A laptop: an opam root of its own."""

    def __init__(self, folder, box):
        self.root, self.box = folder, box

    def run(self, *words, check=0):
        environment = {
            **os.environ,
            "HOME": str(self.root) + ".home",
            "OPAMROOT": str(self.root),
            "TMPDIR": str(self.root.parent),  # where it unpacks: thousands of files
            "OPAMYES": "1",
            "OPAMROOTISOK": "1",
            "OPAMCOLOR": "never",
        }
        done = subprocess.run(
            [needs(OPAM), *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300 * PATIENCE,
            check=False,
        )
        if check is not None:
            assert done.returncode == check, done.stdout + done.stderr
        return done

    def arrive(self):
        """What a guest types the first time."""
        self.run("init", "--bare", "--no-setup", "--disable-sandboxing", "default",
                 self.box.url("/opam"))  # fmt: skip
        self.run("switch", "create", "t", "--empty")

    def copy(self, folder):
        """Another laptop on which opam is set up, and nothing downloaded."""
        shutil.copytree(self.root, folder, symlinks=True)
        shutil.rmtree(folder / "download-cache", ignore_errors=True)
        return Opam(folder, self.box)

    def install(self, check=0):
        return self.run("install", "--download-only", *PACKAGES, check=check)

    def installed(self):
        """NAME.VERSION of all that is installed in its switch."""
        return set(self.run("list", "--installed", "--short", "--columns=package").stdout.split())

    def downloads(self):
        """The archives that it has, by their digests."""
        cache = self.root / "download-cache"
        return {path.name for path in cache.rglob("*") if len(path.name) in (32, 64, 128)}


@pytest.fixture
def upstream():
    needs(OPAM)
    if not (DATA / "index.tar.gz").exists():
        pytest.skip(f"the real opam repository is not at {DATA}; see RIAD_TEST_DATA")
    made = Upstream()
    put_real(made, DATA)
    yield made
    made.close()


@pytest.fixture
def laptops():
    """A folder for opam roots, in memory where there is some: they are tens of thousands of files."""
    memory = Path("/dev/shm")
    where = tempfile.mkdtemp(prefix="riad-test-", dir=memory if memory.is_dir() else None)
    yield Path(where)
    shutil.rmtree(where, ignore_errors=True)


def archive_bytes():
    """Of all real archives that are at hand."""
    return sum(f.stat().st_size for f in (DATA / "archives").iterdir() if len(f.name) == 64)


def shrink(index):
    """The real index without all but the packages that PACKAGES need: opam reads it in no time."""
    names = set()
    for line in (DATA / "archives" / "MANIFEST.tsv").read_text().splitlines():
        names |= {package.split(".")[0] for package in line.split("\t")[-1].split(",")}
    names |= {package.split(".")[0] for package in PACKAGES}
    names |= {"ocaml", "base-threads", "base-unix", "base-bigarray", "base-bytes", "seq", "result"}
    packed = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(index)) as old, tarfile.open(
        fileobj=packed, mode="w:gz"
    ) as new:
        for entry in old:
            parts = entry.name.split("/")
            if entry.isfile() and (parts[0] == "repo" or parts[1] in names):
                new.addfile(entry, old.extractfile(entry))
    return packed.getvalue()


def make(make_box, upstream):
    return make_box(
        chat={"enabled": "no"},
        mirror={"upstream": upstream.url, "caches": upstream.url + "/cache"},
    )


@pytest.mark.campaign
def test_a_laptop_arrives(make_box, upstream, laptops):
    """The whole repository, while its index may still be on the way; each archive crosses once."""
    box = make(make_box, upstream)
    laptop = Opam(laptops / "laptop", box)
    laptop.arrive()
    upstream.sent = 0
    laptop.install()
    assert upstream.sent == archive_bytes()
    assert "18793 packages, 11496 archives" in box.log()


def test_several_at_once_and_offline(make_box, upstream, laptops):
    """Two laptops cold: one download each archive. Then upstream is gone, and a third installs."""
    upstream.put("/index.tar.gz", shrink(upstream.files["/index.tar.gz"]))
    box = make(make_box, upstream)
    first = Opam(laptops / "first", box)
    first.arrive()
    guests = [first.copy(laptops / f"laptop{i}") for i in range(2)]
    upstream.sent, upstream.requests = 0, []
    threads = [threading.Thread(target=guest.install) for guest in guests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert guests[0].downloads()
    for guest in guests:
        assert guest.downloads() == guests[0].downloads()
    assert upstream.sent == archive_bytes()
    asked = [request[0] for request in upstream.requests]
    assert len(asked) == len(set(asked))
    upstream.close()
    offline = first.copy(laptops / "offline")
    offline.install()
    assert offline.downloads() == guests[0].downloads()


def test_wrong_bytes_are_refused(make_box, laptops):
    """No source has what the digests demand: opam installs nothing, riad keeps nothing."""
    needs(OPAM)
    upstream = Upstream()
    repository = Repository(upstream)
    paths = repository.add("a.1", b"right", own=b"wrong")
    for path in paths.values():
        upstream.put(path, b"wrong")
    repository.publish()
    laptop = Opam(laptops / "laptop", make(make_box, upstream))
    laptop.arrive()
    done = laptop.run("install", "--download-only", "a", check=None)
    assert done.returncode != 0 and "a.1" in done.stdout + done.stderr
    assert laptop.box.riad("mirror", "list").stdout == ""
    upstream.close()


def test_a_wrong_byte_that_was_shown(make_box, laptops):
    """Whoever has it is cut; opam goes to the package's own address or is told to come again, and
    either way the right archive is what it ends with."""
    needs(OPAM)
    upstream = Upstream()
    repository = Repository(upstream)
    body = tgz(data=os.urandom(1_500_000).hex())
    path = repository.add("a.1", body)["md5"]
    upstream.weather(path, Weather(flip=100_000, pace=2_000_000))
    repository.publish()
    laptop = Opam(laptops / "laptop", make(make_box, upstream))
    laptop.arrive()
    if laptop.run("install", "--download-only", "a", check=None).returncode:
        laptop.run("install", "--download-only", "a")
    assert "received bytes that proved wrong" in laptop.box.log()
    assert hashlib.md5(body).hexdigest() in laptop.downloads()
    assert laptop.box.request("GET", "/opam" + path)[2] == body
    upstream.close()


def tgz(**files):
    """An archive of a package: its files below one folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(f"source/{name}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


INSTALLS = 'install: [["mkdir" "-p" share] ["cp" "it" "%{share}%/%{name}%-%{version}%"]]\n'


@pytest.fixture
def world():
    """An upstream with a compiler and an application that really install, in no time."""
    needs(OPAM)
    upstream = Upstream()
    repository = Repository(upstream, 'archive-mirrors: "cache"')

    def add(name, more=""):
        repository.add(name, tgz(it=name), more=INSTALLS + more)

    add("ocaml-base-compiler.5.9.0", "flags: compiler\n")
    repository.packages["ocaml.5.9.0"] = (
        'opam-version: "2.0"\ndepends: "ocaml-base-compiler" {= "5.9.0"}\nflags: conf\n'
    )
    add("app.2", 'depends: ["ocaml" {>= "5"} "lib" {>= "2" & < "4"} ("deep" | "other")]\n')
    for version in range(1, 6):
        add(f"lib.{version}", 'depends: "ocaml"\n')
    add("deep.1", 'depends: "ocaml"\n')
    add("other.1", 'depends: "ocaml"\n')
    add("later.1", 'depends: "ocaml"\n')
    repository.publish()
    yield repository
    upstream.close()


def page_lines(box):
    """What the page tells an opam user to type, by its beginning."""
    text = box.request("GET", "/", headers={"User-Agent": "curl/8"})[2].decode()
    return re.findall(r"opam (?:repository set-url default|init|option --global) (?:'.*?'|\S+)", text)


def words(line):
    """As a shell takes them, without `opam`."""
    return [word.strip("'") for word in line.split()[1:]]


def test_an_event(make_box, world, laptops):
    """At home a prefetch; then the link is cut: fresh laptops arrive as the page tells them to, make
    a switch and install what was prefetched. On leaving they work without the box."""
    box = make(make_box, world.upstream)
    box.wait_log("the index of .* is here")
    box.riad("prefetch", "--deps", "app", check=0)
    world.upstream.close()
    arrive, init, leave = page_lines(box)[:3]
    fresh, known = Opam(laptops / "fresh", box), Opam(laptops / "known", box)
    fresh.run(*words(init), "--bare", "--no-setup", "--disable-sandboxing")
    fresh.run("switch", "create", "retreat", "ocaml-base-compiler.5.9.0")
    fresh.run("install", "app")
    expected = {"ocaml-base-compiler.5.9.0", "ocaml.5.9.0", "app.2", "lib.3"}
    assert expected < fresh.installed()
    assert (fresh.root / "retreat" / "share" / "app-2").read_text() == "app.2"

    back = Upstream(world.upstream.port)
    back.files = world.upstream.files
    known.run("init", "--bare", "--no-setup", "--disable-sandboxing", back.url)
    known.run("switch", "create", "retreat", "--empty")
    asked = len(back.requests)
    known.run(*words(arrive))
    known.run("install", "app")
    assert len(back.requests) == asked
    leave = leave.replace("https://opam.ocaml.org", back.url)
    box.stop()
    for guest in (fresh, known):
        guest.run(*words(leave))
        guest.run("install", "later")
        assert "later.1" in guest.installed()
    back.close()


def test_a_repository_of_ones_own(make_box, world, laptops):
    """Who keeps another repository names the box in archive-mirrors, as `opam monorepo` has it too:
    archives come by their digests, one that no catalogue lists as well; and no longer on leaving."""
    upstream = world.upstream
    box = make(make_box, upstream)
    box.wait_log("the index of .* is here")
    own = laptops / "own"
    newer = Repository(upstream)
    newer.add("newer.1", tgz(it="newer"), more=INSTALLS)
    for package, text in {**world.packages, **newer.packages}.items():
        (own / "packages" / package.split(".")[0] / package).mkdir(parents=True)
        text = text.replace(upstream.url, "http://127.0.0.1:1")
        (own / "packages" / package.split(".")[0] / package / "opam").write_text(text)
    (own / "repo").write_text('opam-version: "2.0"\n')
    guest = Opam(laptops / "guest", box)
    guest.run("init", "--bare", "--no-setup", "--disable-sandboxing", "mine", str(own))
    guest.run("switch", "create", "t", "--empty")
    arrive = next(line for line in page_lines(box) if "archive-mirrors+=" in line)
    leave = next(line for line in page_lines(box) if "archive-mirrors-=" in line)
    config = guest.root / "config"
    by_hand = guest.run("--version").stdout < "2.2"
    before = config.read_text()
    if by_hand:
        config.write_text(before + f'archive-mirrors: [ "{box.url("/opam/cache")}" ]\n')
    else:
        guest.run(*words(arrive))
    guest.run("source", "lib.1", f"--dir={laptops / 'source'}")
    assert (laptops / "source" / "it").read_text() == "lib.1"
    guest.run("install", "app", "newer")
    assert {"app.2", "newer.1"} < guest.installed()
    if by_hand:
        config.write_text(before)
    else:
        guest.run(*words(leave))
        assert "archive-mirrors: [" not in config.read_text()
    assert guest.run("install", "later", check=None).returncode != 0
