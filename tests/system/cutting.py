"""Lines that break, and lines that stand still: what goes through one is cut after so many bytes,
several times; through the other, it waits until it may go on."""

import contextlib
import socket
import struct
import threading

RESET = struct.pack("ii", 1, 0)


class CuttingLine:
    """Listens on `port` and forwards to the box's web port. The connections that cuts names are
    broken off (RST both ways) when that many bytes have come from the client; later ones hold."""

    def __init__(self, box, cuts):
        self.box, self.cuts, self.broken = box, list(cuts), 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.box.web_port))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=(*pair, pair[0] is client), daemon=True).start()

    def _forward(self, source, target, outward):
        seen = 0
        with contextlib.suppress(OSError):
            while piece := source.recv(16384):
                target.sendall(piece)
                seen += len(piece)
                if outward and self._cut(seen):
                    break
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _cut(self, seen):
        with self.lock:
            if self.cuts and seen >= self.cuts[0]:
                self.cuts.pop(0)
                self.broken += 1
                return True
        return False

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@contextlib.contextmanager
def cutting(box, cuts):
    line = CuttingLine(box, cuts)
    try:
        yield line
    finally:
        line.close()


class HeldLine:
    """Listens on `port` and forwards to the box's port; what comes from the box is held back behind
    so many bytes until `go` is set."""

    def __init__(self, port, after):
        self.box_port, self.after, self.go, self.held = port, after, threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            client, _ = self.listener.accept()
            server = socket.socket()
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            server.connect(("127.0.0.1", self.box_port))
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
            self._forward(server, client, self.after)

    def _forward(self, source, target, after=None):
        seen = 0
        with contextlib.suppress(OSError):
            while piece := source.recv(8192):
                seen += len(piece)
                if after is not None and seen >= after:
                    self.held.set()
                    self.go.wait()
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self):
        self.go.set()
        self.listener.close()


@contextlib.contextmanager
def held(port, after):
    line = HeldLine(port, after)
    try:
        yield line
    finally:
        line.close()
