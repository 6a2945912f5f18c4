"""The first morning: forty laptops install sixty packages each, with much in common, across 5 Mbit/s
with two outages; without a mirror, with nginx, with riad. Archives are SCALE times smaller than the
real ones' mean, and so are the outages, so that it takes two to three minutes."""

import http.client
import multiprocessing
import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from bench_mirror import free_port, nginx, riad  # noqa: E402
from upstream import Repository, Upstream, digests  # noqa: E402

LAPTOPS, EACH, COMMON, OTHERS = 40, 60, 40, 60  # of 100 packages, 40 are wanted by everybody
SCALE = 8
MEAN = 250000 // SCALE
LINK = 5_000_000 // 8  # bytes a second
SILENCE, CUT = (1, 4), (5, 9)  # seconds after the start: nothing comes; connections end
AT_ONCE, PATIENCE_S, AGAIN_S, LIMIT_S = 3, 60, 5, 400
PROCESSES = 4


class Link(Upstream):
    """An upstream behind a link that has outages."""

    began = 0.0

    def is_in(self, outage):
        return outage[0] <= time.monotonic() - self.began < outage[1]

    def answer(self, http):
        while self.is_in(SILENCE):
            time.sleep(0.05)
        if self.is_in(CUT):
            http.close_connection = True
            return
        super().answer(http)

    def pay(self, length, pace):
        super().pay(length, pace)
        while self.is_in(SILENCE):
            time.sleep(0.05)
        if self.is_in(CUT):
            raise ConnectionResetError("the link is down")


def get(base, path):
    """What one curl of opam's gets: a status (0: no or half an answer), the body, Retry-After."""
    host, prefix = base[len("http://") :].partition("/")[::2]
    connection = http.client.HTTPConnection(host, timeout=PATIENCE_S)
    try:
        connection.request("GET", ("/" + prefix if prefix else "") + path)
        answer = connection.getresponse()
        return answer.status, answer.read(), int(answer.getheader("Retry-After") or 2)
    except (http.client.HTTPException, OSError):
        return 0, b"", 2
    finally:
        connection.close()


def download(base, origin, path, own, md5):
    """As opam does: the cache, with three retries of a 5xx, then the package's own address. Whether
    it came; half a body or a wrong one counts as nothing."""
    for place, name in ((base, path), (origin, own)):
        for _ in range(4):
            status, body, wait = get(place, name)
            if status < 500:
                break
            time.sleep(wait)
        if status == 200 and digests(body)["md5"] == md5:
            return True
    return False


def laptop(base, origin, wanted, failures):
    """Three downloads at once; who fails types the command again after a while."""
    left, lock = list(wanted), threading.Lock()
    began = time.monotonic()

    def work():
        while time.monotonic() - began < LIMIT_S:
            with lock:
                if not left:
                    return
                one = left.pop()
            if not download(base, origin, *one):
                with failures.get_lock():
                    failures.value += 1
                time.sleep(AGAIN_S)
                with lock:
                    left.append(one)

    threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def room(base, origin, wishes, failures):
    threads = [threading.Thread(target=laptop, args=(base, origin, w, failures)) for w in wishes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def morning(name, base, upstream, wishes, end):
    failures = multiprocessing.Value("i", 0)
    upstream.rate, upstream.sent = LINK, 0
    upstream.began = time.monotonic()
    rooms = [
        multiprocessing.Process(target=room, args=(base, upstream.url, wishes[i::PROCESSES], failures))
        for i in range(PROCESSES)
    ]
    for each in rooms:
        each.start()
    for each in rooms:
        each.join()
    took, upstream.rate, upstream.began = time.monotonic() - upstream.began, 0, 0.0
    print(f"  {name:18} the last laptop is done after {took:6.1f} s, {upstream.sent / 1e6:6.1f} MB across"
          f" the link, {failures.value} downloads failed and were asked for again", flush=True)  # fmt: skip
    end()


def main():
    random.seed(11)
    upstream = Link(free_port())
    repository, packages = Repository(upstream), []
    for i in range(COMMON + OTHERS):
        body = random.randbytes(int(min(8, random.lognormvariate(-0.5, 1)) * MEAN) + 1000)
        path = repository.add(f"m{i}.1", body)["md5"]
        packages.append((path, f"/src/m{i}.1.tgz", digests(body)["md5"]))
    repository.publish()
    wishes = [
        random.sample(packages[:COMMON] + random.sample(packages[COMMON:], EACH - COMMON), EACH)
        for _ in range(LAPTOPS)
    ]
    once = sum(len(upstream.files[path]) for path, _, _ in packages)
    print(f"the first morning, at 1:{SCALE}: {LAPTOPS} laptops, {EACH} of {len(packages)} packages each"
          f" ({once / 1e6:.1f} MB once, {sum(len(upstream.files[p]) for w in wishes for p, _, _ in w) / 1e6:.0f}"
          f" MB in sum), 5 Mbit/s, silent from {SILENCE[0]} to {SILENCE[1]} s,"
          f" cut from {CUT[0]} to {CUT[1]} s", flush=True)  # fmt: skip
    box = riad(upstream)
    morning("riad", box.url("/opam"), upstream, wishes, lambda: (box.stop(), box.remove()))
    peer = nginx(upstream)
    morning(peer.name, peer.base, upstream, wishes, peer.close)
    morning("without a mirror", upstream.url, upstream, wishes, lambda: None)
    upstream.close()


if __name__ == "__main__":
    main()
