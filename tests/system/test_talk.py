"""The conversation and sign-in over HTTP: events that resume, who may write, what is refused."""

import json
import re
import subprocess
import threading

import pytest
from conftest import SANITIZED, Box, needs, resident_kb, wait_for


pytestmark = pytest.mark.threads


@pytest.fixture(scope="module")
def box():
    """One box for all of them; each test takes names of its own."""
    with Box({}) as made:
        yield made


def take_name(box, name):
    """A browser's cookie for a free name."""
    status, headers, body = box.request(
        "POST", "/you/name", f"name={name}", {"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert status == 303, body
    return re.search(r"riad=([^;]+)", headers["set-cookie"])[1]


def say(box, cookie, text, **more):
    return box.request(
        "POST",
        "/chat/messages",
        json.dumps({"text": text, **more}),
        {"Content-Type": "application/json", "Cookie": f"riad={cookie}"},
    )


def said(box, cookie, text, **more):
    status, _, body = say(box, cookie, text, **more)
    assert status == 201, body
    return json.loads(body)["id"]


def read(box, query):
    """What /api/messages answers."""
    return json.loads(box.curl(f"/api/messages?{query}").stdout)["messages"]


def resident_mb(box):
    return resident_kb(box.pid("web")) / 1024


class Follower:
    """`curl -N BOX/chat/events`, read as it comes."""

    def __init__(self, box, *arguments, path="/chat/events"):
        self.blocks = []
        self.process = subprocess.Popen(
            [needs("curl"), "-sS", "-N", *arguments, box.url(path)],
            stdout=subprocess.PIPE, text=True)  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        block = {}
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if not line:
                self.blocks.append(block)
                block = {}
            else:
                name, _, value = line.partition(":")
                block[name] = value.strip()

    def messages(self):
        """(id, text) of every message so far."""
        return [
            (int(block["id"]), json.loads(block["data"])["text"])
            for block in list(self.blocks)
            if "id" in block
        ]

    def wait(self, text):
        wait_for(lambda: any(text == said for _, said in self.messages()), f"{text} to be followed")
        return self

    def begun(self):
        wait_for(lambda: self.blocks, "the stream to begin")
        return self

    def __enter__(self):
        return self.begun()

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


# ---- following ----


def test_follow_from_now_on(box):
    cookie = take_name(box, "ada")
    said(box, cookie, "before")
    with Follower(box) as follower:
        said(box, cookie, "after\n<script> \u2028 \u00e9")
        follower.wait("after\n<script>  \u00e9")
        assert "before" not in [text for _, text in follower.messages()]
        block = next(block for block in follower.blocks if "id" in block)
        message = json.loads(block["data"])
        assert message["id"] == int(block["id"]) and message["name"] == "ada"
        assert message["room"] == "lobby" and message["kind"] == "say" and message["to"] is None


def test_resume_without_a_gap(box):
    """Over lost connections and a killed service, each message exactly once and in order."""
    cookie = take_name(box, "bea")
    first = said(box, cookie, "line 0")
    heard = []
    for part in range(4):
        since = heard[-1][0] if heard else first
        arguments = ["-H", f"Last-Event-ID: {since}"] if part % 2 else []
        path = "/chat/events" if part % 2 else f"/chat/events?since={since}"
        for n in range(3):
            said(box, cookie, f"line {part * 6 + n + 1}")
        with Follower(box, *arguments, path=path) as follower:
            for n in range(3, 6):
                said(box, cookie, f"line {part * 6 + n + 1}")
            follower.wait(f"line {part * 6 + 6}")
            heard += follower.messages()
        if part == 1:
            box.restart_service("web")
    assert [text for _, text in heard] == [f"line {n}" for n in range(1, 25)]
    assert heard == sorted(heard)


def test_private_messages_reach_two(box):
    one, other, third = (take_name(box, name) for name in ("cleo", "dora", "eve"))
    with Follower(box, "-b", f"riad={one}") as hers, Follower(box, "-b", f"riad={other}") as his:
        with Follower(box, "-b", f"riad={third}") as theirs, Follower(box) as anybodys:
            said(box, one, "between us", to="dora")
            said(box, one, "for all")
            for follower in (hers, his, theirs, anybodys):
                follower.wait("for all")
            assert "between us" in dict(hers.messages()).values()
            assert "between us" in dict(his.messages()).values()
            assert "between us" not in dict(theirs.messages()).values()
            assert "between us" not in dict(anybodys.messages()).values()
    for cookie, seen in [(one, True), (other, True), (third, False), ("", False)]:
        _, _, body = box.request("GET", "/api/messages?q=between", headers={"Cookie": f"riad={cookie}"})
        assert (b"between us" in body) == seen
        _, _, body = box.request("GET", "/chat?q=between", headers={"Cookie": f"riad={cookie}"})
        assert (b"between us" in body) == seen


def test_whom_one_ignores_is_not_shown(box):
    ssh = box.ssh("rita", "web", check=0).stdout
    cookie = re.search(r"riad=([^;]+)",
                       box.request("POST", "/join/" + re.search(r"/join/([\w-]+)", ssh)[1])[1]["set-cookie"])[1]  # fmt: skip
    other = take_name(box, "sam")
    with box.store() as store:
        assert store.execute("SELECT count(*) FROM ignored").fetchone()[0] == 0
    box.ssh("rita", input="/ignore sam\n")
    ignored = "SELECT count(*) FROM ignored"
    if box.store().execute(ignored).fetchone()[0] == 0:
        pytest.skip("the chat takes no /ignore from a pipe")
    with Follower(box, "-b", f"riad={cookie}") as hers:
        said(box, other, "you do not read this")
        said(box, cookie, "but this")
        hers.wait("but this")
        assert "you do not read this" not in dict(hers.messages()).values()
    page = box.request("GET", "/chat", headers={"Cookie": f"riad={cookie}"})[2].decode()
    assert "but this" in page and "you do not read this" not in page


def test_who_follows_is_here_and_goes(box):
    cookie = take_name(box, "fay")
    with Follower(box, "-b", f"riad={cookie}"):
        wait_for(lambda: "fay" in box.curl("/api/people").stdout, "fay to be here")
        people = json.loads(box.curl("/api/people").stdout)["people"]
        assert "web" in json.dumps([row for row in people if row["name"] == "fay"])

    def has_gone():
        rows = box.store().execute(
            "SELECT count(*) FROM session JOIN person ON person.id = person_id WHERE name = 'fay'")
        return rows.fetchone()[0] == 0

    wait_for(has_gone, "fay to have gone", 15)


def test_two_pages_of_one_browser_are_one_door(box):
    cookie = take_name(box, "uma")
    with Follower(box, "-b", f"riad={cookie}"), Follower(box, "-b", f"riad={cookie}"):
        wait_for(lambda: box.curl("/api/people").stdout.count('"uma"') == 2, "both to be here")
        line = re.search(r"<li><b[^>]*>uma</b>.*?</li>", box.curl("/people").stdout)[0]
        assert line.count("browser") == 1


def test_a_ban_closes_the_stream(box):
    cookie = take_name(box, "gus")
    follower = Follower(box, "-b", f"riad={cookie}").begun()
    box.riad("people", "ban", "gus", check=0)
    follower.process.wait(5)
    wait_for(lambda: any(block.get("event") == "bye" for block in list(follower.blocks)), "the good-bye to be read")
    status, _, _ = say(box, cookie, "I am back")
    assert status in (401, 403)


def test_words_taken_back_go_everywhere(box):
    cookie, other = take_name(box, "hal"), take_name(box, "ida")
    number = said(box, cookie, "oops")
    form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"riad={other}"}
    with Follower(box) as follower:
        assert box.request("POST", "/chat/remove", f"id={number}", form)[0] == 403
        form["Cookie"] = f"riad={cookie}"
        assert box.request("POST", "/chat/remove", f"id={number}", form)[0] == 200
        wait_for(lambda: any(b.get("event") == "removed" for b in follower.blocks), "the removal")
    assert "oops" not in box.curl("/api/messages").stdout


# ---- saying ----


@pytest.mark.parametrize(
    "arguments",
    [
        ["-d", "room=lobby", "--data-urlencode", "text=said & done"],
        ["-F", "room=lobby", "-F", "text=said & done"],
        ["-H", "Content-Type: application/json", "-d", '{"text": "said & done"}'],
    ],
    ids=["urlencoded", "multipart", "json"],
)
def test_three_ways_to_say(box, arguments):
    token = box.ssh("jo", "token", check=0).stdout.split()[-1]
    done = box.curl("-H", f"Authorization: Bearer {token}", *arguments, "/chat/messages")
    number = json.loads(done.stdout)["id"]
    messages = read(box, f"after={number - 1}")
    assert messages[0]["text"] == "said & done" and messages[0]["name"] == "jo"


def test_what_may_not_be_said(box):
    cookie = take_name(box, "kim")
    assert say(box, cookie, "")[0] == 400
    assert say(box, cookie, " \u200b\n ")[0] == 400
    assert say(box, cookie, "x" * 60_000)[0] == 413
    assert say(box, cookie, "hello", room="nowhere")[0] == 404
    assert say(box, cookie, "hello", to="nobody-here")[0] == 404
    status, headers, _ = say(box, "wrong", "hello")
    assert status == 401 and headers["www-authenticate"] == "Bearer"
    plain = {"Content-Type": "text/plain", "Cookie": f"riad={cookie}"}
    assert box.request("POST", "/chat/messages", "text=x", plain)[0] == 415
    number = said(box, cookie, "a\x1b[31m\u202eb")
    messages = read(box, f"after={number - 1}")
    assert messages[0]["text"] == "a[31mb"


def test_other_sites_cannot_write(box):
    cookie = take_name(box, "lea")
    for origin in ["http://evil.example", "null", f"http://127.0.0.1:{box.ssh_port}"]:
        for path, body in [("/chat/messages", "text=x"), ("/you/rename", "name=x"), ("/leave", "")]:
            status, _, _ = box.request("POST", path, body, {
                "Content-Type": "application/x-www-form-urlencoded",
                "Cookie": f"riad={cookie}", "Origin": origin})  # fmt: skip
            assert status == 403, (origin, path)
    status, _, body = box.request("GET", "/you", headers={"Cookie": f"riad={cookie}"})
    assert b"You are lea" in body


def test_long_words_count_for_each_kilobyte(make_box):
    """Else a burst of the longest would fill the queue of everybody who reads."""
    box = make_box(chat={"rate": 20, "rate_window": "1h"})
    cookie = take_name(box, "loud")
    assert [say(box, cookie, "l" * 5000)[0] for _ in range(5)] == [201, 201, 201, 201, 429]
    other = take_name(box, "quiet")
    assert [say(box, other, "short")[0] for _ in range(21)] == [201] * 20 + [429]


def test_pages_lead_on_in_both_directions(make_box):
    box = make_box()
    cookie = take_name(box, "reader")
    ids = [said(box, cookie, f"word {n}") for n in range(9)]

    def page(query):
        """What is shown, and the addresses of what is earlier and later."""
        text = box.request("GET", f"/chat?limit=3{query}", headers={"Accept": "text/html"})[2].decode()
        leads = [re.search(rf'href="([^"]*)">{way}</a>', text) for way in ("Earlier", "Later")]
        shown = [int(number) for number in re.findall(r"<li id=m(\d+)", text)]
        return shown, *(lead and lead[1].replace("&amp;", "&") for lead in leads)

    shown, earlier, later = page("")
    assert shown == ids[6:] and earlier.endswith(f"before={ids[6]}") and later is None
    shown, earlier, later = page(f"&before={ids[6]}")
    assert shown == ids[3:6] and earlier.endswith(f"before={ids[3]}") and later.endswith(f"after={ids[5]}")
    shown, earlier, later = page(f"&after={ids[2]}")
    assert shown == ids[3:6] and earlier.endswith(f"before={ids[3]}") and later.endswith(f"after={ids[5]}")
    shown, earlier, later = page(f"&after={ids[6]}")
    assert shown == ids[7:] and earlier.endswith(f"before={ids[7]}") and later is None


def test_words_that_grow_by_their_escapes_break_nothing(make_box):
    """A page shows as many of the newest as it has room for, an answer holds as many, and who
    resumes gets all of them."""
    box = make_box(chat={"rate": 100000})
    cookie = take_name(box, "grower")
    before = said(box, cookie, "before them")
    ids = [said(box, cookie, f"http://{'&' * 8100}{n}") for n in range(60)]
    html = {"Accept": "text/html"}
    for path in ("/", "/chat", "/chat?limit=1000"):
        status, _, page = box.request("GET", path, headers=html)
        page = page.decode()
        shown = [int(number) for number in re.findall(r"<li id=m(\d+)", page)]
        assert status == 200 and shown == ids[-len(shown) :], path
        assert f"before={shown[0]}" in page and "Made by riad" in page and len(page) < 600_000
        assert box.request("GET", f"/chat?before={shown[0]}", headers=html)[0] == 200
    for query in ("limit=60", "limit=1000"):
        got = [one["id"] for one in read(box, query)]
        assert got and got == ids[-len(got) :], query
    got = [one["id"] for one in read(box, f"after={before}&limit=1000")]
    assert got and got == ids[: len(got)]
    with Follower(box, "-H", f"Last-Event-ID: {before}") as follower:
        wait_for(lambda: [number for number, _ in follower.messages()] == ids, "all of them")


def test_reading_back(box):
    cookie = take_name(box, "max")
    numbers = [said(box, cookie, f"number {n}") for n in range(10)]
    ask = lambda query: [message["id"] for message in read(box, query)]
    assert ask("room=lobby&person=max&limit=3") == numbers[-3:]
    assert ask(f"room=lobby&person=max&before={numbers[5]}&limit=2") == numbers[3:5]
    assert ask(f"room=lobby&after={numbers[5]}&limit=2") == numbers[6:8]
    assert ask("q=number%207&person=max") == [numbers[7]]
    day = read(box, "limit=1")[0]["time"][:10]
    assert set(numbers) <= set(ask(f"day={day}&limit=1000"))
    assert ask("day=2001-01-01") == []
    assert box.request("GET", "/api/messages?room=nowhere")[0] == 404
    for wrong in ["day=soon", "limit=x", "limit=-1", "after=1a", "before=9223372036854775808"]:
        assert box.request("GET", f"/api/messages?{wrong}")[0] == 400, wrong
    assert box.request("GET", "/api/messages?room=lobby%00")[0] in (400, 404)
    assert ask("limit=&after=&person=max&room=lobby") == numbers


# ---- signing in ----


def test_names(box):
    take_name(box, "nina")
    form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    for typed, status in [("nina", 409), ("NINA", 409), ("n1na", 409), ("root", 400), ("", 400),
                          ("a%20b", 400), ("x" * 40, 400)]:  # fmt: skip
        got, headers, body = box.request("POST", "/you/name", f"name={typed}", form)
        assert got == status, (typed, got, body)
        assert "riad=" not in headers.get("set-cookie", "")
    box.ssh("olga", "who", check=0)
    assert box.request("POST", "/you/name", "name=olga", form)[0] == 409
    assert "taken" in box.request("POST", "/you/name", "name=olga", form)[2].decode()


def test_another_browser_by_a_code(box):
    cookie = take_name(box, "quinn")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    mine = {**form, "Cookie": f"riad={cookie}"}
    body = box.request("POST", "/you/code", "kind=browser", mine)[2].decode()
    code = re.search(r"<code>(\w{4}-\w{4})</code>", body)[1]
    status, headers, _ = box.request("POST", "/join", f"code={code.lower()}", form)
    assert status == 303
    other = re.search(r"riad=([^;]+)", headers["set-cookie"])[1]
    page = box.request("GET", "/you", headers={"Cookie": f"riad={other}"})[2].decode()
    assert "You are quinn" in page
    number = re.search(r"name=id value=(\d+)", page)[1]
    assert box.request("POST", "/you/revoke", f"id={number}", {**form, "Cookie": f"riad={other}"})[0] == 303
    assert b"You are" not in box.request("GET", "/you", headers={"Cookie": f"riad={cookie}"})[2]


def test_links_work_once(box):
    link = box.ssh("pam", "web", check=0).stdout
    path = "/join/" + re.search(r"/join/([\w-]+)", link)[1]
    assert b"as pam?" in box.request("GET", path)[2]
    results = []
    racers = [threading.Thread(target=lambda: results.append(box.request("POST", path)[:2]))
              for _ in range(4)]  # fmt: skip
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    won = [headers for status, headers in results if status == 303]
    assert len(won) == 1
    cookie = re.search(r"riad=([^;]+)", won[0]["set-cookie"])[1]
    assert b"You are pam" in box.request("GET", "/you", headers={"Cookie": f"riad={cookie}"})[2]
    stored = box.store().execute("SELECT count(*) FROM credential WHERE digest = ?",
                                 (cookie.encode(),)).fetchone()  # fmt: skip
    assert stored[0] == 0, "the store keeps digests only"


# ---- boxes of their own ----


def test_guessing_is_slowed_down(make_box):
    box = make_box()
    statuses = [box.request("POST", "/join/" + "x" * 22)[0] for _ in range(40)]
    assert statuses[0] == 404
    assert 429 in statuses
    assert set(statuses) == {404, 429}


def test_newcomers_wait_for_a_host(make_box):
    box = make_box(box={"newcomers": "ask"})
    assert "/chat/events" not in box.curl(box.url("/")).stdout  # which would be refused
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, headers, _ = box.request("POST", "/you/name", "name=newt", form)
    assert status == 200
    cookie = re.search(r"riad=([^;]+)", headers["set-cookie"])[1]
    mine = {**form, "Cookie": f"riad={cookie}"}
    for path in ["/chat", "/chat/events", "/api/messages", "/api/people", "/people"]:
        assert box.request("GET", path)[0] == 401, path
        status, _, body = box.request("GET", path, headers=mine)
        assert status == 403 and b"A host has to let you in first" in body, path
    assert say(box, cookie, "hello")[0] in (401, 403)
    box.ssh("hanna", "who")
    box.riad("people", "promote", "hanna", check=0)
    link = box.ssh("hanna", "web", check=0).stdout
    path = "/join/" + re.search(r"/join/([\w-]+)", link)[1]
    theirs = re.search(r"riad=([^;]+)", box.request("POST", path)[1]["set-cookie"])[1]
    hosts = {**form, "Cookie": f"riad={theirs}"}
    assert b"newt" in box.request("GET", "/people", headers=hosts)[2]
    assert box.request("POST", "/people/act", "name=newt&act=admit", mine)[0] in (401, 403)
    assert box.request("POST", "/people/act", "name=newt&act=admit", hosts)[0] == 200
    assert say(box, cookie, "hello")[0] == 201
    assert box.request("POST", "/people/act", "name=newt&act=mute", hosts)[0] == 200
    assert say(box, cookie, "hello")[0] == 403
    assert box.request("POST", "/people/act", "name=newt&act=ban", hosts)[0] == 200
    assert say(box, cookie, "hello")[0] == 403


def test_the_fingerprint_stands_by_every_ssh_line(box):
    mine = {"Cookie": f"riad={take_name(box, 'prudence')}", "Accept": "text/html"}
    form = {**mine, "Content-Type": "application/x-www-form-urlencoded"}
    pages = [box.request("GET", path, headers=mine) for path in ("/", "/join", "/you", "/poster")]
    pages += [box.request("POST", "/you/code", "kind=key", form)]
    for status, _, body in pages:
        assert status == 200 and f"ssh -p {box.ssh_port}" in body.decode()
        assert box.status()["host_key"] in body.decode()


def test_the_first_page_says_how_things_are(make_box, tmp_path):
    """Notice, title and what is closed, to browsers and to curl."""
    notice = tmp_path / "notice.txt"
    notice.write_text("Lunch at <noon>.\n")
    box = make_box(box={"notice": notice, "title": "Camp & Co", "newcomers": "closed"},
                   web={"upload": "nobody"})  # fmt: skip
    text = box.curl(box.url("/")).stdout
    assert text.startswith(box.url("/") + "\n")
    assert "Lunch at <noon>." in text and "Camp & Co" in text
    assert f"ssh -p {box.ssh_port}" in text and "SHA256:" in text
    assert f"opam repository set-url default {box.url('/opam')}" in text
    assert "/chat/events" not in text
    page = box.request("GET", "/", headers={"Accept": "text/html"})[2].decode()
    assert "Lunch at &lt;noon&gt;." in page and "Camp &amp; Co" in page
    assert "Uploads are closed" in page and "name=file" not in page
    assert "<script>" not in page and "style=" not in page
    status, _, body = box.request("POST", "/you/name", "name=late",
                                  {"Content-Type": "application/x-www-form-urlencoded"})  # fmt: skip
    assert status == 403, body


def test_style_and_script_are_kept(box):
    page = box.request("GET", "/", headers={"Accept": "text/html"})
    policy = page[1]["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for address in re.findall(r'"(/page/[^"]+)"', page[2].decode()):
        status, headers, plain = box.request("GET", address)
        assert status == 200 and "immutable" in headers["cache-control"]
        packed = box.request("GET", address, headers={"Accept-Encoding": "gzip"})
        assert packed[1]["content-encoding"] == "gzip" and len(packed[2]) < len(plain)
        other = re.sub("-[0-9a-f]{10}", "-0123456789", address)
        assert "immutable" not in box.request("GET", other)[1]["cache-control"]


@pytest.mark.skipif(SANITIZED, reason="the sanitizers' heap gives nothing back")
def test_what_a_crowd_needed_is_given_back(make_box):
    """A hundred people read a long history at once; the memory for it goes with them."""
    box = make_box()
    subprocess.run(
        [needs("sqlite3"), "-cmd", ".timeout 10000", f"{box.state}/store/riad.db",
         "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
         "INSERT INTO message (at, room_id, kind, text) SELECT 1700000000000 + i, 1, 'say', hex(zeroblob(500)) FROM n"],
        check=True,
    )  # fmt: skip
    for crowd in range(2):
        readers = [threading.Thread(target=box.request, args=("GET", "/api/messages?limit=1000")) for _ in range(100)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        full = resident_mb(box)
        wait_for(lambda: resident_mb(box) < full - 10, f"crowd {crowd}'s memory to be given back: {full:.0f} MB", 20)


@pytest.mark.skipif(SANITIZED, reason="the sanitizers' heap is another one")
def test_no_thread_keeps_what_it_freed(make_box):
    """Whoever comes is served by any of hundreds of threads; each has a stack, and no more."""
    box = make_box()
    pages = ["/", "/files/", "/chat", "/api/messages", "/api/files", "/people", "/nothing", "/opam/"]

    def visit(number):
        for turn in range(100):
            box.request("GET", pages[(number + turn) % len(pages)], headers={"Accept": "text/html"})

    before = resident_mb(box)
    visitors = [threading.Thread(target=visit, args=(number,)) for number in range(32)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert resident_mb(box) < before + 20
