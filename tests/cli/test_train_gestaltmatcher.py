"""Options of `deciface train gestaltmatcher` that cannot be: said in one line, before any photo is opened."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from deciface.cli.train_gestaltmatcher import gestaltmatcher
from deciface.errors import DeciFaceError

app = typer.Typer()
app.command()(gestaltmatcher)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--id", "../../x"], "--id '../../x'; allowed are 2 to 63 small letters, digits, '-' or '_'"),
        (["--id", "dlib-resnet"], "--id 'dlib-resnet' is a model that DeciFace knows already; name another"),
        (["--device", "banana"], "device 'banana' is not here; PyTorch finds cpu"),
        (["--patience", "0"], "patience = 0; a whole number of at least 1 is allowed"),
        (["--epochs", "0"], "stage 'all layers': 0 epochs"),
        (["--rate", "nan"], "stage 'all layers': 30 epochs at learning rate nan"),
        (["--head-epochs", "0"], "stage 'last layer': 0 epochs"),
        (["--folds", "2"], "2 folds; at least 3 are needed"),
        (["--batch", "0"], "batch = 0; at least 2 photos"),
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


@pytest.mark.parametrize("options", [["--seed", "-4"], ["--threads", "0"]])
def test_numbers_out_of_range_are_refused_as_usage(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["nowhere.csv", "-o", "run", *options])
    assert done.exit_code == 2
    assert options[0] in done.output
    assert not list(tmp_path.iterdir())
