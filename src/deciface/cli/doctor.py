"""`deciface doctor`: what is installed, what is missing, how to get it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import typer

from deciface.cli.output import emit
from deciface.errors import DeciFaceError

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+).*?(?:extra == ['\"](?P<extra>[\w-]+)['\"])?$")
_LITTLE_DISK_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Parameters
    ----------
    section
        python, packages, extras, models, machine or folders.
    name, found
        What, and what was found.
    state
        ok; missing, which the main job does without; broken, which it does not.
    remedy
        What to do, or nothing.
    """

    section: str
    name: str
    found: str
    state: Literal["ok", "missing", "broken"] = "ok"
    remedy: str = ""


def doctor(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what is installed, what is missing and how to get it; exit code 2 when the main job cannot run."""
    findings = list(examine())
    runs = not any(finding.state == "broken" for finding in findings)
    emit(
        {"main_job_runs": runs, "findings": [asdict(finding) for finding in findings]},
        "\n".join(_lines(findings, runs=runs)),
        json=json,
    )
    if not runs:
        raise typer.Exit(2)


def examine() -> Iterator[Finding]:
    """Look at Python, packages, extras, models, machine and folders; nothing is changed."""
    yield Finding("python", "python", f"{platform.python_version()} ({sys.executable})")
    yield from _packages()
    yield from _models()
    yield from _machine()
    yield from _folders()


def _packages() -> Iterator[Finding]:
    """Look for the packages of the core, which are needed, and of the extras, which are not."""
    yield Finding("packages", "deciface", metadata.version("deciface"))
    for line in metadata.requires("deciface") or ():
        found = _REQUIREMENT.match(line)
        if found is None:
            continue
        name, extra = found["name"], found["extra"]
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            if extra:
                yield Finding("extras", f"{extra}: {name}", "not installed", "missing", _install(extra))
            else:
                yield Finding("packages", name, "not installed", "broken", "run `pip install --upgrade deciface`")
            continue
        yield Finding("extras", f"{extra}: {name}", version) if extra else Finding("packages", name, version)


def _install(extra: str) -> str:
    return f"run `pip install 'deciface[{extra}]'`"


def _models() -> Iterator[Finding]:
    """Look for each needed detector, mesh and iris, and for one face encoder, with the packages that run them."""
    from deciface.models import Kind, ModelState, ModelStore
    from deciface.models.store import packaged_file

    try:
        statuses = ModelStore().status()
    except DeciFaceError as error:
        yield Finding("models", "store", str(error), "broken", "put that right, then run `deciface doctor` again")
        return
    usable = 0
    for status in statuses:
        card = status.card
        needed = card.required and card.kind is not Kind.FACE_ENCODER
        remedy = "run `deciface models fetch`" if card.source else "give its file: `deciface models fetch --from FILE`"
        if status.state is ModelState.PRESENT:
            # the encoder that ships reads the features it was taught, no more: the main job needs one of whole faces
            usable += card.kind is Kind.FACE_ENCODER and packaged_file(card) is None
            yield Finding("models", card.id, "present")
        else:
            yield Finding("models", card.id, str(status.state), "broken" if needed else "missing", remedy)
    if usable:
        yield Finding("models", "face encoders", f"{usable} present")
    else:
        remedy = "run `deciface models fetch`, or add one by `deciface models add`"
        yield Finding("models", "face encoders", "none", "broken", remedy)


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("machine", "system", f"{platform.system()} {platform.machine()}")
    yield Finding("machine", "cores", str(cores))
    try:
        memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        yield Finding("machine", "memory", "not told by this system")
    else:
        yield Finding("machine", "memory", f"{memory_bytes / 2**30:.1f} GiB")


def _folders() -> Iterator[Finding]:
    from deciface.models import default_root

    folders = {"model store": default_root(), "temporary files": Path(tempfile.gettempdir())}
    if workspace := os.environ.get("DECIFACE_WORKSPACE"):
        folders["workspace"] = Path(workspace)
    for name, folder in folders.items():
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free_bytes = shutil.disk_usage(existing).free
        found = f"{folder}, {free_bytes / 2**30:.1f} GiB free"
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            yield Finding("folders", name, f"{found}, not writable", "missing", "choose a folder you may write to")
        elif free_bytes < _LITTLE_DISK_BYTES:
            yield Finding("folders", name, found, "missing", "free at least 1 GiB")
        else:
            yield Finding("folders", name, found)


def _lines(findings: list[Finding], *, runs: bool) -> Iterator[str]:
    section = ""
    for finding in findings:
        if finding.section != section:
            section = finding.section
            yield section
        mark = {"ok": " ", "missing": "-", "broken": "!"}[finding.state]
        yield f"  {mark} {finding.name}: {finding.found}" + (f"; {finding.remedy}" if finding.remedy else "")
    yield "the main job can run" if runs else "the main job cannot run: see the lines marked '!'"
