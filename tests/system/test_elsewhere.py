"""A page from elsewhere in the browser of somebody who is signed in: it can do nothing and read nothing.

The worst elsewhere: another port of the box's own address, to which the browser sends the cookie."""

import http.server
import json
import threading

import pytest
from browser import Browser
from conftest import Box
from test_strangers import sign_in

# Forms as an attacker makes them; the last text/plain one reads as JSON to whoever does not look.
FORMS = [
    ("/chat/messages", "application/x-www-form-urlencoded", {"text": "stolen"}),
    ("/chat/messages", "multipart/form-data", {"text": "stolen"}),
    ("/chat/messages", "text/plain", {'{"text":"stolen","x":"': '"}'}),
    ("/people/act", "application/x-www-form-urlencoded", {"act": "promote", "name": "mallory"}),
    ("/people/act", "text/plain", {'{"act":"promote","name":"mallory","x":"': '"}'}),
    ("/you/token", "application/x-www-form-urlencoded", {}),
    ("/you/rename", "application/x-www-form-urlencoded", {"name": "stolen"}),
    ("/you/move", "application/x-www-form-urlencoded", {"to": "http://127.0.0.1"}),
    ("/delete", "application/x-www-form-urlencoded", {"path": "mine.txt"}),
    ("/files/", "multipart/form-data", {"f": "stolen"}),
    ("/leave", "application/x-www-form-urlencoded", {}),
]

READS = ["/api/messages", "/api/people", "/you", "/chat", "/files/mine.txt", "/api/leases"]

STEAL = """
const [box, reads, done] = arguments, mine = {credentials: 'include'};
const text = async (path, options) => {
  try { return await (await fetch(box + path, {...mine, ...options})).text() } catch { return '' }
};
(async () => {
  const got = [];
  for (const path of reads)
    got.push(await text(path), await text(path, {mode: 'no-cors'}));
  for (const body of ['text=stolen', new Blob(['{"text":"stolen"}']), new URLSearchParams({text: 'stolen'})])
    got.push(await text('/chat/messages', {method: 'POST', mode: 'no-cors', body}));
  got.push(await text('/files/mine.txt', {method: 'PUT', body: 'stolen'}));
  got.push(await text('/files/mine.txt', {method: 'DELETE'}));
  const events = new EventSource(box + '/chat/events', {withCredentials: true});
  got.push(await new Promise(done => { events.onopen = () => done('a stream'); events.onerror = () => done('') }));
  events.close();
  done(got);
})()
"""


@pytest.fixture(scope="module")
def box():
    with Box({}) as made:
        for name in ("hanna", "mallory"):
            made.ssh(name, "say", "hello", check=0)
        made.riad("people", "promote", "hanna", check=0)
        made.ssh("hanna", "drop", "mine.txt", input="mine", check=0)
        yield made


@pytest.fixture(scope="module")
def elsewhere():
    """The origin of an empty page on another port."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>evil</title><body>")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def page(box):
    """A browser that is signed in as hanna, a host."""
    made = Browser()
    made.open(box.url("/healthz"))
    value = sign_in(box, "hanna")["Cookie"].split("=", 1)[1]
    made.driver.add_cookie({"name": "riad", "value": value, "sameSite": "Lax", "httpOnly": True})
    assert made.open(box.url("/you")).text("h1") == "You are hanna"
    yield made
    made.close()


def state(box):
    """What an attacker would have changed."""
    people = json.loads(box.riad("people", "--json").stdout)
    credentials = json.loads(box.riad("people", "show", "hanna", "--json").stdout)["credentials"]
    return (
        [(row["name"], row["role"]) for row in people],
        [row["kind"] for row in credentials],
        box.curl("/files/?text").stdout,
        box.curl("/files/mine.txt").stdout,
        [row["text"] for row in json.loads(box.curl("/api/messages").stdout)["messages"]],
    )


def test_a_page_elsewhere_can_do_nothing_and_read_nothing(box, elsewhere, page):
    before = state(box)
    for path, kind, fields in FORMS:
        page.open(elsewhere)
        page.run(
            """const [action, enctype, fields] = arguments, form = document.createElement('form');
            Object.assign(form, {action, enctype, method: 'post'});
            for (const name in fields) {
              const input = document.createElement('input');
              Object.assign(input, {type: 'hidden', name, value: fields[name]});
              form.append(input);
            }
            document.body.append(form);
            form.submit();""",
            box.url(path), kind, fields,
        )  # fmt: skip
        page.wait_text("A page from elsewhere may not do that here")
    page.open(elsewhere)
    got = page.driver.execute_async_script(STEAL, box.url(""), READS)
    assert set(got) == {""}, got
    assert state(box) == before
    assert page.open(box.url("/you")).text("h1") == "You are hanna"


def test_a_frame_elsewhere_shows_nothing(box, elsewhere, page):
    """No clicks are stolen through a frame."""
    page.open(elsewhere)
    page.run(f"document.body.innerHTML = '<iframe src=\"{box.url('/people/mallory')}\"></iframe>'")
    page.driver.switch_to.frame(page.one("iframe"))
    assert "Kick" not in page.run("return document.documentElement.outerHTML")
    page.driver.switch_to.default_content()
