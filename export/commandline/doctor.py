"""Examine this machine: installed packages, lanes, memory, disk, and what is missing."""

import platform
import shlex
import shutil
import sys
from importlib import metadata
from pathlib import Path

from export.commandline.console import make_console
from export.lanes import LANES, find_lane, lanes_folder, leftovers
from export.lanes.watch import bytes_below
from export.report.file import PACKAGES
from export.runtimes.tensorrt import NVIDIA
from export.wording import size

GB = 1e9


def examine() -> dict:
    """Return findings as plain data: `machine`, `packages`, `lanes` and `leftovers` of lanes."""
    import psutil

    memory = psutil.virtual_memory()
    folder = lanes_folder()
    above = next(path for path in (folder, *folder.parents) if path.exists())
    return {
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "python": f"{platform.python_version()} at {sys.executable}",
            "processors": psutil.cpu_count(),
            "memory_gb": round(memory.total / GB, 1),
            "memory_available_gb": round(memory.available / GB, 1),
            "disk_free_gb": round(shutil.disk_usage(Path.cwd()).free / GB, 1),
            "nvidia_driver": NVIDIA.exists(),
            "lanes_folder": str(folder),
            "lanes_disk_free_gb": round(shutil.disk_usage(above).free / GB, 1),
        },
        "packages": {package: _version(package) for package in PACKAGES},
        "lanes": [
            {
                "name": state.lane.name,
                "purpose": state.lane.purpose,
                "status": state.status,
                "why": state.why,
                "fix": state.fix,
            }
            for state in map(find_lane, LANES)
        ],
        "leftovers": [{"folder": str(path), "bytes": bytes_below(path)} for path in leftovers()],
    }


def print_findings(findings: dict) -> None:
    """Print findings for people."""
    from rich.markup import escape

    console, colours = (
        make_console(soft_wrap=True),
        {"ready": "green", "possible": "yellow"},
    )
    for title in ("machine", "packages"):
        console.print(f"[bold]{title}[/]")
        for name, value in findings[title].items():
            console.print(f"  {name.replace('_', ' '):<22}{_printed(value)}")
    console.print("[bold]lanes[/]")
    for lane in findings["lanes"]:
        colour = colours.get(lane["status"], "red")
        console.print(f"  {lane['name']}  {lane['purpose']}: [{colour}]{lane['status']}[/]")
        console.print(f"    {escape(lane['why'])}")
        if lane["fix"]:
            console.print(f"    what to do: {escape(lane['fix'])}")
    for left in findings["leftovers"]:
        folder = escape(left["folder"])
        console.print(
            f"  {folder} has {size(left['bytes'])} that this version of the toolkit does not use; "
            f"if no other one does, delete it: rm -r {escape(shlex.quote(left['folder']))}"
        )


def _printed(value) -> str:
    from rich.markup import escape

    return "missing" if value is None else escape(str(value))


def _version(package: str) -> str | None:
    for name in (package, f"{package}-cpu"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None
