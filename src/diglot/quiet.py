"""Context managers that silence the frameworks: loggers, progress bars, and native code.

All of them change the whole process, so other threads are silent too.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

_STANDARD_ERROR = 2


@contextmanager
def transformers_muted() -> Iterator[None]:
    """Suppress transformers' reports, progress bars and warnings."""
    from transformers.utils import logging as transformers_logging

    logger = logging.getLogger("transformers")
    level, bars = logger.level, transformers_logging.is_progress_bar_enabled()
    logger.setLevel(logging.ERROR)
    if bars:
        transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        if bars:
            transformers_logging.enable_progress_bar()


@contextmanager
def errors_only(logger: logging.Logger) -> Iterator[None]:
    """Let a logger print errors only."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def standard_error_muted() -> Iterator[None]:
    """Hold back what native code writes to standard error; print it after a failure."""
    try:
        original = os.dup(_STANDARD_ERROR)
    except OSError:  # it is closed
        yield
        return
    with TemporaryFile() as output:
        os.dup2(output.fileno(), _STANDARD_ERROR)
        try:
            yield
        except BaseException:
            output.seek(0)
            os.write(original, output.read())
            raise
        finally:
            os.dup2(original, _STANDARD_ERROR)
            os.close(original)
