"""The first requests of a process may arrive at the same time: threads then use the same types for the first time."""

import subprocess
import sys

PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import msgspec

from issue_tracker.app import create_app
from issue_tracker.settings import Settings
from issue_tracker.struct_types import derived

create_app(Settings(database_url="sqlite:///unused.db"))
structs = sorted(set(derived(msgspec.Struct)), key=str)
assert len(structs) > 300
sys.setswitchinterval(1e-6)
everybody = Barrier(8)

def decode(struct):
    content = msgspec.json.encode(dict.fromkeys(struct.__struct_encode_fields__))
    everybody.wait()
    with suppress(msgspec.MsgspecError, TypeError):
        msgspec.json.decode(content, type=struct)

with ThreadPoolExecutor(everybody.parties) as pool:
    for struct in structs:
        list(pool.map(decode, [struct] * everybody.parties))
print("decoded")
"""
"""Decodes into all types, each in several threads at once, which change all the time."""


def test_several_threads_can_use_types_together() -> None:
    """Types that are not prepared (struct_types.py) end the process with a segmentation fault."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "decoded\n"), done.stderr
