"""Child processes end when the one that serves is gone, even when it was killed and could not tell them."""

import os
import threading
import time

PARENT = "DOORSTEP_SERVING_PID"  # set by serving.py for its children; nobody else sets it
CHECK_SECONDS = 1.0


def end_with_parent() -> None:
    """Start watching, when this process was started by ``serving.run``; otherwise do nothing."""
    parent = os.environ.get(PARENT, "")
    if parent.isdigit() and int(parent) != os.getpid():
        threading.Thread(target=_watch, args=(int(parent),), name="lifeline", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(CHECK_SECONDS)
    os._exit(1)  # the database rolls back what was open; there is nobody left to answer to
