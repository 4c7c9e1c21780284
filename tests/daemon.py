# SPDX-License-Identifier: MIT
"""An accemud of a test's own: started on a socket in a temporary folder, and gone with it."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PR_SET_PDEATHSIG = 1
START_SECONDS = 60
STOP_SECONDS = 120


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def listens(path):
    """Whether somebody takes connections at this path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        try:
            client.connect(path)
        except OSError:
            return False
    return True


class Daemon:
    """`program` is accemud, `options` what it gets beside --socket. Use it with `with`: at the
    end it is killed if it still runs."""

    def __init__(self, program, *options, path=None, environment=None):
        self.folder = tempfile.mkdtemp(prefix="accemud-")
        # Other users get as far as the socket.
        os.chmod(self.folder, 0o755)
        self.path = path or os.path.join(self.folder, "acc.sock")
        self.command = [program, "--socket", self.path, *options]
        self.environment = {
            name: value for name, value in os.environ.items() if name[:4] != "ACC_"
        } | (environment or {})
        self.log = os.path.join(self.folder, "log")
        self.process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def uri(self, index=0):
        return f"unix:{self.path}#{index}"

    def text(self):
        """What it wrote to its outputs since its first start."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def launch(self):
        """Starts it, without waiting for it."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment, preexec_fn=_die_with_parent,
            )

    def start(self):
        """Starts it and returns when it takes connections."""
        self.launch()
        deadline = time.monotonic() + START_SECONDS
        while not listens(self.path):
            if self.process.poll() is not None:
                raise RuntimeError(
                    f"accemud ended with {self.process.returncode} before it served:\n{self.text()}"
                )
            if time.monotonic() > deadline:
                raise RuntimeError(f"accemud did not serve in time:\n{self.text()}")
            time.sleep(0.01)

    def send(self, number):
        self.process.send_signal(number)

    def wait(self):
        """Its exit status."""
        return self.process.wait(STOP_SECONDS)

    def stop(self, number=signal.SIGTERM):
        self.send(number)
        return self.wait()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
