"""People who come by ssh, for tests of the chat: OpenSSH within tmux, and its screen."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from conftest import PATIENCE, needs


class Terminal:
    """`ssh NAME@BOX` in a tmux window of its own. Use it as a context manager."""

    def __init__(self, box, name, columns=80, rows=24, term="tmux-256color", key=None, command=()):
        self.tmux = needs("tmux")
        self.folder = Path(tempfile.mkdtemp(prefix="riad-tmux-"))
        line = box.ssh_line(name, *command, tty=True, key=key)
        line = [word.replace("LogLevel=ERROR", "LogLevel=INFO") for word in line]
        self.run(
            "-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
            "env", f"TERM={term}", *line,
        )  # fmt: skip
        self.run("set-option", "remain-on-exit", "on")

    def run(self, *arguments):
        return subprocess.run(
            [self.tmux, "-S", str(self.folder / "socket"), *arguments],
            check=True, capture_output=True, text=True, timeout=20,
        ).stdout  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run([self.tmux, "-S", str(self.folder / "socket"), "kill-server"],
                       capture_output=True, timeout=20)  # fmt: skip
        shutil.rmtree(self.folder, ignore_errors=True)

    def type(self, text):
        """As a keyboard would."""
        self.run("send-keys", "-l", text)

    def press(self, *keys):
        self.run("send-keys", *keys)

    def say(self, text):
        self.type(text)
        self.press("Enter")

    def paste(self, text):
        """Bracketed, if the other side has asked for that."""
        self.run("set-buffer", text)
        self.run("paste-buffer", "-p")

    def resize(self, columns, rows):
        self.run("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self):
        """The lines on the screen, without trailing blanks and empty ones at the end."""
        lines = [line.rstrip() for line in self.run("capture-pane", "-p").split("\n")]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def wait(self, wanted, timeout=10):
        """Until the screen's text contains wanted, or wanted(lines) is true; the lines."""
        end = time.monotonic() + timeout * PATIENCE
        while True:
            lines = self.screen()
            if wanted(lines) if callable(wanted) else wanted in "\n".join(lines):
                return lines
            assert time.monotonic() < end, f"{wanted!r} does not come:\n" + "\n".join(lines)
            time.sleep(0.02)

    def wait_prompt(self, timeout=10):
        return self.wait(lambda lines: lines and lines[-1].startswith("lobby>"), timeout)


def ask(box, user, key=None, *command):
    """ssh as a newcomer meets it, banners and all: (status, standard error)."""
    line = box.ssh_line("x", *(command or ("whoami",)), key=key)
    line = [word.replace("LogLevel=ERROR", "LogLevel=INFO") for word in line]
    line = [word.replace("x@127.0.0.1", f"{user}@127.0.0.1") for word in line]
    done = subprocess.run(line, input="", capture_output=True, text=True, timeout=20)
    return done.returncode, done.stderr
