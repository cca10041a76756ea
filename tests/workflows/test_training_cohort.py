"""Which photos a training is given: what consents allow, in workspaces and in tables; what is dropped is said."""

from __future__ import annotations

import datetime as dt
import os
import shutil

import numpy as np
import pytest

from deciface.errors import InputError, NothingFoundError, ProcessError
from deciface.store import Workspace
from deciface.workflows.importing import import_table
from deciface.workflows.training_cohort import CohortPhotos, Withheld, is_workspace, read_cohort
from deciface.workflows.training_photos import cut_photos

ON = dt.date(2026, 6, 1)
CONSENTS = {  # by the number of the person: what the table says of real people
    "1": "care;reference gallery",
    "2": "care",
    "3": "",
}


@pytest.fixture
def stated(small_cohort, tmp_path):
    """The simulated photos, three of them said to be of people who exist, with their consents."""

    def write(*, consents=CONSENTS, extra=""):
        head, *rows = small_cohort.cases.read_text(encoding="utf-8").splitlines()
        lines = [f"{head},consent"]
        for row in rows:
            who = row.split(",")[1][-1]
            cells = row.removesuffix(",yes") + (",no" if who in consents else ",yes")
            lines.append(f"{cells},{consents.get(who, '')}")
        path = tmp_path / "cases.csv"
        path.write_text(
            "\n".join([*lines, *([extra] if extra else [])]).replace("photos/", f"{small_cohort.folder}/photos/")
        )
        return path

    return write


def test_a_table_that_states_consents_is_taken_at_its_word(stated):
    found = read_cohort(stated(), on=ON)
    assert [photo.patient.id[-1] for photo in found.photos] == ["1", "4", "5", "6", "7", "8"]
    assert found.withheld == Withheld(2, 2)
    assert found.remarks == ("2 photos of 2 people not used: their consents do not allow the reference gallery",)


def test_a_table_that_states_none_is_used_as_it_is(stated):
    found = read_cohort(stated(consents={"1": "", "2": ""}), on=ON)
    assert len(found.asked) == 8
    assert found.remarks == ()


def test_a_workspace_keeps_to_its_consents_whatever_lies_in_it(stated, model_store, tmp_path):
    root, table = tmp_path / "workspace", stated()
    with Workspace.create(root) as workspace:
        import_table(table, workspace, store=model_store)
    shutil.copy(table, root / "cases.csv")
    assert is_workspace(root)
    found = read_cohort(root, on=ON)
    assert found.withheld == Withheld(1, 1), "of care alone; of whom nothing was agreed to no photo was stored"
    assert len(found.asked) == 6


def test_withheld_photos_and_dropped_rows_go_on_to_the_run(stated, model_store):
    found = read_cohort(stated(extra="photos/x.jpg,,SIM-01,x,x,3,male,,,no,,no,"), on=ON)
    assert len(found.dropped_rows) == 1
    assert "row dropped" in found.dropped_rows[0]
    assert found.remarks[1].startswith("1 row of the table not used, the first: cases.csv, row 10")
    some = CohortPhotos(found.asked[:2], found.source, found.withheld, found.dropped_rows)
    cut = cut_photos(some, Mean(), store=model_store)
    assert cut.not_used == (str(found.withheld), *found.dropped_rows)


def test_nobody_left_says_why(stated):
    everybody = {str(number): "care" for number in range(1, 9)}
    with pytest.raises(
        NothingFoundError, match=r"has no photo to train on \(8 photos of 8 people not used: their cons"
    ):
        read_cohort(stated(consents=everybody), on=ON)


def test_the_digest_follows_labels_and_files(small_cohort, tmp_path):
    plain = read_cohort(small_cohort.folder, on=ON)
    copy = tmp_path / "copy"
    shutil.copytree(small_cohort.folder, copy)
    assert read_cohort(copy, on=ON).digest == plain.digest
    table = copy / "cases.csv"
    table.write_text(table.read_text().replace("SIM-05", "SIM-09"))
    assert read_cohort(copy, on=ON).digest != plain.digest
    photo, file = plain.asked[0]
    other = CohortPhotos([(photo, file.read_bytes() + b"x"), *plain.asked[1:]], plain.source)
    assert other.digest != plain.digest


class Mean:
    """The mean colour of a face's photo."""

    def __call__(self, pyramid, face):
        return np.full((1, 1, 3), 7, np.uint8)


class Killed:
    """Ends its process as an operating system without memory would."""

    def __call__(self, pyramid, face):
        os._exit(9)


def test_a_process_that_was_killed_is_one_line_and_no_waiting(small_cohort, model_store):
    with pytest.raises(ProcessError, match="a process that did a part of the work was ended, perhaps for want"):
        cut_photos(read_cohort(small_cohort.folder, on=ON), Killed(), store=model_store)


def test_a_folder_that_is_no_cohort_says_both_things_that_would_do(tmp_path):
    with pytest.raises(
        InputError,
        match=r"has no cases\.csv or cases\.xlsx and is not a workspace \(no deciface\.toml, .*by: deciface init",
    ):
        read_cohort(tmp_path, on=ON)
