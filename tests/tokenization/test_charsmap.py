"""SentencePiece's character maps: reading, writing and the refusal of malformed maps."""

from __future__ import annotations

import base64
import struct
import subprocess
import sys

import pytest
import tensorflow as tf
from tokenizers.normalizers import Precompiled

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization import charsmap
from diglot.tokenization.builders import build_normalizer
from diglot.tokenization.charsmap import read_charsmap, write_charsmap


def encoded(precompiled: bytes) -> dict[str, str]:
    """The section of a file with this map."""
    return {
        "type": "Precompiled",
        "precompiled_charsmap": base64.b64encode(precompiled).decode(),
    }


def circular_map() -> bytes:
    """A map of 2 KB. Each of its 243 labels leads back to the same children."""
    units = [0] * 512
    units[0] = 256 << 10
    for label in range(256):
        units[256 + label] = (label << 10) | label
    return struct.pack(f"<{len(units) + 1}I", 4 * len(units), *units) + b"\0"


def test_a_map_is_read_as_it_was_written() -> None:
    replacements = {"a": "b", "ab": "", "é": "e\u0301", "\U0001f600": ":)", "\uac00": "a"}
    assert read_charsmap(write_charsmap(replacements)) == replacements


def test_keys_of_more_than_five_bytes_are_left_out() -> None:
    replacements = {"abcde": "five", "abcdef": "six", "ééa": "five"}
    short = {"abcde": "five", "ééa": "five"}
    assert read_charsmap(write_charsmap(replacements)) == short


def test_equal_subtrees_can_be_stored_once() -> None:
    """As in Darts-clone, "a", "b" and "c" have the same children: the acute accent."""
    units = [0] * 1280
    units[0] = 256 << 10
    for label in b"abc":
        units[256 + label] = ((256 + label) ^ 512) << 10 | label
    first, second = "\u0301".encode()
    units[512 + first] = ((512 + first) ^ 768) << 10 | first
    units[768 + second] = ((768 + second) ^ 1024) << 10 | 1 << 8 | second
    units[1024] = 1 << 31
    precompiled = struct.pack(f"<{len(units) + 1}I", 4 * len(units), *units) + b"y\0"
    letters = ["a\u0301", "b\u0301", "c\u0301"]
    library = Precompiled(precompiled)
    assert [library.normalize_str(letter) for letter in letters] == ["y"] * 3
    assert read_charsmap(precompiled) == dict.fromkeys(letters, "y")


def test_a_trie_that_leads_back_into_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="trie of 512 units has more than 8192 nodes"):
        read_charsmap(circular_map())
    with pytest.raises(TokenizerNotSupportedError, match="leads back into itself"):
        build_normalizer(encoded(circular_map()))


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is limited on Linux")
def test_a_trie_that_leads_back_into_itself_takes_little_memory() -> None:
    script = f"""
import importlib.util, resource, sys
spec = importlib.util.spec_from_file_location("charsmap", {charsmap.__file__!r})
charsmap = importlib.util.module_from_spec(spec)
spec.loader.exec_module(charsmap)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**27, used + 2**27))
try:
    charsmap.read_charsmap({circular_map()!r})
except ValueError:
    sys.exit(42)
"""
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert process.returncode == 42, process.stderr.decode()


@pytest.mark.parametrize(
    "precompiled",
    [b"", b"\x00\x01\x00\x00", write_charsmap({"a": "b"})[:-300], write_charsmap({"a": "b"})[:8]],
    ids=["empty", "no trie", "cut off", "cut short"],
)
def test_malformed_maps_are_refused(precompiled: bytes) -> None:
    with pytest.raises(TokenizerNotSupportedError, match="precompiled_charsmap cannot be read"):
        build_normalizer(encoded(precompiled))


def test_a_short_cluster_becomes_what_its_first_character_becomes() -> None:
    normalizer = build_normalizer(encoded(write_charsmap({"a": "x", "é": ""})))
    # With two marks of two bytes each, the cluster has five bytes; with three, it is too long.
    texts = normalizer(tf.constant(["a\u0301\u0302b", "a\u0301\u0302\u0303", "éa"])).numpy()
    assert [text.decode() for text in texts] == ["xb", "x\u0301\u0302\u0303", "x"]
