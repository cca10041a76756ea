"""Options of `deciface train deepgestalt` that cannot be: said before any photo is opened."""

from __future__ import annotations

import pytest
import typer

from deciface.cli.train_deepgestalt import deepgestalt
from deciface.errors import DeciFaceError

app = typer.Typer()
app.command()(deepgestalt)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kind", "other"], "--kind other; allowed are binary, specialised, multiclass"),
        (["--regions", "face,chin"], "region 'chin'; allowed are face, upper-half, middle"),
        (["--folds", "2"], "2 folds; at least 3 are needed"),
        (["--device", "banana"], "device 'banana' is not here; PyTorch finds cpu"),
        (["--width", "2"], "width 2; from 0.0625 to 1, the network of the record, is allowed"),
        ([], "'nowhere.csv' does not exist; give a case table, a folder with cases.csv, or a workspace"),
    ],
)
def test_impossible_options_are_one_line_and_leave_nothing(options, message, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DeciFaceError) as error:
        app(["nowhere.csv", "-o", "run", *options], standalone_mode=False)
    assert message in str(error.value)
    assert error.value.exit_code == 2
    assert not list(tmp_path.iterdir())
