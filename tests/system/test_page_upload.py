"""Uploads in a real browser: chosen, dropped, pasted; over lines that break, phones that are locked,
and boxes that are killed."""

# ruff: noqa: F811 (fixtures from elsewhere)

import json
import os
import signal
import subprocess

from browser import Browser, box, chromium, page  # noqa: F401
from conftest import needs, wait_for
from cutting import cutting
from npm import installed


def digest(path):
    return subprocess.run(["sha256sum", path], capture_output=True, text=True).stdout[:64]


def test_choose_files(page, box, tmp_path):
    """Several at once, one of them with a name that wants to be HTML."""
    names = ["plain.txt", "<img src=x onerror=alert(1)>.txt", "größe & 100%.bin"]
    for name in names:
        (tmp_path / name).write_bytes(os.urandom(5000))
    page.one("#pick").send_keys("\n".join(str(tmp_path / name) for name in names))
    for name in names:
        page.wait(lambda: any(name == a.text for a in page.all("#here a")), f"{name} to be here")
        kept = box.state / "drop" / name
        assert kept.read_bytes() == (tmp_path / name).read_bytes()
    page.wait_text("<img src=x onerror=alert(1)>.txt", "#said")
    assert page.all("img") == []
    assert page.complaints() == []


def test_a_guest_deletes_at_once_and_the_total_follows(page, box, tmp_path):
    """The row of what this browser has just dropped, without loading the page again."""
    (tmp_path / "regretted.txt").write_text("oh no")
    before = int(page.text("#totals").split()[2].strip(","))
    page.one("#pick").send_keys(str(tmp_path / "regretted.txt"))
    button = page.wait(lambda: page.one("#here button[aria-label='Delete regretted.txt']"), "its button")
    page.wait_text(f"All files: {before + 1}, ", "#totals")
    button.click()
    page.wait(lambda: "regretted.txt" not in page.text("#here"), "the row to go")
    page.wait_text(f"All files: {before}, ", "#totals")
    assert box.request("HEAD", "/files/regretted.txt")[0] == 404


def test_a_name_that_is_taken_is_told(page, box, tmp_path):
    for folder, text in [("one", "first"), ("two", "second")]:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.txt").write_text(text)
    page.one("#pick").send_keys(str(tmp_path / "one" / "same.txt"))
    page.wait(lambda: "same.txt is here" in page.one("#told").get_attribute("textContent"), "the word")
    page.one("#pick").send_keys(str(tmp_path / "two" / "same.txt"))
    page.wait_text("is here as same (2).txt", "#uploads")
    assert box.curl("/files/same.txt").stdout == "first"
    assert box.curl("/files/same%20(2).txt").stdout == "second"


def test_drop_a_folder_on_the_window(page, box):
    """A drop event with files; the window shows where it goes."""
    page.run(
        """const data = new DataTransfer();
        data.items.add(new File(['hello'], 'dropped.txt'));
        const fire = (type) => document.body.dispatchEvent(
            new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
        fire('dragenter');
        window.shown = document.documentElement.classList.contains('over');
        fire('dragover');
        fire('drop');"""
    )
    assert page.run("return window.shown")
    page.wait_text("dropped.txt", "#here")
    assert box.curl("/files/dropped.txt").stdout == "hello"


def test_drop_an_empty_folder(page, box):
    page.run(
        """const reader = {readEntries: (go) => go([])};
        const entry = {isFile: false, name: 'hollow', createReader: () => reader};
        const event = new Event('drop', {bubbles: true, cancelable: true});
        event.dataTransfer = {types: ['Files'], items: [{webkitGetAsEntry: () => entry}], files: []};
        document.body.dispatchEvent(event);"""
    )
    page.wait_text("There is nothing in this folder.", "#uploads")


def test_paste(page, box):
    page.run(
        """const data = new DataTransfer();
        data.setData('text/plain', 'pasted words');
        document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}));"""
    )
    page.wait(lambda: page.text("#here a").startswith("pasted"), "what was pasted")
    path = page.one("#here a").get_attribute("href")
    assert box.curl(path).stdout == "pasted words"


def test_paste_an_image(page, box):
    page.run(
        """const data = new DataTransfer();
        data.items.add(new File(['pixels'], 'image.png', {type: 'image/png'}));
        document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}));"""
    )
    page.wait(lambda: page.text("#here a").endswith(".png"), "what was pasted")
    assert page.text("#here a").startswith("pasted ")


