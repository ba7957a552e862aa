"""Put on an emulator's path as sitecustomize: its wall clock stands still and is moved by a file,
and it ends with the test that started it, however that test ends.
"""

import datetime as _datetime
import os as _os
import threading as _threading
import time as _time

_FILE = _os.environ["RINGFENCE_TEST_CLOCK"]


def _now():
    with open(_FILE) as file:
        return float(file.read())


class _Call:
    """A function that, set as an attribute of a class, does not become a method."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *arguments):
        return self.function(*arguments)


def _at(function):
    return _Call(lambda seconds=None: function(_now() if seconds is None else seconds))


_strftime, _localtime = _time.strftime, _time.localtime
_time.time = _Call(_now)
_time.time_ns = _Call(lambda: int(_now()) * 10**9)
_time.gmtime = _at(_time.gmtime)
_time.localtime = _at(_localtime)
_time.strftime = _Call(lambda form, at=None: _strftime(form, _localtime(_now()) if at is None else at))


class datetime(_datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(_now(), tz)

    @classmethod
    def utcnow(cls):
        return cls.fromtimestamp(_now(), _datetime.timezone.utc).replace(tzinfo=None)

    @classmethod
    def today(cls):
        return cls.fromtimestamp(_now())


_datetime.datetime = datetime

if _os.environ.get("RINGFENCE_TEST_ANY_SKEW"):
    # Who calls signs with the machine's own clock, which no test can move.
    from ministack.core import sigv4 as _sigv4

    _sigv4.request_time_failure = lambda *_, **__: None


def _end_with_the_test():
    # Standard input is a pipe that nobody writes to: it ends when the test process does.
    while _os.read(0, 1):
        pass
    _os._exit(0)


_threading.Thread(target=_end_with_the_test, daemon=True).start()
