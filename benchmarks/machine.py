"""Where a run took place: processor, cores, kernel, and how an interpreter was built."""

import json
import os
import platform
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from benchmarks.results import Interpreter, Machine

_ASK = """
import json, platform, sys, sysconfig
print(json.dumps([platform.python_version(), platform.python_implementation(), sys.base_prefix,
    platform.python_compiler(), sysconfig.get_config_var("CONFIG_ARGS") or ""]))
"""

_PACKAGED = ("debian", "ubuntu")
"""Distributions whose Python is optimised though its configure arguments do not say so: debian/rules of python3
calls `make profile-opt`."""


def this_machine() -> Machine:
    """The machine that this runs on."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        kernel=platform.release(),
        system=_system().get("PRETTY_NAME", platform.system()),
    )


@lru_cache
def interpreter(python: str = sys.executable) -> Interpreter:
    """What kind of Python that is."""
    said = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, check=True).stdout
    version, implementation, prefix, compiler, arguments = json.loads(said)
    packaged = prefix == "/usr" and _system().get("ID") in _PACKAGED
    optimised = packaged or "--enable-optimizations" in arguments
    lto = "--with-lto" in arguments
    if packaged:
        build = f"{_system()['ID'].title()}'s optimised build"
    elif optimised:
        build = "built with --enable-optimizations" + (" and LTO" if lto else "")
    else:
        build = "built without --enable-optimizations"
    return Interpreter(
        path=python,
        version=version,
        implementation=implementation,
        build=build,
        compiler=compiler,
        configure_arguments=arguments,
        optimised=optimised,
    )


def _system() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
