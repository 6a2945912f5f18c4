"""The pages in a real browser: uploads, the conversation, sign-in; and what an attacker tries."""

import json
import os
import signal
import subprocess

import pytest
from browser import Browser
from conftest import Box, needs, wait_for
from cutting import cutting
from npm import installed


@pytest.fixture(scope="module")
def chromium():
    """One browser for all tests of this module: it forgets its cookies between them."""
    made = Browser()
    yield made
    made.close()


@pytest.fixture(scope="module")
def box():
    """One box for all of them; each test takes names of its own."""
    with Box({}) as made:
        yield made


@pytest.fixture
def page(chromium, box):
    """The browser at the box's first page, as a guest."""
    chromium.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    chromium.complaints()
    chromium.size(1280, 900)
    yield chromium.open(box.url("/"))
    chromium.open("about:blank")


def take_name(page, name):
    page.one("#chat input[name=name]").send_keys(name)
    page.one("#chat form button").click()
    page.wait(lambda: page.one("main").get_attribute("data-person") == name, f"being {name}")
    page.wait(lambda: page.one("#say"), "the line to write on")


def digest(path):
    return subprocess.run(["sha256sum", path], capture_output=True, text=True).stdout[:64]


# ---- how it looks and what it costs ----


def weigh(page):
    return page.run(
        "return [performance.getEntriesByType('navigation')[0],"
        "...performance.getEntriesByType('resource')].map(e => [e.name, e.transferSize])"
    )


def test_first_page_is_small_and_all_from_here(page, box):
    sizes = weigh(page)
    assert all(name.startswith(box.url("")) for name, _ in sizes), sizes
    assert len(sizes) <= 4, sizes
    assert sum(size for _, size in sizes) < 30_000, sizes
    assert page.complaints() == []
    assert page.text(".at") == box.url("/")


def test_first_page_is_small_on_a_busy_day(page, make_box):
    """With long names and a conversation; what was said before is a click away."""
    box = make_box()
    for i in range(15):
        assert box.request("PUT", f"/files/a%20talk/slides%20of%20the%20long%20afternoon%20session%20{i}.pdf", b"x")[0] == 201
    line = "has anybody seen the red cable that lay beside the projector? https://example.org/cable/"
    box.ssh("frank", input="".join(f"{line}{n}\n" for n in range(60)), check=0)
    page.open(box.url("/"))
    assert "cable/59" in page.text("#said")
    sizes = weigh(page)
    assert len(sizes) <= 4 and sum(size for _, size in sizes) < 30_000, sizes
    page.one("#earlier").click()
    page.wait_text("cable/10", "#said")
    page.open("about:blank")


PAGES = ["/", "/files/", "/chat", "/people", "/you", "/join", "/poster"]


def test_pages_fit_a_phone_and_work_by_policy(page, box):
    page.size(360, 740)
    for path in PAGES:
        page.open(box.url(path))
        assert page.run("return document.documentElement.scrollWidth") <= 360, path
        small = page.run(
            "return [...document.querySelectorAll('main button, main input:not([type=file])')]"
            ".filter(e => e.offsetParent && e.offsetHeight < 28).map(e => e.outerHTML)"
        )
        assert small == [], path
        assert page.complaints() == [], path


AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']})
   .then(r => done(r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' '))));
"""


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """axe-core's script, from npm; skipped, loudly, where it cannot be had."""
    return (installed(tmp_path_factory.mktemp("axe"), "axe-core@4") / "axe.min.js").read_text()


def test_axe_finds_nothing(page, box, axe):
    box.curl("-F", "file=@/etc/hostname", "/files/")
    take_name(page, "axel")
    box.curl("-T", "/etc/hostname", "/files/x/notes.txt")
    found = []
    for path in PAGES:
        page.open(box.url(path))
        page.run(axe)
        for width, dark in [(1280, False), (360, True)]:
            page.size(width, 800, dark)
            found += [(path, width, dark, what) for what in page.driver.execute_async_script(AXE)]
    assert found == []


# ---- uploads ----


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


