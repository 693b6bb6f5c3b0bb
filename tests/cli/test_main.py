"""The behaviour that all commands share: help, version, errors and exit codes."""

import contextlib
import io
import os
import subprocess
import sys

import pytest

import diglot
from diglot import settings
from diglot.cli import loading, main
from diglot.errors import DiglotError
from diglot.quiet import standard_error_muted

COMMAND = [sys.executable, "-m", "diglot"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["classify", "explain", "config", "info", "--version", "--traceback"]),
        (["-h"], ["Exit codes: 0 for success, 1 for an error, 2 for a wrong use."]),
        (
            ["classify", "--help"],
            [
                *("--input", "--output", "--backend", "--model", "--revision", "--top-k"),
                *("--format", "--column", "--pair-column", "--precision", "--device"),
                *("--batch-size", "--function", "--max-length", "--on-error", "--labels"),
                *("--fresh-head", "--input-format", "--trust-remote-code"),
                *("ends with exit code 0", "A table cuts long texts", "table on a terminal"),
            ],
        ),
        (["explain", "--help"], ["NAME|both", "--max-length"]),
        (["config", "--help"], ["diglot.toml", "DIGLOT_..."]),
        (["info", "--help"], ["--model", "No framework is loaded"]),
    ],
)
def test_help_names_commands_and_options(run, arguments, words):
    result = run(*arguments)

    assert (result.code, result.err) == (0, "")
    plain = " ".join(result.out.replace("│", " ").split())
    for word in words:
        assert word in plain
    assert all(len(line) <= 80 for line in result.out.splitlines())


def test_version(run):
    assert run("--version") == (0, f"diglot {diglot.__version__}\n", "")


def test_a_wrong_command_is_exit_code_2(run):
    result = run("classfy")

    assert (result.code, result.out) == (2, "")
    assert "classfy" in result.err


def test_an_error_is_one_message_on_standard_error(run, tmp_path):
    result = run("classify", "a", "-m", tmp_path / "none")

    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("diglot: there is no directory ")
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("first", [True, False])
def test_the_traceback_can_be_shown(run, monkeypatch, first):
    def fail(**_):
        raise DiglotError("the outer one") from ValueError("the cause")

    monkeypatch.setattr("diglot.settings.load", fail)
    result = run(*(["--traceback", "config"] if first else ["config", "--traceback"]))

    assert result.code == 1
    message, *rest = result.err.splitlines()
    assert message == "diglot: the outer one"
    assert "ValueError: the cause" in rest
    assert "diglot.errors.DiglotError: the outer one" in rest


def test_an_error_of_the_operating_system_is_one_message_too(run, monkeypatch):
    def fail(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("diglot.settings.load", fail)
    assert run("config") == (1, "", "diglot: [Errno 28] No space left on device\n")


def test_a_defect_is_not_hidden(monkeypatch):
    def fail(**_):
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("diglot.settings.load", fail)
    with pytest.raises(ZeroDivisionError):
        main(["config"])


def test_an_interrupt_is_quiet(run, monkeypatch):
    def interrupt(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr("diglot.settings.load", interrupt)
    assert run("config") == (130, "", "")


@pytest.mark.parametrize("layout", ["table", "json"])
def test_a_closed_pipe_is_no_error(layout):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*COMMAND, "config", "--format", layout],
            # Python flushes buffered output at its end.
            env={**os.environ, "PYTHONUNBUFFERED": ""},
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (141, "")


def test_a_pipe_that_closes_before_the_last_flush_is_no_error(monkeypatch, tmp_path):
    class Gone(io.StringIO):
        """A closed pipe, which raises when it is flushed."""

        def flush(self):
            raise BrokenPipeError

        def fileno(self):
            return file.fileno()

    with (tmp_path / "out").open("w") as file:
        monkeypatch.setattr(sys, "stdout", Gone())
        monkeypatch.setattr("typer.echo", sys.stdout.write)
        with pytest.raises(SystemExit) as ended:
            main(["config", "--format", "json"])
        monkeypatch.undo()

    assert ended.value.code == 141


def test_output_is_utf8_in_a_pipe_whatever_the_locale(tmp_path):
    (tmp_path / "diglot.toml").write_text('checkpoint = "日本"\n', encoding="utf-8")
    done = subprocess.run(
        [*COMMAND, "config", "--format", "json"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        check=True,
    )

    assert '"日本"' in done.stdout.decode()


def test_a_terminal_that_lacks_a_character_gets_an_escape(run, tmp_path, monkeypatch):
    (tmp_path / "diglot.toml").write_text('checkpoint = "日本"\n', encoding="utf-8")
    sys.stdout.reconfigure(encoding="latin-1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    assert "\\u65e5\\u672c" in run("config", "--format", "json").out


def test_a_stream_without_an_encoding_is_not_reconfigured():
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream), pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, stream.getvalue()) == (0, f"diglot {diglot.__version__}\n")

    with contextlib.redirect_stdout(stream), pytest.raises(SystemExit) as ended:
        main(["config"])
    assert ended.value.code == 0
    assert "batch_size" in stream.getvalue()


def test_closed_streams_are_no_error():
    command = f"{sys.executable} -m diglot config >&- 2>&-; echo $?"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("0\n", "")


def test_downloads_show_no_bar_in_a_pipe(run, monkeypatch):
    def bars(terminal):
        # Set and unset, so that it is restored after the test.
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "")
        monkeypatch.delenv("HF_HUB_DISABLE_PROGRESS_BARS")
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
        assert run("config").code == 0
        return os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS") != "1"

    assert bars(terminal=True)
    assert not bars(terminal=False)


