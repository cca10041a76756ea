"""GA4GH Phenopackets v2, out: a folder with one file a case, or one file with a case a line.

What a phenopacket cannot hold goes into a sidecar ``NAME.deciface.json`` beside it, which the importer takes up: what
is written is read back at once with the importer's own eyes, and every field that differs is kept there. So exporting
and importing gives equal cases, whatever is in them.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from deciface import __version__
from deciface.cases import Case
from deciface.errors import InputError
from deciface.formats.exchange import Written
from deciface.formats.phenopackets_packet import packet_of
from deciface.formats.phenopackets_record import read_packet
from deciface.formats.phenopackets_shape import Record, shown
from deciface.formats.phenopackets_sidecar import SUFFIX, difference, sha256_of, sidecar_bytes, sidecar_path
from deciface.formats.whole_folder import refuse_existing, whole_folder
from deciface.whole_files import write_whole

_LINES = (".jsonl", ".jsonl.gz")
_LONGEST_NAME = 100


class PhenopacketsExporter:
    """Writes GA4GH Phenopackets v2.

    Parameters
    ----------
    clock
        Gives the time of writing, with its time zone.
    created_by
        Who writes, for ``metaData.createdBy``.
    versions
        Releases of vocabularies by prefix (``{"HP": "2025-03-03"}``), as far as they are known.
    """

    name = "phenopackets"

    def __init__(
        self,
        clock: Callable[[], dt.datetime],
        *,
        created_by: str = f"DeciFace {__version__}",
        versions: Mapping[str, str] | None = None,
    ) -> None:
        self._clock = clock
        self._created_by = created_by
        self._versions = dict(versions or {})

    def paths(self, target: Path) -> tuple[Path, ...]:
        """The file and its sidecar, or the folder."""
        lines = target.name.casefold().endswith(_LINES)
        return (target, sidecar_path(target)) if lines else (target,)

    def write(self, cases: Sequence[Case], target: Path) -> Written:
        """Write one phenopacket a line into ``*.jsonl`` or ``*.jsonl.gz``, else one file a case into a new folder.

        Raises
        ------
        StorageError
            The target or its sidecar exists already, or cannot be written.
        InputError
            A case has no usable id, shares it with another, or holds text that is no Unicode.
        """
        _check_ids(cases)
        created = self._clock()
        made = [_Packet(case, self._packet(case, created)) for case in cases]
        losses = Counter(field for packet in made for field in packet.entry)
        write = _write_lines if target.name.casefold().endswith(_LINES) else _write_folder
        files = write(made, target)
        return Written(
            files, tuple(f"{field} of {n} cases: in the sidecar only" for field, n in sorted(losses.items()))
        )

    def _packet(self, case: Case, created: dt.datetime) -> dict[str, Any]:
        return packet_of(case, created=created, created_by=self._created_by, versions=self._versions)


class _Packet:
    """One case as bytes, and what they do not hold."""

    def __init__(self, case: Case, packet: Mapping[str, Any]) -> None:
        self.id = case.id
        try:
            self.content = orjson.dumps(packet)
            back = orjson.loads(self.content)
            read = read_packet(Record("", 1), back)
            self.entry: dict[str, Any] = difference(case, read[0]) if read else {}
            self.sidecar = {self.id: {"sha256": sha256_of(back), **self.entry}} if self.entry else {}
            orjson.dumps(self.sidecar)
        except orjson.JSONEncodeError as error:
            raise InputError(f"case {shown(case.id)} cannot be written as JSON ({error}); correct its text") from error

    @property
    def indented(self) -> bytes:
        """As a file that people read."""
        return orjson.dumps(orjson.loads(self.content), option=orjson.OPT_INDENT_2) + b"\n"


def _check_ids(cases: Sequence[Case]) -> None:
    seen: set[str] = set()
    for case in cases:
        if not case.id.strip() or not case.id.isprintable():
            raise InputError(f"case {shown(case.id)} has no id that a phenopacket can have; give it one line of text")
        if case.id in seen:
            raise InputError(f"case {shown(case.id)} is there twice; export each case once")
        seen.add(case.id)


def _write_lines(packets: Sequence[_Packet], target: Path) -> tuple[Path, ...]:
    beside = sidecar_path(target)
    refuse_existing(target, beside)
    content = b"".join(packet.content + b"\n" for packet in packets)
    if target.name.casefold().endswith(".gz"):
        content = gzip.compress(content, compresslevel=6, mtime=0)
    entries: dict[str, Any] = {}
    for packet in packets:
        entries |= packet.sidecar
    if not entries:
        write_whole(target, content)
        return (target,)
    write_whole(beside, sidecar_bytes(entries))
    try:
        write_whole(target, content)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return (target, beside)


def _write_folder(packets: Sequence[_Packet], target: Path) -> tuple[Path, ...]:
    names: list[str] = []
    with whole_folder(target) as folder:
        taken: set[str] = set()
        for packet in packets:
            stem = _file_stem(packet.id, taken)
            (folder / f"{stem}.json").write_bytes(packet.indented)
            names.append(f"{stem}.json")
            if packet.sidecar:
                (folder / f"{stem}{SUFFIX}").write_bytes(sidecar_bytes(packet.sidecar))
                names.append(f"{stem}{SUFFIX}")
    return tuple(target / name for name in names)


def _file_stem(case_id: str, taken: set[str]) -> str:
    """Name a file after a case on any file system: other characters become ``_`` and a hash keeps names apart."""
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", case_id)[:_LONGEST_NAME]
    if stem != case_id or stem.casefold() in taken:
        stem += "-" + hashlib.sha256(case_id.encode()).hexdigest()[:12]
    taken.add(stem.casefold())
    return stem
