"""Logs tell what the box did, never what people said, nor anything that opens a door."""

import json
import re

from test_talk import Follower, take_name


def test_logs_hold_no_words_and_no_secrets(make_box):
    """A busy while at the most talkative level; then every word and secret is looked for."""
    box = make_box(box={"log": "debug"})
    secrets = {}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    # Words: public, private, searched for, reported, typed wrongly, in a topic, as a status.
    box.ssh("ada", "say", "wordpublic and more", check=0)
    box.ssh("bob", "say", input="wordpiped\n", check=0)
    box.ssh("ada", "msg", "bob", "wordprivate", check=0)
    box.ssh("ada", "search", "wordsearched")
    box.ssh("ada", "topic", "wordtopic", check=0)
    box.ssh("bob", "report", "ada", "wordreport")
    box.ssh("bob", "wordcommand", "wordargument")
    box.ssh("bob", input="/wordslash wordsecond\n")
    # Secrets: links, codes, tokens, cookies, keys; good and wrong ones.
    secrets["link"] = re.search(r"/join/([\w-]+)", box.ssh("ada", "web", check=0).stdout)[1]
    _, fields, _ = box.request("POST", f"/join/{secrets['link']}")
    secrets["cookie"] = re.search(r"riad=([^;]+)", fields["set-cookie"])[1]
    secrets["unused link"] = re.search(r"/join/([\w-]+)", box.ssh("bob", "web", check=0).stdout)[1]
    secrets["token"] = box.ssh("ada", "token", "wordlabel", check=0).stdout.split()[-1]
    secrets["taken name's cookie"] = take_name(box, "carol")
    mine = {**form, "Cookie": f"riad={secrets['cookie']}"}
    code = box.request("POST", "/you/code", "kind=browser", mine)[2].decode()
    secrets["code"] = re.search(r"<code>(\w{4}-\w{4})</code>", code)[1]
    box.request("POST", "/join", "code=wrng-cde2", form)
    box.request("GET", "/you", headers={"Cookie": "riad=wrongcookie0123456789a"})
    box.request("PUT", "/files/x", b"wordcontent", {"Authorization": "Bearer wrongbearer0123456789a"})
    bearer = {"Authorization": f"Bearer {secrets['token']}", "Content-Type": "application/json"}
    assert box.request("POST", "/chat/messages", json.dumps({"text": "wordposted"}), bearer)[0] == 201
    box.request("POST", "/chat/messages", '{"text": "wordbroken', bearer)
    box.request("GET", "/api/messages?q=wordqueried", headers=bearer)
    with Follower(box, "-H", f"Authorization: Bearer {secrets['token']}") as follower:
        box.ssh("bob", "msg", "ada", "wordfollowed", check=0)
        assert follower.blocks
    _, fields, _ = box.request("PUT", "/files/guest.txt", b"wordinside")
    secrets["guest's token"] = fields.get("drop-token", "no-token-given")
    secrets["wrong code"] = "wrng-cde2"
    secrets["wrong cookie"] = "wrongcookie0123456789a"
    secrets["wrong bearer"] = "wrongbearer0123456789a"
    secrets["host key"] = (box.state / "keys" / "host_ed25519").read_text().splitlines()[1]
    for name in ("chat", "web"):  # what they say when they end and begin
        box.restart_service(name)
    box.stop()
    log = box.log()
    for what, secret in secrets.items():
        assert secret not in log, f"the log holds the {what}"
    found = re.findall(r".*\bword[a-z]+.*", log)
    assert not found, f"the log holds what people typed: {found}"
