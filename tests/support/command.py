"""Runs the ``main`` of a program in this process: a second of start-up less than ``python -m``."""

from __future__ import annotations

import contextlib
import io
import os
import resource
from collections.abc import Callable
from typing import NamedTuple
from unittest import mock


class Done(NamedTuple):
    """What a program left, like ``subprocess.CompletedProcess``."""

    returncode: int
    stdout: str
    stderr: str


def run_main(main: Callable[[], int], *arguments: str, **environment: str) -> Done:
    """Call ``main`` with a command line and additions to the environment.

    An operation limits the memory of its process, which later tests need again.
    """
    out, err = io.StringIO(), io.StringIO()
    memory = resource.getrlimit(resource.RLIMIT_DATA)
    with (
        mock.patch("sys.argv", ["program", *arguments]),
        mock.patch.dict(os.environ, environment),  # the program itself may change it, too
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            status = main()
        except SystemExit as error:  # argparse
            status = int(error.code or 0)
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, memory)
    return Done(status, out.getvalue(), err.getvalue())
