"""For processes below libfaketime, whose ``clock_nanosleep`` refuses the absolute times by which Python sleeps."""

import threading
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex) -> None:
    threading.Event().wait(float(seconds))


time.sleep = _sleep
