"""Makes the picture of the README: a real session with a real service, drawn as a terminal.

``python docs/picture.py`` writes ``docs/images/session.svg``.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.text import Text

PICTURE = Path(__file__).parent / "images" / "session.svg"
COLUMNS = 127
SESSION = (
    "rota schedules add backup --every 2s --command 'echo copying; sleep 3; echo done'",
    "rota schedules history backup --limit 4",
    "rota exec -- sh -c 'echo hi; exit 3'; echo \"exit code $?\"",
    "rota jobs list --schedule backup --limit 3",
    "rota queues pause default --note 'the disk is being changed'",
    "rota jobs why $(rota enqueue demo-primes --queue default)",
)
WAITS = {1: 8.0}
"""Seconds before a command, so that there is something to see."""
# The picture asks no other host for a font: every terminal has one of its own.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace("Fira Code, ", "")


def main() -> None:
    """Run the session and draw it."""
    with tempfile.TemporaryDirectory() as folder, service(folder) as environ:
        console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115
        for number, command in enumerate(SESSION):
            time.sleep(WAITS.get(number, 0.5))
            console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
            console.print(Text.from_ansi(run(command, folder, environ)))
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(console.export_svg(title="rota", code_format=FORMAT, unique_id="rota"), encoding="utf-8")
    print(f"{PICTURE} written")


@contextmanager
def service(folder: str) -> Iterator[dict[str, str]]:
    """Serve the demo; yield the environment of its users."""
    environ = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": folder,
        "LOGNAME": "ann",
        "TZ": "UTC",
        "TERM": "xterm-256color",
        "COLUMNS": str(COLUMNS),
        "LANG": "C.UTF-8",
        "ROTA_PORT": str(free_port()),
        "ROTA_DATABASE_URL": f"sqlite:///{folder}/rota.db",
    }
    up = subprocess.Popen(
        ["rota", "up", "--demo"], env=environ, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert up.stdout is not None
        for line in up.stdout:
            if line.startswith("Stop it"):
                break
        yield environ
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(60)


def run(command: str, folder: str, environ: dict[str, str]) -> str:
    """Return what a command prints on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(["sh", "-c", command], env=environ, cwd=folder, stdout=theirs, stderr=theirs)
    os.close(theirs)
    printed = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the terminal is closed: on Linux that is its end
            break
        if not part:
            break
        printed += part
    os.close(ours)
    process.wait()
    return printed.decode().replace("\r\n", "\n").rstrip()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
