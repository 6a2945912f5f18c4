"""The real opam client, with the real repository and archives, where they are at hand."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from conftest import PATIENCE, ROOT, needs
from upstream import Upstream, put_real

DATA = Path(os.environ.get("RIAD_TEST_DATA", ROOT.parent / "shared" / "data" / "opam"))
PACKAGES = """ocaml-system.4.13.1 ocaml-config.2 ocamlfind.1.9.6 dune.3.17.2 csexp.1.5.2
    dune-configurator.3.17.2 cppo.1.8.0 ocplib-endian.1.2 lwt.5.6.1 re.1.10.4""".split()


class Opam:
    """A laptop: an opam root of its own."""

    def __init__(self, folder, box):
        self.root, self.box = folder, box

    def run(self, *words, check=0):
        environment = {
            **os.environ,
            "OPAMROOT": str(self.root),
            "OPAMYES": "1",
            "OPAMROOTISOK": "1",
            "OPAMCOLOR": "never",
        }
        done = subprocess.run(
            [needs("opam"), *words],
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

    def downloads(self):
        """The archives that it has, by their digests."""
        cache = self.root / "download-cache"
        return {path.name for path in cache.rglob("*") if len(path.name) in (32, 64, 128)}


@pytest.fixture
def upstream():
    needs("opam")
    if not (DATA / "index.tar.gz").exists():
        pytest.skip(f"the real opam repository is not at {DATA}; see RIAD_TEST_DATA")
    made = Upstream()
    put_real(made, DATA)
    yield made
    made.close()


def test_laptops_arrive(make_box, upstream):
    """Cold, several at once: each archive crosses the link once. Then offline: all of it installs.
    A laptop that is refused wrong bytes says so."""
    box = make_box(
        chat={"enabled": "no"},
        mirror={"upstream": upstream.url, "caches": upstream.url + "/cache"},
    )
    first = Opam(box.folder / "first", box)
    first.arrive()  # at once: the index may still be on its way
    laptops = [first.copy(box.folder / f"laptop{i}") for i in range(2)]
    upstream.sent, upstream.requests = 0, []
    threads = [threading.Thread(target=laptop.install) for laptop in laptops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert laptops[0].downloads() == laptops[1].downloads() and laptops[0].downloads()
    assert upstream.sent == sum(f.stat().st_size for f in (DATA / "archives").glob("*")
                                if len(f.name) == 64)  # fmt: skip
    asked = [request[0] for request in upstream.requests]
    assert len(asked) == len(set(asked))
    upstream.close()
    offline = first.copy(box.folder / "offline")
    offline.install()
    assert offline.downloads() == laptops[0].downloads()
    served = box.status()["mirror"]
    assert served["link_bytes"] > 0
