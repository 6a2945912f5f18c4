"""One visitor, three addresses: with [lan] set, by the address, NAME.DOMAIN and NAME.local.

A box and a guest's Chromium in network namespaces; needs root."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PATIENCE, needs, wait_for
from lan import Lan

WAYS = ["10.77.0.1", "riad.lan", "riad.local"]

# In the guest's namespace: takes a name at the first of the addresses, or opens the one-time link,
# and goes round all of them by a tap each.
GUEST = """
import sys
from browser import browser

ways, link = sys.argv[1].split(","), sys.argv[2]
rules = "--host-resolver-rules=" + ", ".join(f"MAP {way} 10.77.0.1" for way in ways[1:])

def me():
    return page.one("main").get_attribute("data-person")

with browser(more=[rules]) as page:
    page.open(link)
    page.one("main button").click()
    page.wait(lambda: me() == "judy", "being judy by the link")
    for way in [*ways[1:], ways[0], ways[2], ways[1], ways[0]]:
        page.open(page.run("return location.origin") + "/you")
        others = [button.text for button in page.all("form[action='/you/move'] button")]
        here = page.run("return location.host")
        assert sorted([*others, here]) == sorted(ways), (others, here)
        page.one(f"button[value='http://{way}']").click()
        page.wait(lambda: page.run("return location.href") == f"http://{way}/", way)
        assert me() == "judy", f"not signed in at {way}"
        for link in page.run("return [...document.links, ...document.forms].map(e => e.href || e.action)"):
            plain = link == f"http://{ways[0]}/"  # which is shown first everywhere
            assert plain or not link.startswith("http") or link.startswith(f"http://{way}/"), (way, link)
    assert not [line for line in page.complaints() if "favicon" not in line]
"""


@pytest.fixture
def lan():
    needs("dnsmasq")
    needs("chromedriver")
    with Lan() as lan:
        yield lan


def test_a_sign_in_goes_with_its_browser_to_each_address(lan, make_box):
    guest = lan.device("guest")
    guest.address("10.77.0.9/24")
    chat, web = ({"enabled": "yes", "listen": f"0.0.0.0:{port}"} for port in (22, 80))
    box = lan.box(make_box, chat=chat, web=web, dhcp={"mode": "off"})
    curl = lambda *line: guest.run("curl", "-sS", *line).stdout
    wait_for(lambda: all(way in curl("http://10.77.0.1/") for way in WAYS), "the three addresses")
    assert curl("http://10.77.0.1/").startswith("http://10.77.0.1/\n"), "the plain one comes first"
    for way in WAYS:
        assert "200 OK" in curl("-i", "-H", f"Host: {way}", "http://10.77.0.1/healthz")
        assert curl("-H", f"Host: {way}", "http://10.77.0.1/").startswith("http://10.77.0.1/\n")
        elsewhere = curl("-i", "-H", f"Host: {way}.evil.example", "http://10.77.0.1/you")
        assert "302 Found" in elsewhere and "Location: http://10.77.0.1/you" in elsewhere
    options = [*box.ssh_options(box.key("judy")), "judy@10.77.0.1"]
    link = guest.run("ssh", *options, "web", stdin=subprocess.DEVNULL).stdout.split()[0]
    assert link.startswith("http://10.77.0.1/join/")
    done = guest.run(
        sys.executable, "-c", GUEST, ",".join(WAYS), link,
        cwd=Path(__file__).parent, timeout=60 * PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