QUIET = {"TF_CPP_MIN_LOG_LEVEL", "TRANSFORMERS_VERBOSITY", "HF_HUB_DISABLE_PROGRESS_BARS"}


def run_in_a_process(*arguments, **variables):
    environment = {name: value for name, value in os.environ.items() if name not in QUIET}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment | variables,
        check=False,
    )


def test_both_frameworks_are_quiet(tiny):
    """Each prints messages of its own by default."""
    done = run_in_a_process("explain", "a b", "-m", tiny, "--backend", "both")

    assert (done.returncode, done.stderr) == (0, "")
    assert " ".join(done.stdout.split()).startswith(f"{tiny} in torch and {tiny} in tensorflow 1.")
    assert "input_ids: identical" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_tensorflow_is_quiet_if_its_own_variable_asks_for_it(tiny):
    command = ("classify", "a b", "-m", tiny, "--backend", "tensorflow")
    done = run_in_a_process(*command, TF_CPP_MIN_LOG_LEVEL="3")

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("level", "muted"), [(None, True), ("3", True), ("2", True), ("1", False), ("0", False)]
)
def test_tensorflow_is_muted_unless_its_own_variable_asks_for_messages(monkeypatch, level, muted):
    calls = []
    monkeypatch.setattr(
        loading, "standard_error_muted", lambda: calls.append(level) or contextlib.nullcontext()
    )
    # Set first, so that it is restored after the test.
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level or "")
    if level is None:
        monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    loading.import_tensorflow()

    assert bool(calls) == muted
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == (level or "3")


# The settings


@pytest.fixture
def loads(monkeypatch):
    """The calls of ``settings.load``."""
    calls = []
    load = settings.load

    def count(**arguments):
        calls.append(arguments)
        return load(**arguments)

    monkeypatch.setattr(settings, "load", count)
    return calls


@pytest.mark.parametrize(
    "command",
    [
        ["config"],
        ["info"],
        ["classify", "a"],
        ["classify", "a", "--device", "cpu", "--batch-size", "1"],
        ["explain", "a", "--backend", "both"],
        ["trace", "--text", "a"],
    ],
)
def test_a_command_reads_the_settings_once(run, loads, tiny, monkeypatch, command):
    monkeypatch.setenv("DIGLOT_CHECKPOINT", str(tiny))

    assert run(*command).code == 0
    assert len(loads) == 1


def test_check_record_and_export_read_the_settings_once(run, loads, tiny, monkeypatch):
    monkeypatch.setenv("DIGLOT_CHECKPOINT", str(tiny))
    called = []
    for function in (
        "diglot.parity.checks.check",
        "diglot.parity.ledger.record",
        "diglot.serving.exports.export",
    ):

        def stop(checkpoint, *_, **__):
            called.append(checkpoint)
            raise DiglotError("stopped")

        monkeypatch.setattr(function, stop)
    for command in (["check"], ["record", "--to", "a.ledger"], ["export"]):
        run(*command)

    assert called == [str(tiny)] * 3
    assert len(loads) == 3


# Messages of native code on standard error


def test_native_messages_are_kept_from_standard_error(capfd):
    with standard_error_muted():
        os.write(2, b"chatter")
        print("from Python", file=sys.__stdout__)
    os.write(2, b"after")

    assert capfd.readouterr().err == "after"


def test_native_messages_are_shown_after_a_failure(capfd):
    def fail():
        with standard_error_muted():
            os.write(2, b"the reason")
            raise ImportError

    with pytest.raises(ImportError):
        fail()

    assert capfd.readouterr().err == "the reason"


def test_a_closed_standard_error_stays_closed(monkeypatch):
    def closed(_):
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr("diglot.quiet.os.dup", closed)
    with standard_error_muted():
        done = True
    assert done
