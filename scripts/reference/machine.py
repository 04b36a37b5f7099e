"""What the benchmark ran on: processor, memory, system, versions."""

import importlib.metadata
import json
import os
import platform
import subprocess

CPU_FIELDS = ("Model name", "CPU family", "Model", "CPU(s)", "Thread(s) per core", "L1d", "L2", "L3")
INSTRUCTION_SETS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve")
PACKAGES = ("torch", "learn2learn", "higher", "torchopt", "jax", "jaxlib", "numpy")


def output(*command, cwd=None):
    """Standard output of a command, "" where it fails."""
    try:
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def lscpu():
    """lscpu's fields by name."""
    def walk(entries):
        for entry in entries:
            yield entry["field"].rstrip(":").removesuffix(" cache"), entry.get("data") or ""
            yield from walk(entry.get("children", []))
    return dict(walk(json.loads(output("lscpu", "-J") or '{"lscpu": []}')["lscpu"]))


def hardware(device):
    """[(what, value)]"""
    cpu = lscpu()
    rows = [(field, cpu[field]) for field in CPU_FIELDS if field in cpu]
    flags = cpu.get("Flags", "").split()
    rows.append(("Instruction sets", ", ".join(name for name in INSTRUCTION_SETS if name in flags)))
    rows.append(("CPUs used", str(len(os.sched_getaffinity(0)))))
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    rows.append(("Memory", f"{gibibytes:.0f} GiB"))
    if device != "cpu":
        import torch
        rows.append(("GPU", f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"))
    return rows


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # learn2learn is unpacked, not installed
        return getattr(__import__(package), "__version__", "unknown")


def versions(root, names):
    """[(what, version)] of this program, the system, and the packages that the peers `names` need."""
    revision = output("git", "rev-parse", "--short=12", "HEAD", cwd=root) or "unknown"
    if output("git", "status", "--porcelain", "--untracked-files=no", cwd=root):
        revision += " with changes"
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    rows = [("ufo-maml", revision), ("System", f"{system}, Linux {platform.release()}"),
            ("Python", platform.python_version())]
    prefixes = ("torch", "numpy", *(name.split("-")[0] for name in names))
    return rows + [(package, version(package)) for package in PACKAGES if package.startswith(prefixes)]
