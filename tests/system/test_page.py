"""The pages in a real browser: how they look, by keyboard, without scripts; the conversation and
sign-in; and what an attacker tries."""

# ruff: noqa: F811 (fixtures from elsewhere)

import json
import subprocess

import pytest
from browser import Browser, box, chromium, page  # noqa: F401
from conftest import wait_for
from npm import installed


def take_name(page, name):
    page.one("#chat input[name=name]").send_keys(name)
    page.one("#chat form button").click()
    page.wait(lambda: page.one("main").get_attribute("data-person") == name, f"being {name}")
    page.wait(lambda: page.one("#say"), "the line to write on")


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
