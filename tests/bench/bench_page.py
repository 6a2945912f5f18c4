"""What pages and followers cost: sizes of the first page, memory of browsers that follow.

Figures wanted: the first page under 30 kB in four requests; 200 followers under 20 MB.
"""

import gzip
import re
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from conftest import Box  # noqa: E402

FOLLOWERS = 200
PER_ADDRESS = 4


def pss_kb(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def first_page(box):
    status, headers, body = box.request("GET", "/", headers={"Accept": "text/html"})
    total, requests = len(body), 1
    for address in re.findall(r'"(/page/[^"]+)"', body.decode()):
        packed = box.request("GET", address, headers={"Accept-Encoding": "gzip"})[2]
        plain = len(gzip.decompress(packed))
        print(f"  {address.split('/')[-1]:24} {len(packed):6} bytes packed, {plain} plain")
        total, requests = total + len(packed), requests + 1
    print(f"  {'the page itself':24} {len(body):6} bytes")
    print(f"first page: {total} bytes of bodies in {requests} requests and one event stream")


def follow(box, number):
    client = socket.socket()
    client.bind((f"127.0.1.{1 + number // PER_ADDRESS}", 0))
    client.connect(("127.0.0.1", box.web_port))
    client.sendall(f"GET /chat/events HTTP/1.1\r\nHost: 127.0.0.1:{box.web_port}\r\n\r\n".encode())
    head = client.recv(4096)
    assert b" 200 " in head, head
    return client


def until(client, word):
    client.settimeout(10)
    got = b""
    while word not in got:
        got += client.recv(65536)


def followers(box):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    headers = box.request("POST", "/you/name", "name=ada", form)[1]
    form["Cookie"] = headers["set-cookie"].split(";")[0]
    pid = box.pid("web")
    before = pss_kb(pid)
    clients = [follow(box, number) for number in range(FOLLOWERS)]
    during = pss_kb(pid)
    print(f"{FOLLOWERS} followers: {(during - before) / 1024:.1f} MB more, "
          f"{(during - before) / FOLLOWERS:.0f} kB each")  # fmt: skip
    spent, start, rounds = cpu_s(pid), time.monotonic(), 20
    for number in range(rounds):
        words = f"message {number} to all"
        box.request("POST", "/chat/messages", f"text={words.replace(' ', '+')}", form)
        for client in clients:
            until(client, words.encode())
    took, spent = time.monotonic() - start, cpu_s(pid) - spent
    print(f"a message to all {FOLLOWERS}: {took / rounds * 1000:.0f} ms, "
          f"{spent / rounds / FOLLOWERS * 1e6:.0f} us of processor a delivery")  # fmt: skip
    spent = cpu_s(pid)
    time.sleep(10)
    print(f"silent for 10 s: {(cpu_s(pid) - spent) / 10 * 100:.2f} % of a core")
    for client in clients:
        client.close()


def main():
    box = Box({})
    try:
        box.start()
        first_page(box)
        followers(box)
        box.stop()
    finally:
        box.remove()


if __name__ == "__main__":
    main()