def test_the_shelf_shows_its_pages_and_runs_nothing(page, box):
    """HTML with its own style and pictures, in a sandbox; the newest files leave the shelf out."""
    shelf = box.state / "drop" / "shelf" / "manual"
    shelf.mkdir(parents=True)
    (shelf / "style.css").write_text("h1 { color: rgb(1, 2, 3) }")
    (shelf / "dot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"/>')
    (shelf / "index.html").write_text(
        "<!doctype html><title>quiet</title><link rel=stylesheet href=style.css><h1>Manual</h1>"
        "<img src=dot.svg><script>document.title = 'ran'</script>"
    )
    page.open(box.url("/files/shelf/manual/index.html"))
    seen = page.run(
        "return [document.title, getComputedStyle(document.querySelector('h1')).color,"
        "document.querySelector('img').naturalWidth, origin]"
    )
    assert seen == ["quiet", "rgb(1, 2, 3)", 40, "null"]
    assert len(page.complaints()) == 1, "the script that did not run, and nothing else"
    page.open(box.url("/"))
    assert "manual" not in page.text("#here")
    page.driver.find_element("link text", "the organiser's shelf").click()
    page.wait_text("manual/")
    page.open(box.url("/files/shelf/manual/"))
    assert "the organiser" in page.text("main") and "a guest" not in page.text("main")
    assert not page.all("#drop")


def test_refusals_are_sentences(page, make_box, tmp_path):
    box = make_box(web={"max_file": "1K"})
    (tmp_path / "big.bin").write_bytes(bytes(5000))
    page.open(box.url("/"))
    page.one("#pick").send_keys(str(tmp_path / "big.bin"))
    page.wait(lambda: page.all("#uploads .bad"), "a refusal")
    assert "larger than a file may be here: 1 kB at most" in page.text("#uploads .bad")
    page.open("about:blank")


def test_who_may_not_drop_is_told_so(page, make_box):
    box = make_box(web={"upload": "people"})
    for path in ("/", "/files/"):
        page.open(box.url(path))
        assert "Sign in to drop files here." in page.text("main") and page.all("#pick") == []
        assert "The first file is yours" not in page.text("main")
    page.open("about:blank")


TAB, ENTER = "\ue004", "\ue007"


def test_the_keyboard_alone(page, box):
    """Everything of a file's row is reached by Tab, told by its name, and used by Enter."""
    box.request("PUT", "/files/keys/by%20keys.txt", b"x")
    box.curl("/files/keys/by%20keys.txt")
    page.open(box.url("/files/keys/"))
    reached = []
    for _ in range(40):
        page.driver.switch_to.active_element.send_keys(TAB)
        at = page.driver.switch_to.active_element
        names = [at.get_attribute("aria-label"), at.get_attribute("placeholder"), at.text]
        reached.append(next(name for name in names if name))
        ring = page.run("const e = arguments[0]; return e.type === 'date' ||"  # its parts have their own
                        "getComputedStyle(e.closest('label') || e).outlineStyle !== 'none'", at)  # fmt: skip
        assert ring, reached[-1]
        if reached[-1] == "More":
            at.send_keys(ENTER)
            page.wait_text("Fetched 1 time.", "details")
        if reached[-1] == "QR code":
            at.send_keys(ENTER)
            page.wait(lambda: page.driver.current_url.endswith("?qr"), "the QR code")
            break
    for wanted in ("Skip to the content", "Files", "Part of a name", "Look", "by keys.txt", "More"):
        assert wanted in reached, reached


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


def test_the_page_of_a_folder_is_live(page, box):
    """In its order and without loading it again, but nothing of other folders."""
    for name in ("b", "d"):
        box.request("PUT", f"/files/live/{name}.txt", name.encode())
    page.open(box.url("/files/live/"))
    page.run("window.same = true")
    page.one("#list li:last-child summary").click()
    box.request("PUT", "/files/elsewhere/x.txt", b"x")
    token = box.request("PUT", "/files/live/c.txt", b"c")[1]["drop-token"]

    def names():
        return [link.text for link in page.all("#list li > a")]

    page.wait(lambda: names() == ["b.txt", "c.txt", "d.txt"], "the new one in its place")
    assert page.one("#list li:last-child details").get_attribute("open"), "what was open stays so"
    box.request("DELETE", "/files/live/c.txt", headers={"Authorization": f"Bearer {token}"})
    page.wait(lambda: names() == ["b.txt", "d.txt"], "it to go")
    sender = subprocess.Popen(["curl", "-sS", "-T", "-", box.url("/files/live/slow.bin")],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)  # fmt: skip
    sender.stdin.write(b"some of it")
    sender.stdin.flush()
    page.wait_text("live/slow.bin", "#coming")
    sender.stdin.close()
    page.wait(lambda: names() == ["b.txt", "d.txt", "slow.bin"], "it to be here")
    assert sender.wait(10) == 0 and page.run("return window.same") and page.complaints() == []


# ---- without scripts ----


TOKEN = "guest-" + "k" * 22


def test_without_scripts(box, tmp_path):
    """A name, a message, a file, deleting it: with forms alone."""
    (tmp_path / "form.txt").write_text("by form")
    plain = Browser(scripts=False)
    try:
        plain.open(box.url("/"))
        assert plain.text("#drop p").startswith("Up to 10 GB each; ")
        plain.one("#drop .plain input").send_keys(str(tmp_path / "form.txt"))
        plain.one("#drop .plain button").click()
        plain.wait(lambda: box.curl("/files/form.txt", check=None).stdout == "by form", "the file")
        plain.open(box.url("/"))
        plain.one("#chat input[name=name]").send_keys("grace")
        plain.one("#chat form button").click()
        plain.wait(lambda: plain.one("#say"), "the line to write on")
        plain.one("#say input[name=text]").send_keys("no scripts here")
        plain.one("#say button").click()
        plain.wait_text("no scripts here", "#said")
        plain.open(box.url("/files/"))
        plain.one("button[aria-label='Delete form.txt']").click()
        plain.wait(lambda: "form.txt" not in plain.text(), "the file to be gone")
        plain.open(box.url("/files/kept/"))
        for name in ("one.txt", "two.txt"):
            box.request("PUT", f"/files/kept/{name}", b"x", headers={"Drop-Token": TOKEN})
        plain.driver.add_cookie({"name": "riad_guest", "value": TOKEN[6:]})
        for name, then in [("one.txt", "/files/kept/"), ("two.txt", "/files/")]:
            plain.open(box.url("/files/kept/"))
            plain.one(f"button[aria-label='Delete kept/{name}']").click()
            plain.wait(lambda: plain.driver.current_url == box.url(then), f"to be at {then}")
    finally:
        plain.close()


# ---- the conversation ----


def test_browser_and_ssh_are_one_conversation(page, box):
    take_name(page, "ada")
    reader = box.ssh_open("bob")
    try:
        wait_for(lambda: "bob" in box.curl("/api/people").stdout, "bob to be here")
        page.one("#say input[name=text]").send_keys("hello from a browser\n")
        page.wait_text("hello from a browser", "#said")
        line = reader.stdout.readline()
        while "hello from a browser" not in line:
            line = reader.stdout.readline()
        assert "ada" in line
        reader.stdin.write("hello from <b>ssh</b>\n")
        page.wait_text("hello from <b>ssh</b>", "#said")
        page.wait_text("2 people are here", "#crowd")
    finally:
        reader.stdin.close()
        reader.wait(10)


def test_private_messages_stay_private(page, box):
    take_name(page, "carol")
    box.ssh("dave", "msg", "carol", "a secret", check=0)
    page.wait_text("a secret", "#said .private")
    assert "a secret" not in box.curl("/api/messages").stdout
    page.open(box.url("/chat?with=dave"))
    assert "a secret" in page.text("#said")
    page.one("#say input[name=text]").send_keys("only for you\n")
    page.wait_text("only for you", "#said")
    assert "only for you" not in box.curl("/api/messages").stdout


def test_taking_back(page, box):
    take_name(page, "gina")
    page.one("#say input[name=text]").send_keys("oops\n")
    page.wait_text("oops", "#said")
    page.open(box.url("/chat"))
    page.one("a[href*=edit]").click()
    page.wait(lambda: page.all("#said form"), "the buttons")
    page.all("#said button")[-1].click()
    page.wait_text("took this back", "#said")
    assert "oops" not in box.curl("/api/messages").stdout


def test_scrolling_back_and_searching(page, box):
    take_name(page, "erin")
    lines = "".join(f"line {n}\n" for n in range(70))
    box.ssh("frank", input=lines, check=0)
    page.open(box.url("/chat"))
    assert "line 69" in page.text("#said") and "line 10\n" not in page.text("#said")
    page.run("document.getElementById('earlier').click()")
    page.wait_text("line 5\n", "#said")
    order = page.run("return [...document.querySelectorAll('#said li[id]')].map(e => +e.id.slice(1))")
    assert order == sorted(set(order))
    page.open(box.url("/chat?q=17&person=frank"))
    assert [li.text.split()[-1] for li in page.all("#said li[id]")] == ["17"]


# ---- sign-in ----


def test_sign_in_by_a_link(page, box):
    link = box.ssh("heidi", "web", check=0).stdout.split("http://")[1].split()[0]
    page.open("http://" + link)
    page.wait_text("Sign this browser in as heidi?")
    box.curl("http://" + link)  # a preview: burns nothing
    page.one("main button").click()
    page.wait(lambda: page.one("main").get_attribute("data-person") == "heidi", "being ada")
    cookie = page.driver.get_cookie("riad")
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"
    page.open("http://" + link)
    assert "not good" in page.text()
    page.open(box.url("/you"))
    assert "You are heidi" in page.text()
    page.one("form[action='/leave'] button").click()
    page.wait(lambda: page.one("main").get_attribute("data-person") == "", "being a guest")


def test_a_guests_files_become_theirs(page, box, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    page.one("#pick").send_keys(str(tmp_path / "mine.txt"))
    page.wait_text("mine.txt", "#here")
    take_name(page, "ivan")
    files = json.loads(box.curl("-H", "Accept: application/json", "/api/files").stdout)
    assert "ivan" in json.dumps(files)
    page.open(box.url("/"))
    page.one("button[aria-label='Delete mine.txt']").click()
    page.wait(lambda: "mine.txt" not in box.curl("/files/?text").stdout, "the file to be gone")


def test_carrying_a_sign_in_to_another_address(page, box):
    """One tap under one name of the box signs the browser in under another."""
    page.open(f"http://localhost:{box.web_port}/")
    take_name(page, "judy")
    page.open(f"http://localhost:{box.web_port}/you")
    page.one("form[action='/you/move'] button").click()
    page.wait(lambda: page.driver.current_url == box.url("/"), "the other address")
    assert page.one("main").get_attribute("data-person") == "judy"
