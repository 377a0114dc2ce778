"""What happens when the program is told from outside to end, or its terminal goes away."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable


def heed_signals(end: Callable[[], None], hang_up: Callable[[], None]) -> None:
    """End well when told to. After `hang_up`, which keeps what must not get lost, a cut line ends the process at once.

    Nothing can be drawn or restored on a terminal that is gone, and to try could wait for ever. Only a main thread
    is told of signals.
    """

    def cut() -> None:
        hang_up()
        os._exit(128 + signal.SIGHUP)

    if threading.current_thread() is threading.main_thread():
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, cut)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
