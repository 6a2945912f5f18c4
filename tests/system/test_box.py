"""The box stands: first run, services that die or hang, bad input, reload, the end."""

import fcntl
import json
import os
import re
import signal
import socket
import stat
import subprocess
import time

import pytest
from conftest import BUILD, PATIENCE, SERVICES, descendants, needs, program, wait_for


def riad(*arguments, **more):
    """The program without a box."""
    return subprocess.run(
        [program("riad"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        **more,
    )


def folder_modes(state):
    return {
        name: stat.S_IMODE((state / name).stat().st_mode)
        for name in ["store", "keys", "run", "drop", "mirror", "store/riad.db"]
    }


# ---- the first run ----


def test_first_run_makes_everything_and_says_what_to_type(make_box):
    box = make_box(start=False)
    began = time.monotonic()
    line = box.start()
    assert time.monotonic() - began < 10 * PATIENCE
    assert line.startswith("ready: chat web mirror dhcp")
    assert folder_modes(box.state) == {
        "store": 0o2770,
        "keys": 0o700,
        "run": 0o755,
        "drop": 0o2750,
        "mirror": 0o2750,
        "store/riad.db": 0o660,
    }
    box.wait_log(f"ssh -p {box.ssh_port} YOURNAME@127.0.0.1")
    box.wait_log(f"http://127.0.0.1:{box.web_port}/$")
    box.wait_log(f"opam init http://127.0.0.1:{box.web_port}/opam$")
    box.wait_log(re.escape(box.run_status()["host_key"]))
    assert box.riad("status").returncode == 0


def test_host_key_and_store_survive(make_box):
    box = make_box()
    key = (box.state / "keys" / "host_ed25519").read_bytes()
    told = box.status()["host_key"]
    shown = subprocess.run(
        [needs("ssh-keygen"), "-l", "-f", str(box.state / "keys" / "host_ed25519")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told in shown.stdout
    box.stop()
    assert not (box.state / "run" / "status.json").exists()
    box.start()
    assert (box.state / "keys" / "host_ed25519").read_bytes() == key
    assert box.status()["host_key"] == told
    assert "did not end in order" not in box.log()


def test_services_have_a_process_each_and_few_descriptors(box):
    below = descendants(box.process.pid)
    for name in SERVICES:
        pid = box.pid(name)
        assert below[pid][0] == box.process.pid
        assert os.getsid(pid) == pid
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            assert "NoNewPrivs:\t1" in file.read()
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
        assert "riad.conf" in os.readlink(f"/proc/{pid}/fd/3")


# ---- services that die or hang ----


@pytest.mark.threads
@pytest.mark.parametrize("name", SERVICES)
def test_a_killed_service_comes_back_and_costs_no_other(box, name):
    before = {other: box.pid(other) for other in SERVICES}
    row = box.restart_service(name)
    assert row["restarts"] == 1
    for other in SERVICES:
        assert (box.pid(other) == before[other]) == (other != name)
    told = box.status()
    assert told["incidents"][0]["service"] == name
    assert "signal 9" in told["incidents"][0]["text"]
    assert told["services"][name]["text"] != told["incidents"][0]["text"]


def test_pauses_grow_and_it_never_gives_up(box):
    """At once, then after 1 s and 2 s."""
    began = time.monotonic()
    for expected in [1, 2, 3]:
        assert box.restart_service("mirror")["restarts"] == expected
    assert time.monotonic() - began > 2.9
    assert box.riad("status", check=0)


def test_a_stopped_chat_is_found_hung(box):
    others = {name: box.pid(name) for name in SERVICES[1:]}
    pid = box.kill("chat", signal.SIGSTOP)
    box.wait_service("chat", not_pid=pid, timeout=15)
    box.wait_log("chat: hung, no beat for 5 s: killed")
    assert others == {name: box.pid(name) for name in SERVICES[1:]}


def test_clients_wait_in_the_backlog_while_a_service_is_away(box):
    pid = box.kill("web", signal.SIGSTOP)
    with socket.create_connection(("127.0.0.1", box.web_port), 5) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        os.kill(pid, signal.SIGKILL)
        with socket.create_connection(("127.0.0.1", box.web_port), 5) as other:
            other.sendall(b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            other.settimeout(10 * PATIENCE)
            assert other.recv(64).startswith(b"HTTP/1.1 200")


def test_services_end_when_the_keeper_is_killed(make_box):
    box = make_box()
    below = descendants(box.process.pid)
    box.process.kill()
    box.process.wait()
    box.expect_status = -signal.SIGKILL
    wait_for(lambda: not any(alive(pid, row) for pid, row in below.items()), "the services to end")
    box.stop()
    box.expect_status = 0
    box.start()
    assert "did not end in order" in box.log()


def test_a_stopped_service_does_not_outlive_two_keepers(make_box):
    """It hears nothing of its keeper's death; the next keeper ends it before it opens the store."""
    box = make_box()
    pid = box.kill("chat", signal.SIGSTOP)
    row = descendants(box.process.pid)[pid]
    others = [other for other in SERVICES if other != "chat"]
    rest = {box.pid(name): descendants(box.process.pid)[box.pid(name)] for name in others}
    box.process.kill()
    box.process.wait()
    wait_for(lambda: not any(alive(*one) for one in rest.items()), "the others to end")
    assert alive(pid, row)
    box.start()
    assert not alive(pid, row)
    assert f"chat: process {pid} outlived the last keeper: killed" in box.log()
    assert box.ssh("ada", "whoami").returncode == 0


def alive(pid, row):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return False
    return fields[0] != "Z" and int(fields[19]) == row[2]


# ---- what is refused ----


def test_a_second_box_refuses_and_says_who_runs(box):
    done = box.riad("run", check=1)
    assert f"another box (pid {box.process.pid}) runs on {box.state} already" in done.stderr
    assert box.riad("status").returncode == 0


def test_whoever_asks_about_a_box_keeps_none_from_starting(make_box):
    """`riad status` at the wrong moment; anybody may read the lock."""
    box = make_box()
    box.stop()
    with open(box.state / "run" / "lock", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        box.start()
        assert box.riad("status").returncode == 0


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[chat]\nhistry = 5\n", ["riad.conf:2", "histry", "history"]),
        ("[chaat]\n", ["riad.conf:1", "chaat", "chat"]),
        ("[chat]\nhistory = many\n", ["riad.conf:2", "many"]),
        ("[web]\nupload = maybe\n", ["riad.conf:2", "maybe", "anyone", "nobody"]),
        ("[box]\nname = a\nname = b\n", ["riad.conf:3", "name"]),
        ("[dhcp]\nlease = -1\n", ["riad.conf:2", "-1"]),
        ("no section = 1\n", ["riad.conf:1"]),
    ],
)
def test_a_bad_configuration_names_file_line_and_what_is_allowed(tmp_path, text, named):
    conf = tmp_path / "riad.conf"
    conf.write_text(text)
    for command in ["run", "check", "status"]:
        done = riad(command, "-c", conf)
        assert done.returncode == 2, done.stderr
        for word in named:
            assert word in done.stderr


def test_a_missing_configuration_is_exit_2(tmp_path):
    done = riad("run", "-c", tmp_path / "none.conf")
    assert done.returncode == 2
    assert "none.conf" in done.stderr


def test_unknown_commands_and_options_name_what_is_allowed():
    for arguments, named in [
        (["dance"], ["dance", "run", "status"]),
        (["status", "--jsn"], ["--jsn", "--json"]),
        (["-z"], ["-z", "--help"]),
        (["-c", "riad.conf", "status"], ["-c stands behind the command", "status"]),
        (["run", "now"], ["now"]),
        (["run", "-c"], ["-c"]),
        (["status", "--json=yes"], ["--json"]),
        (["mirror", "list", "lwt"], ["lwt", "list"]),
    ]:
        done = riad(*arguments)
        assert done.returncode == 2, arguments
        assert all(word in done.stderr for word in named), done.stderr
        assert done.stdout == ""


def test_help_and_version():
    assert re.fullmatch(r"riad \d+\.\d+\.\d+\n", riad("--version").stdout)
    overview = riad("--help")
    assert overview.returncode == 0
    for name in re.findall(r"^  (\w+)", overview.stdout, re.MULTILINE):
        done = riad(name, "--help")
        assert done.returncode == 0 and done.stdout.startswith(f"usage: riad {name} ")
    assert riad().returncode == 2


def test_state_that_cannot_be_used_is_one_sentence_and_exit_1(tmp_path, make_box):
    (tmp_path / "file").write_text("")
    box = make_box(start=False, box={"state": tmp_path / "file" / "state"})
    done = box.riad("run", check=1)
    assert len(done.stderr.splitlines()) == 1
    assert "the state folder cannot be used" in done.stderr


def test_read_only_state(make_box):
    box = make_box(start=False)
    box.state.mkdir()
    if os.geteuid() == 0:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", box.state]).returncode:
            pytest.skip("mounting is not allowed here")
    else:
        box.state.chmod(0o500)
    try:
        done = box.riad("run", check=1)
        checked = box.riad("check", check=1)
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", box.state], check=True)
    assert len(done.stderr.splitlines()) == 1
    assert "the state folder cannot be used" in done.stderr
    assert "cannot be written" in checked.stdout


def test_a_damaged_store_is_set_aside_and_told(make_box):
    box = make_box()
    box.stop()
    (box.state / "store" / "riad.db").write_bytes(b"\xff" * 50000)
    checked = box.riad("check", check=1)
    assert "is damaged" in checked.stdout
    box.start()
    assert "the store was damaged" in box.log()
    assert [path for path in (box.state / "store").iterdir() if ".damaged-" in path.name]
    assert "damaged" in box.status()["incidents"][0]["text"]
    assert box.riad("status").returncode == 0


def test_check_repairs_a_damaged_store(make_box):
    box = make_box()
    box.stop()
    (box.state / "store" / "riad.db").write_bytes(b"no database" * 100)
    done = box.riad("check", "--repair", check=0)
    assert "mended: the damaged store" in done.stdout
    box.start()
    assert "damaged" not in box.log()


def test_a_damaged_host_key_costs_the_chat_only(make_box):
    box = make_box()
    box.stop()
    (box.state / "keys" / "host_ed25519").write_text("nonsense")
    box.start(wait=False)
    line = box.wait_log("^ready", 20)
    assert line.startswith("ready: web mirror dhcp; not ready: chat is down: the SSH host key")
    assert "not an unencrypted Ed25519 key" in box.log()
    assert box.riad("status").returncode == 1


# ---- ports ----


def test_a_taken_port_is_a_warning_while_another_works(make_box):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        box = make_box(start=False)
        box.config(chat={"listen": f"127.0.0.1:{taken},127.0.0.1:{box.ssh_port}"})
        assert box.start().startswith("ready: chat web")
        assert f"chat listens on fewer addresses: 127.0.0.1:{taken} is taken" in box.log()
        assert f"pid {os.getpid()}" in box.log()
        assert box.status()["ssh_port"] == box.ssh_port
        assert box.riad("check", check=0)


def test_a_port_that_two_services_name(make_box):
    box = make_box(start=False)
    box.conf.write_text(box.conf.read_text().replace(f":{box.web_port}", f":{box.ssh_port}"))
    why = f"web cannot listen: 127.0.0.1:{box.ssh_port} is named twice in this configuration"
    assert why in box.riad("check", check=1).stdout


def test_all_ports_taken_cost_the_service_not_the_box(make_box):
    box = make_box(start=False)
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", box.web_port))
        holder.listen()
        checked = box.riad("check", check=1)
        assert f"web cannot listen: 127.0.0.1:{box.web_port} is taken" in checked.stdout
        box.start(wait=False)
        box.wait_log(f"web: 127.0.0.1:{box.web_port} is taken .*; free it or choose another")
        for name in ["chat", "mirror", "dhcp"]:
            box.wait_service(name)
        assert box.riad("status").returncode == 1
        assert "is taken" in box.status()["services"]["web"]["text"]
        assert "fault: web is down: 127.0.0.1:" in box.riad("check", check=1).stdout
    box.wait_service("web", timeout=20)
    assert box.wait_log("^ready").startswith("ready: chat web mirror dhcp")
    assert box.riad("status").returncode == 0
    assert box.status()["web_port"] == box.web_port


# ---- reload and end ----


def test_reload_applies_at_once_what_it_can(box):
    pids = {name: box.pid(name) for name in SERVICES}
    box.config(chat={"history": 3})
    assert "read the configuration again" in box.reload()
    assert pids == {name: box.pid(name) for name in SERVICES}


def test_reload_of_a_wrong_file_keeps_the_old_one(box):
    good = box.conf.read_text()
    box.conf.write_text(good + "[chat]\nhistroy = 3\n")
    box.reload()
    box.wait_log("the old one stays in force")
    assert "histroy" in box.log()
    box.conf.write_text(good)
    assert box.riad("status").returncode == 0


def test_reload_names_what_needs_a_full_restart(box):
    old = box.web_port
    box.config(web={"listen": "127.0.0.1:1"})
    box.reload()
    box.wait_log("web.listen changes only when the box is started again")
    assert box.status()["web_port"] == old


def test_reload_turns_services_off_and_on(box):
    box.config(mirror={"enabled": "no"})
    box.reload()
    box.wait_service("mirror", "off")
    box.wait_service("web", "up")
    assert box.riad("status").returncode == 0
    box.config(mirror={"enabled": "yes"})
    box.reload()
    box.wait_service("mirror", "up")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_is_quick_and_clean(make_box, number):
    box = make_box()
    began = time.monotonic()
    box.process.send_signal(number)
    assert box.process.wait(10 * PATIENCE) == 0
    assert time.monotonic() - began < 5 * PATIENCE
    assert box.riad("status").returncode == 3


def test_a_hung_service_does_not_hold_up_the_end(make_box):
    box = make_box()
    box.kill("mirror", signal.SIGSTOP)
    box.stop()


def test_whoever_is_told_twice_ends_at_once_and_blames_nobody(make_box):
    box = make_box()
    began = time.monotonic()
    box.process.send_signal(signal.SIGSTOP)
    box.process.send_signal(signal.SIGTERM)
    box.process.send_signal(signal.SIGINT)
    box.process.send_signal(signal.SIGCONT)
    assert box.process.wait(10 * PATIENCE) == 0
    assert time.monotonic() - began < 2 * PATIENCE
    box.stop()
    assert "a second time" in box.log()
    assert not re.search("hung|did not end|killed by", box.log()), box.log()


# ---- status ----


STATUS = {
    "running", "ready", "version", "pid", "started_ms", "uptime_s", "services", "urls", "ssh",
    "ssh_port", "web_port", "host_key", "people", "messages", "files", "mirror", "leases",
    "disk", "incidents",
}  # fmt: skip


def test_status_json_is_stable(box):
    told = box.status()
    assert set(told) == STATUS
    assert told["running"] is True and told["ready"] is True and told["pid"] == box.process.pid
    assert list(told["services"]) == SERVICES
    for row in told["services"].values():
        assert set(row) == {"enabled", "state", "pid", "restarts", "since_ms", "text"}
        assert row["enabled"] and row["state"] in ("up", "standing by")
    assert told["urls"] == [box.url()]
    assert told["ssh"] == [f"ssh -p {box.ssh_port} NAME@127.0.0.1"]
    assert told["people"] == {"here": 0, "known": 0, "hosts": 0}


def test_status_of_a_box_that_does_not_run(make_box):
    box = make_box(start=False)
    done = box.riad("status", check=3)
    assert "not running" in done.stdout and len(done.stdout.splitlines()) == 1
    told = json.loads(box.riad("status", "--json", check=3).stdout)
    assert told["running"] is False and told["pid"] is None
    assert set(told) == STATUS and told["people"] is None and told["disk"] is None


def test_status_is_plain_on_a_pipe_and_coloured_on_a_terminal(box):
    assert "\033" not in box.riad("status").stdout
    line = f"{program('riad')} status -c {box.conf}"
    shown = subprocess.run(
        [needs("script"), "-qec", line, "/dev/null"],
        capture_output=True,
        text=True,
        env={**os.environ, "TERM": "xterm"},
        check=True,
    ).stdout
    assert "\033[32m" in shown and "\u2588" in shown


def test_systemd_is_told(make_box):
    """Readiness, the watchdog and the end, by systemd's own protocol."""
    box = make_box(start=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        path = str(box.folder / "notify")
        listener.bind(path)
        listener.settimeout(10 * PATIENCE)
        box.environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"}
        box.start()
        heard = ""
        while "READY=1" not in heard or "WATCHDOG=1" not in heard:
            heard += listener.recv(4096).decode()
        box.process.send_signal(signal.SIGHUP)
        while "RELOADING=1" not in heard:
            heard += listener.recv(4096).decode()
        box.process.send_signal(signal.SIGTERM)
        while "STOPPING=1" not in heard:
            heard += listener.recv(4096).decode()


# ---- accounts ----


def test_as_root_services_run_as_the_account(make_box):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    box = make_box(start=False, box={"user": "nobody"}, dhcp={"user": "nobody"})
    box.folder.chmod(0o755)
    box.start()
    for name in SERVICES:
        with open(f"/proc/{box.pid(name)}/status", encoding="utf-8") as file:
            status = file.read()
        assert re.search(r"^Uid:\t65534\t65534\t65534\t65534$", status, re.MULTILINE)
        # Without [lan] nobody needs any; what riad-dhcp keeps with one is test_venue's.
        assert int(re.search(r"^CapEff:\t(\w+)$", status, re.MULTILINE)[1], 16) == 0, name
    assert (box.state / "store" / "riad.db").stat().st_uid == 65534
    assert (box.state / "keys").stat().st_uid == 0
    assert box.riad("status").returncode == 0


def test_a_missing_account_is_an_error_with_the_line_that_makes_it(make_box):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    box = make_box(start=False, box={"user": "riad-test-none"})
    done = box.riad("run", check=1)
    assert "useradd --system" in done.stderr and "riad-test-none" in done.stderr
    assert not box.state.exists()


def test_without_root_everything_runs_as_the_caller(make_box):
    """As root, by way of another account."""
    if os.geteuid() != 0:
        pytest.skip("the other tests run without root then")
    box = make_box(start=False)
    box.folder.chmod(0o777)
    if subprocess.run(["setpriv", "--reuid=65534", "test", "-x", BUILD / "riad"]).returncode:
        pytest.skip("the build folder cannot be reached without root")
    box.wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    assert box.start().startswith("ready: chat web mirror")
    assert os.stat(f"/proc/{box.pid('web')}").st_uid == 65534


def test_a_keeper_that_was_stopped_blames_nobody(box):
    """As on a machine that sleeps: whoever did not listen cannot say that others were late."""
    pids = {name: box.pid(name) for name in SERVICES}
    box.process.send_signal(signal.SIGSTOP)
    time.sleep(6.5)  # longer than the chat may be silent
    box.process.send_signal(signal.SIGCONT)
    box.reload()
    assert pids == {name: box.pid(name) for name in SERVICES}
    assert "hung" not in box.log()
    assert "was not answered" not in box.log()  # the web's own probe, every few seconds