def test_choose_a_folder(page, box, tmp_path):
    (tmp_path / "trip" / "day one").mkdir(parents=True)
    (tmp_path / "trip" / "plan.txt").write_text("plan")
    (tmp_path / "trip" / "day one" / "é.txt").write_text("photo")
    page.one("#pick-folder").send_keys(str(tmp_path / "trip"))
    page.wait_text("trip/plan.txt", "#here")
    page.wait_text("trip/day one/é.txt", "#here")
    assert (box.state / "drop/trip/day one/é.txt").read_text() == "photo"


def slow(page, bytes_a_second):
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1,
         "uploadThroughput": bytes_a_second},
    )  # fmt: skip


def test_cancel(page, box, tmp_path):
    (tmp_path / "long.bin").write_bytes(bytes(20_000_000))
    slow(page, 1_000_000)
    try:
        page.one("#pick").send_keys(str(tmp_path / "long.bin"))
        page.wait_text("left", "#uploads")
        assert "a second" in page.text("#uploads")
        page.one("#uploads button").click()
        assert page.all("#uploads li") == []
    finally:
        slow(page, -1)
    wait_for(lambda: box.store().execute("SELECT count(*) FROM arrival").fetchone()[0] == 0,
             "the part to be gone")  # fmt: skip
    assert "long.bin" not in box.curl("/files/?text").stdout


def test_an_upload_goes_on_after_a_kill(page, box, tmp_path):
    """kill -9 of riad-web in the middle: the page goes on by itself, the bytes are right."""
    (tmp_path / "big.bin").write_bytes(os.urandom(6_000_000))
    slow(page, 3_000_000)
    try:
        page.one("#pick").send_keys(str(tmp_path / "big.bin"))
        page.wait_text("left", "#uploads")
        box.kill("web", signal.SIGKILL)
        page.wait_text("big.bin", "#here", timeout=25)
    finally:
        slow(page, -1)
    assert digest(box.state / "drop" / "big.bin") == digest(tmp_path / "big.bin")


def test_an_upload_goes_on_over_a_line_that_is_cut(page, box, tmp_path):
    (tmp_path / "cut.bin").write_bytes(os.urandom(5_000_000))
    with cutting(box, [1_500_000, 1_000_000]) as line:
        page.open(f"http://127.0.0.1:{line.port}/")
        page.one("#pick").send_keys(str(tmp_path / "cut.bin"))
        page.wait_text("cut.bin", "#here", timeout=25)
        assert line.broken == 2
        page.open("about:blank")
    assert digest(box.state / "drop" / "cut.bin") == digest(tmp_path / "cut.bin")


def test_a_file_that_comes_while_the_page_is_read_anew_stays(page, box):
    """After the connection was lost the list is taken from a fresh copy of the page, which may be
    older than what is told meanwhile."""
    page.run("""window.real = window.fetch;
        window.fetch = async (...asked) => {
          const answer = await real(...asked), text = await answer.text();
          await new Promise((go) => { window.go = go });
          return new Response(text);
        }""")
    box.kill("web", signal.SIGKILL)
    page.wait(lambda: page.run("return !!window.go"), "the page to be read anew", 20)
    assert box.request("PUT", "/files/late.txt", b"late")[0] == 201
    page.wait_text("late.txt", "#here")
    page.run("document.getElementById('here').lastChild.id = 'older'; go()")
    page.wait(lambda: not page.all("#older"), "the fresh list")
    assert "late.txt" in page.text("#here")


def test_a_photo_from_a_phone_that_is_locked_meanwhile(page, box, tmp_path):
    """Touch, 360 px: the button for the camera is there. The browser is frozen and the network gone
    in the middle, as when the screen goes dark; both come back, nobody touches anything."""
    (tmp_path / "IMG_0001.jpg").write_bytes(os.urandom(4_000_000))
    cdp = page.driver.execute_cdp_cmd
    page.size(360, 740)
    cdp("Emulation.setTouchEmulationEnabled", {"enabled": True})
    page.open(box.url("/"))
    try:
        photo = page.one("label.touch")
        assert photo.is_displayed() and photo.rect["height"] >= 40
        slow(page, 1_000_000)
        page.one("#pick-photo").send_keys(str(tmp_path / "IMG_0001.jpg"))
        page.wait_text("left", "#uploads")
        cdp("Page.setWebLifecycleState", {"state": "frozen"})
        offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        cdp("Network.emulateNetworkConditions", offline)
        box.request("PUT", "/files/meanwhile.txt", b"somebody else's")
        box.kill("web", signal.SIGKILL)
        cdp("Page.setWebLifecycleState", {"state": "active"})
        slow(page, -1)
        page.wait_text("IMG_0001.jpg", "#here", timeout=20)
        page.wait_text("meanwhile.txt", "#here")
    finally:
        slow(page, -1)
        cdp("Emulation.setTouchEmulationEnabled", {"enabled": False})
    assert digest(box.state / "drop" / "IMG_0001.jpg") == digest(tmp_path / "IMG_0001.jpg")


