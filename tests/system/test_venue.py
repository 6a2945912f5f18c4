"""What an organiser is told at the venue: `riad check`, the poster, port 443."""

import os
import re
import socket

import pytest

from conftest import needs_root, wait_for

OTHER = 12345  # a user who is nobody here


def findings(box):
    return box.riad("check").stdout


def test_poster_has_the_wifi(make_box):
    box = make_box(lan={"wifi": "Tea; House", "wifi_password": 'so,se:cret"'})
    status, _, body = box.request("GET", "/poster", headers={"Accept": "text/html"})
    text = body.decode()
    assert status == 200 and "Tea; House" in text and "so,se:cret&quot;" in text
    assert text.index(box.url("/")) < text.index("Tea; House"), "the plain address comes first"
    for word in ("ssh -p", "SHA256:", "Guest Wi-Fi", "VPN", "private DNS", "mobile data", "Local Network"):
        assert word in text, word
    picture = re.search(r'<svg[^>]*aria-label="QR code that joins the Wi-Fi".*?</svg>', text, re.S)
    assert picture, "no QR code for it"
    box.config(lan={"wifi": "", "wifi_password": ""}).reload()
    wait_for(lambda: b"joins the Wi-Fi" not in box.request("GET", "/poster")[2], "another poster")


def test_port_443_refuses_at_once(box):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 443), timeout=2).close()


def test_check_sees_the_wrong_owner(make_box):
    needs_root()
    box = make_box(box={"user": "nobody"}, dhcp={"user": "nobody"}, start=False)
    box.folder.chmod(0o755)
    box.start()
    assert findings(box).count("fault") == 0
    box.stop()
    store = box.state / "store"
    os.chown(store, OTHER, OTHER)
    assert f"fault: {store} cannot be used by the account `nobody`: chown -R nobody: {store}" in findings(box)
    os.chown(store, 65534, 65534)
    (store / "riad.db").rename(store / "kept")
    (store / "riad.db").mkdir()
    assert f"fault: {store}/riad.db is no file" in findings(box)


def test_services_without_a_lan_have_no_rights(make_box):
    needs_root()
    box = make_box(box={"user": "nobody"}, dhcp={"user": "nobody"}, start=False)
    box.folder.chmod(0o755)
    box.start()
    status = open(f"/proc/{box.pid('dhcp')}/status").read()
    for which in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
        assert int(re.search(f"{which}:\t(.*)", status)[1], 16) == 0, which
