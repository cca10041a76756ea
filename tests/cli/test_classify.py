"""`deciface classify` with what is no model: one line, nothing opened."""

from __future__ import annotations

import json

import pytest
import typer

from deciface.cli.classify import classify
from deciface.errors import ModelError
from tests.encoders.deepgestalts import model_bytes

app = typer.Typer()
app.command()(classify)


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"model\.onnx is no ONNX file; give a file written by `deciface train deep"):
        app([str(tmp_path / "photo.jpg"), "--model", str(tmp_path / "model.onnx")], standalone_mode=False)


@pytest.mark.models
def test_it_prints_one_document_or_lines(tmp_path, model_store, capsys):
    from deciface.photos import write_photo
    from deciface.simulate import AppearanceModel, simulate_face

    face = simulate_face(AppearanceModel.shipped(), 3, sex="female", ancestry="white", size_px=320)
    write_photo(face.pixels, tmp_path / "photo.jpg")
    (tmp_path / "model.onnx").write_bytes(model_bytes())
    given = [str(tmp_path / "photo.jpg"), "--model", str(tmp_path / "model.onnx")]
    app([*given, "--json"], standalone_mode=False)
    document = json.loads(capsys.readouterr().out)
    assert {line["id"] for line in document["suggestions"]} == {"OMIM:1", "OMIM:2", "OMIM:3"}
    app([*given, "--top", "1"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["1", f"{document['suggestions'][0]['score']:.3f}", *lines[1].split()[2:]]
    assert "no probabilities" in lines[2]