PHONE = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Mobile Safari/537.36"
)


def test_a_phone(box, tmp_path):
    """With its user agent, taps, and what it cannot do left out: choose, photograph, paste."""
    for name in ("chosen.pdf", "photo.jpg"):
        (tmp_path / name).write_bytes(os.urandom(50_000))
    phone = Browser(360, 740, more=["--touch-events=enabled", f"--user-agent={PHONE}"])
    cdp = phone.driver.execute_cdp_cmd

    def tap(element):
        phone.run("arguments[0].scrollIntoView({block: 'center'})", element)
        spot = phone.run("const r = arguments[0].getBoundingClientRect();"
                         "return {x: r.x + r.width / 2, y: r.y + r.height / 2}", element)  # fmt: skip
        cdp("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [spot]})
        cdp("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    try:
        cdp("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 5})
        phone.open(box.url("/"))
        labels = [label.text for label in phone.all("#drop label") if label.is_displayed()]
        assert labels == ["Choose files", "Take a photo"]
        assert "Anywhere on this page" not in phone.text("#drop")
        photo = phone.one("#pick-photo")
        assert (photo.get_attribute("accept"), photo.get_attribute("capture")) == ("image/*", "environment")
        cdp("Page.enable", {})
        cdp("Page.setInterceptFileChooserDialog", {"enabled": True})
        phone.run("window.asked = []; for (const id of ['pick', 'pick-photo'])"
                  "document.getElementById(id).addEventListener('click', () => asked.push(id))")  # fmt: skip
        for label in phone.all("#drop label.main, #drop label.touch"):
            tap(label)
        phone.wait(lambda: phone.run("return asked") == ["pick", "pick-photo"], "both choosers")
        phone.one("#pick").send_keys(str(tmp_path / "chosen.pdf"))
        phone.wait_text("chosen.pdf", "#here")
        photo.send_keys(str(tmp_path / "photo.jpg"))
        phone.wait_text("photo.jpg", "#here")
        phone.run("const data = new DataTransfer(); data.items.add(new File(['pixels'], 'image.png'));"
                  "document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}))")
        phone.wait(lambda: phone.text("#here a").startswith("pasted "), "what was pasted")
        tap(phone.one("#here button[aria-label='Delete chosen.pdf']"))
        phone.wait(lambda: "chosen.pdf" not in phone.text("#here"), "it to go")
        assert phone.run("return document.documentElement.scrollWidth") <= 360
        assert phone.complaints() == []
    finally:
        phone.close()
    assert digest(box.state / "drop" / "photo.jpg") == digest(tmp_path / "photo.jpg")
    assert box.request("HEAD", "/files/chosen.pdf")[0] == 404


def test_an_upload_that_the_box_forgot_begins_anew(page, box, tmp_path):
    (tmp_path / "forgotten.bin").write_bytes(os.urandom(50_000))
    page.run("""const open = XMLHttpRequest.prototype.open; let first = true;
        XMLHttpRequest.prototype.open = function (method, url) {
            if (method === 'PATCH' && first) { first = false; url = '/uploads/' + 'x'.repeat(22) }
            open.call(this, method, url) }""")  # fmt: skip
    page.one("#pick").send_keys(str(tmp_path / "forgotten.bin"))
    page.wait_text("forgotten.bin", "#here")
    assert digest(box.state / "drop" / "forgotten.bin") == digest(tmp_path / "forgotten.bin")


def test_a_file_that_changed_since_it_was_chosen_is_told(page, box, tmp_path):
    """The browser cannot read it any more: that is no lost connection, and no waiting helps."""
    for name in ("blocker1", "blocker2", "blocker3", "changing.txt"):
        (tmp_path / name).write_bytes(bytes(300_000))
    slow(page, 400_000)
    try:
        page.one("#pick").send_keys("\n".join(str(tmp_path / f"blocker{i}") for i in (1, 2, 3)))
        page.one("#pick").send_keys(str(tmp_path / "changing.txt"))
        (tmp_path / "changing.txt").write_text("quite another content")
        page.wait(lambda: page.all("#uploads .bad"), "a refusal", timeout=20)
    finally:
        slow(page, -1)
    assert "has changed since it was chosen" in page.text("#uploads .bad")
    assert box.request("HEAD", "/files/changing.txt")[0] == 404


def test_an_upload_goes_on_after_a_restart_and_after_the_page_was_closed(page, make_box, tmp_path):
    """The whole box ends and comes back; then the page is opened anew and the file chosen again."""
    box = make_box()
    (tmp_path / "long.bin").write_bytes(os.urandom(6_000_000))
    page.open(box.url("/"))
    slow(page, 1_500_000)
    offsets = lambda: [row["received"] for row in json.loads(box.request("GET", "/api/files")[2])["arriving"]]
    try:
        page.one("#pick").send_keys(str(tmp_path / "long.bin"))
        page.wait_text("left", "#uploads")
        box.stop()
        page.wait_text("goes on by itself", "#uploads")
        box.start()
        page.wait_text("left", "#uploads", timeout=25)
        wait_for(lambda: offsets()[0] > 1_000_000, "a good part")
        page.open("about:blank")
        before = wait_for(lambda: offsets()[0], "what is kept")
        slow(page, -1)
        page.open(box.url("/"))
        page.run("window.sent = []; const send = XMLHttpRequest.prototype.setRequestHeader;"
                 "XMLHttpRequest.prototype.setRequestHeader = function (name, value) {"
                 "if (name === 'Upload-Offset') sent.push(+value); send.call(this, name, value) }")  # fmt: skip
        page.one("#pick").send_keys(str(tmp_path / "long.bin"))
        page.wait_text("long.bin", "#here", timeout=25)
        assert page.run("return sent[0]") >= before
    finally:
        slow(page, -1)
        page.open("about:blank")
    assert digest(box.state / "drop" / "long.bin") == digest(tmp_path / "long.bin")


def test_tus_js_client_in_the_page(page, box, tmp_path_factory):
    """Somebody else's page script, from the box's own origin."""
    script = installed(tmp_path_factory.mktemp("tus"), "tus-js-client@4") / "dist" / "tus.min.js"
    page.run(script.read_text() + ";window.tus = tus")
    told = page.driver.execute_async_script(
        """const done = arguments[arguments.length - 1];
        const bytes = new Uint8Array(2000000).map((_, i) => i * 7 + (i >> 8));
        new tus.Upload(new File([bytes], 'chromium.bin'), {
            endpoint: '/uploads/', chunkSize: 500000, metadata: {filename: 'chromium.bin'},
            onSuccess: () => done('done'), onError: (error) => done(String(error))}).start();"""
    )
    assert told == "done"
    kept = (box.state / "drop/chromium.bin").read_bytes()
    assert kept == bytes((i * 7 + (i >> 8)) % 256 for i in range(2_000_000))


def test_refusals_are_sentences(page, make_box, tmp_path):
    box = make_box(web={"max_file": "1K"})
    (tmp_path / "big.bin").write_bytes(bytes(5000))
    page.open(box.url("/"))
    page.one("#pick").send_keys(str(tmp_path / "big.bin"))
    page.wait(lambda: page.all("#uploads .bad"), "a refusal")
    assert "larger than a file may be here: 1 kB at most" in page.text("#uploads .bad")
    page.open("about:blank")


def test_others_see_it_coming(page, box):
    """Somebody else's upload shows while it arrives, and can be deleted by nobody but them."""
    sender = subprocess.Popen(
        [needs("curl"), "-sS", "--limit-rate", "300K", "-T", "-", box.url("/files/coming.bin")],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)  # fmt: skip
    try:
        sender.stdin.write(bytes(600_000))
        sender.stdin.flush()
        page.wait_text("coming.bin", "#coming")
    finally:
        sender.stdin.close()
        sender.wait(20)
    page.wait_text("coming.bin", "#here")
    assert page.all("#here li:first-child button") == []
