"""SSH keys of every kind: one of many, those of tokens, foreign ones, another one by a code, and what
nobody can verify."""

import hashlib
import re
import subprocess

import pytest
from chat import ask

from conftest import PATIENCE, Box, needs, wait_for


@pytest.fixture(scope="module")
def house():
    """One box for all tests that do not mind each other."""
    with Box({}) as house:
        yield house


def test_many_keys_in_an_agent(house):
    """Foreign keys before the right one are no failed attempts, and are explained only once."""
    box = house
    box.ssh("ada", "whoami", check=0)
    line = box.ssh_line("ada", "whoami")
    for i in range(9):
        line[1:1] = ["-i", str(box.key(f"k{i}"))]
    line = [word.replace("LogLevel=ERROR", "LogLevel=INFO") for word in line]
    first = subprocess.run(line, input="", capture_output=True, text=True, timeout=20)
    assert first.returncode == 0, first.stderr
    assert first.stderr.count("belongs to somebody") <= 1


def test_key_types(house):
    box = house
    for kind in ("rsa", "ecdsa"):
        path = box.key(f"of-{kind}", kind)
        assert box.ssh(f"of-{kind}", "whoami", key=path, check=0)


def test_second_key_by_code(house):
    box = house
    box.ssh("grace", "whoami", check=0)
    shown = box.ssh("grace", "key", "add", check=0).stdout
    code = re.search(r"code: (\S+)", shown).group(1)
    line = [word.replace("BatchMode=yes", "BatchMode=no")
            for word in box.ssh_line("grace", "whoami", key=box.key("laptop"))]  # fmt: skip
    askpass = box.folder / "askpass"
    askpass.write_text(f"#!/bin/sh\necho {code.lower()}\n")
    askpass.chmod(0o755)
    environment = {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force", "PATH": "/usr/bin"}
    done = subprocess.run(line, input="", capture_output=True, text=True, timeout=20, env=environment)
    assert done.returncode == 0 and done.stdout.startswith("grace\n"), done.stderr
    assert box.ssh("grace", "whoami", key=box.key("laptop"), check=0)
    keys = box.ssh("grace", "key", "list", check=0).stdout.splitlines()
    assert len(keys) == 2 and "(this one)" in keys[0]
    # The right key second still comes in while a code is open: who types none is not asked again.
    box.ssh("grace", "key", "add", check=0)
    askpass.write_text("#!/bin/sh\necho\n")
    at = line.index("-i") + 1
    line[at : at + 1] = [str(box.key("stranger")), "-i", str(box.key("grace"))]
    done = subprocess.run(line, input="", capture_output=True, text=True, timeout=20, env=environment)
    assert done.returncode == 0 and done.stdout.startswith("grace\n"), done.stderr
    box.ssh("grace", "key", "remove", "2", check=0)
    assert ask(box, "grace", box.key("laptop"))[0] == 255


def test_last_key_stays(house):
    box = house
    box.ssh("heidi", "whoami", check=0)
    done = box.ssh("heidi", "key", "remove", "1", check=1)
    assert "last key" in done.stderr


# ---- keys of every kind ----


def transport(box):
    import paramiko

    connection = paramiko.Transport(("127.0.0.1", box.ssh_port))
    connection.start_client(timeout=10 * PATIENCE)
    return connection


def ed25519_token():
    """Kind, the public key's fields and a signer, in software."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    secret = Ed25519PrivateKey.generate()
    public = secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return "sk-ssh-ed25519@openssh.com", [public], secret.sign


def ecdsa_token():
    import paramiko
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    secret = ec.generate_private_key(ec.SECP256R1())
    point = secret.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def sign(data):
        blob = paramiko.Message()
        for number in utils.decode_dss_signature(secret.sign(data, ec.ECDSA(SHA256()))):
            blob.add_mpint(number)
        return blob.asbytes()

    return "sk-ecdsa-sha2-nistp256@openssh.com", [b"nistp256", point], sign


def security_key(make, application, spoil=False):
    """A key as a FIDO token would have it."""
    import paramiko

    kind, fields, sign = make()

    class Token(paramiko.PKey):
        name = kind
        public_blob = None

        def get_name(self):
            return kind

        def asbytes(self):
            blob = paramiko.Message()
            for field in [kind, *fields, application]:
                blob.add_string(field)
            return blob.asbytes()

        def can_sign(self):
            return True

        def sign_ssh_data(self, data, algorithm=None):
            # PROTOCOL.u2f: the digests of application and message, flags (touched), a counter.
            middle = b"\x01" + (7).to_bytes(4, "big")
            signed = hashlib.sha256(application.encode()).digest() + middle
            message = paramiko.Message()
            message.add_string(kind)
            message.add_string(sign(signed + hashlib.sha256(data + b"x" * spoil).digest()))
            message.add_bytes(middle)
            return message

    return Token()


@pytest.mark.parametrize("make", [ed25519_token, ecdsa_token])
def test_security_keys(house, monkeypatch, make):
    import paramiko

    kind, name = make()[0], make.__name__.split("_")[0] + "-fido"
    monkeypatch.setattr(paramiko.Transport, "_preferred_pubkeys",
                        paramiko.Transport._preferred_pubkeys + (kind,))  # fmt: skip
    monkeypatch.setitem(paramiko.Transport._key_info, kind, None)
    connection = transport(house)
    connection.auth_publickey(name, security_key(make, "ssh:"))
    channel = connection.open_session()
    channel.exec_command("whoami")
    seen = channel.makefile().read().decode()
    assert seen.startswith(f"{name}\n") and kind.split("-sha2")[0].split("@")[0] in seen
    connection.close()
    assert ask(house, name, house.key("no-fido"))[0] == 255
    with pytest.raises(paramiko.SSHException):
        connection = transport(house)
        connection.auth_publickey(f"{name}-2", security_key(make, "ssh:", spoil=True))
    with house.store() as store:
        found = store.execute("SELECT count(*) FROM person WHERE name = ?", (f"{name}-2",)).fetchone()
        assert found[0] == 0


def unknown_key(kind, size):
    """A key whose kind libssh has never heard of."""
    import paramiko

    class Unknown(paramiko.PKey):
        public_blob = None

        def get_name(self):
            return kind

        def asbytes(self):
            blob = paramiko.Message()
            blob.add_string(kind)
            blob.add_string(b"k" * size)
            return blob.asbytes()

        def can_sign(self):
            return True

        def sign_ssh_data(self, data, algorithm=None):
            message = paramiko.Message()
            message.add_string(kind)
            message.add_string(b"s" * size)
            return message

    return Unknown()


def spoilt_key(house):
    """One whose signatures are wrong by a bit."""
    import paramiko

    key = paramiko.Ed25519Key.from_private_key_file(str(house.key("spoilt")))
    sign = key.sign_ssh_data

    def spoil(data, algorithm=None):
        right = sign(data, algorithm).asbytes()
        return paramiko.Message(right[:-1] + bytes([right[-1] ^ 1]))

    key.sign_ssh_data = spoil
    return key


ODD_KEYS = {
    "dss": lambda paramiko, house: paramiko.DSSKey.generate(1024),
    "ed448": lambda paramiko, house: unknown_key("ssh-ed448", 57),
    "post-quantum": lambda paramiko, house: unknown_key("ssh-mldsa-65@example.org", 1952),
    "bad signature": lambda paramiko, house: spoilt_key(house),
}


@pytest.mark.parametrize("kind", list(ODD_KEYS))
def test_what_cannot_be_verified_is_refused_like_any_key(house, monkeypatch, kind):
    """libssh answers nothing to such a request. The client hears why, and goes on to its next key
    on the same connection; when it comes again it is spared of the explanation."""
    import paramiko

    odd = ODD_KEYS[kind](paramiko, house)
    name = "odd-" + kind.split()[0]
    good = paramiko.Ed25519Key.from_private_key_file(str(house.key(name)))
    if odd.get_name() not in paramiko.Transport._key_info:
        monkeypatch.setattr(paramiko.Transport, "_preferred_pubkeys",
                            paramiko.Transport._preferred_pubkeys + (odd.get_name(),))  # fmt: skip
        monkeypatch.setitem(paramiko.Transport._key_info, odd.get_name(), None)
    for hints in ([True, False], [False, False]):
        connection = transport(house)
        with pytest.raises(paramiko.BadAuthenticationType):
            connection.auth_none(name)
        for hint in hints:
            with pytest.raises(paramiko.AuthenticationException):
                connection.auth_publickey(name, odd)
            said = connection.auth_handler.banner or b""
            assert (b"ssh-keygen -t ed25519" in said) == hint, said
        assert connection.auth_publickey(name, good) == []
        channel = connection.open_session()
        channel.exec_command("whoami")
        assert channel.makefile().read().decode().startswith(f"{name}\n")
        connection.close()


def test_many_keys_that_cannot_be_verified_end_the_connection(house):
    import paramiko

    connection, tries = transport(house), 0
    while connection.is_active() and tries < 20:
        with pytest.raises((paramiko.SSHException, OSError)):
            connection.auth_publickey("stubborn", spoilt_key(house))
        tries += 1
    assert 6 <= tries < 20


def test_openssh_goes_on_after_a_key_that_cannot_be_read(house):
    """A question about it comes first there."""
    old = house.folder / "keys" / "old"
    made = subprocess.run([needs("ssh-keygen"), "-q", "-t", "dsa", "-N", "", "-f", old],
                          capture_output=True)  # fmt: skip
    if made.returncode != 0:
        pytest.skip("this ssh-keygen makes no DSA keys")
    line = house.ssh_line("veteran", "whoami")
    at = line.index("-i")
    line[at:at] = ["-o", "PubkeyAcceptedAlgorithms=+ssh-dss", "-i", str(old)]
    done = subprocess.run(line, input="", capture_output=True, text=True, timeout=20 * PATIENCE)
    assert done.returncode == 0 and done.stdout.startswith("veteran\n"), done.stderr
    line[line.index(str(house.key("veteran")))] = str(old)
    line = [word.replace("LogLevel=ERROR", "LogLevel=INFO") for word in line]
    done = subprocess.run(line, input="", capture_output=True, text=True, timeout=20 * PATIENCE)
    assert done.returncode == 255
    assert "Permission denied" in done.stderr and "closed by" not in done.stderr, done.stderr


@pytest.mark.parametrize("kind, bits", [("rsa", 2048), ("ecdsa", 256), ("ecdsa", 521), ("ed25519", 255)])
def test_putty_keys(house, kind, bits):
    """As puttygen makes them, through plink."""
    name = f"p{kind}{bits}"
    path = house.folder / f"{name}.ppk"
    subprocess.run([needs("puttygen"), "-q", "-t", kind, "-b", str(bits), "-O", "private", "-o", path,
                    "--new-passphrase", "/dev/null"], check=True, capture_output=True)  # fmt: skip
    fingerprint = subprocess.run(
        f"ssh-keyscan -p {house.ssh_port} 127.0.0.1 2>/dev/null | ssh-keygen -lf - | cut -d' ' -f2",
        shell=True, capture_output=True, text=True).stdout.strip()  # fmt: skip
    done = subprocess.run(
        [needs("plink"), "-batch", "-i", str(path), "-hostkey", fingerprint, "-P",
         str(house.ssh_port), f"{name}@127.0.0.1", "whoami"],
        capture_output=True, text=True, timeout=20 * PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0 and f"{name}\n" in done.stdout, done.stderr


def test_a_certificate_beside_the_key_is_no_hindrance(house):
    key, authority = house.key("certified"), house.key("authority")
    subprocess.run([needs("ssh-keygen"), "-q", "-s", authority, "-I", "x", "-n", "x", f"{key}.pub"],
                   check=True, capture_output=True)  # fmt: skip
    assert house.ssh("certified", "whoami", check=0)


def test_thirty_keys_the_right_one_last(house):
    """More than OpenSSH's own server would look at."""
    house.ssh("manykeys", "whoami", check=0)
    line = house.ssh_line("manykeys", "whoami")
    at = line.index("-i")
    for i in range(29):
        line[at:at] = ["-i", str(house.key(f"many{i}"))]
    done = subprocess.run(line, input="", capture_output=True, text=True, timeout=30 * PATIENCE)
    assert done.returncode == 0 and done.stdout.startswith("manykeys\n"), done.stderr


def test_while_a_code_is_open_a_stranger_is_told_why(house):
    house.ssh("nina", "whoami", check=0)
    house.ssh("nina", "key", "add", check=0)
    status, text = ask(house, "nina", house.key("stranger2"))
    assert status == 255
    assert "nina belongs to somebody" in text and "type the code" in text
    assert re.search(r"ssh -p \d+ nina\S+@127", text), text


def test_a_code_is_good_once(house):
    """Two devices with one code: one is in, the other is told."""
    house.ssh("olga", "whoami", check=0)
    shown = house.ssh("olga", "key", "add", check=0).stdout
    code = re.search(r"code: (\S+)", shown).group(1)
    askpass = house.folder / "olga-askpass"
    askpass.write_text(f"#!/bin/sh\necho {code}\n")
    askpass.chmod(0o755)

    def device(name):
        line = [word.replace("BatchMode=yes", "BatchMode=no")
                for word in house.ssh_line("olga", "whoami", key=house.key(name))]  # fmt: skip
        return subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force",
                            "PATH": "/usr/bin"},
        )  # fmt: skip

    running = [device(f"olga{i}") for i in range(3)]
    for one in running:
        one.communicate(timeout=30 * PATIENCE)
    assert sorted(one.returncode == 0 for one in running) == [False, False, True]
    assert len(house.ssh("olga", "key", "list", check=0).stdout.splitlines()) == 2


def test_a_real_agent_of_many_keys_the_right_one_last(house):
    """As people have it: ssh-agent holds them, ssh offers one after the other."""
    house.ssh("agentia", "whoami", check=0)
    door = house.folder / "agent"
    agent = subprocess.Popen([needs("ssh-agent"), "-D", "-a", str(door)],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        wait_for(door.exists, "the agent")
        keys = [str(house.key(f"ring{i}")) for i in range(25)] + [str(house.key("agentia"))]
        environment = {"SSH_AUTH_SOCK": str(door), "PATH": "/usr/bin:/bin"}
        subprocess.run([needs("ssh-add"), "-q", *keys], env=environment, check=True, capture_output=True)
        line = [word.replace("IdentitiesOnly=yes", "IdentitiesOnly=no")
                    .replace("IdentityAgent=none", f"IdentityAgent={door}")
                for word in house.ssh_line("agentia", "whoami")]  # fmt: skip
        at = line.index("-i")
        del line[at : at + 2]
        done = subprocess.run(line, input="", env=environment, capture_output=True, text=True,
                              timeout=30 * PATIENCE)  # fmt: skip
        assert done.returncode == 0 and done.stdout.startswith("agentia\n"), done.stderr
    finally:
        agent.terminate()
        agent.wait()
