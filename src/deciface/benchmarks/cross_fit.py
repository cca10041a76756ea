"""The networks of a cross-fitted run: for every person the one that never saw them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from deciface.benchmarks.reference import Person
from deciface.errors import InputError, MismatchError, NothingFoundError
from deciface.training.manifest import RUN_FILE


def held_out_of(network: Path) -> set[str]:
    """Whom a network says it never saw: written into the file by the training that made it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    said = session.get_modelmeta().custom_metadata_map.get("held_out", "")
    return set(said.split(",")) - {""}


def parts_that_never_saw(
    people: Sequence[Person], *, variable: str, default: str, model_file: str, command: str
) -> Mapping[str, Path]:
    """By a person's id, the folder of the part that held them out.

    Parameters
    ----------
    people
        Everybody who is tested.
    variable, default
        The environment variable that names the run's folder, and the folder where it does not.
    model_file
        Of each part.
    command
        How such a run is made.

    Raises
    ------
    NothingFoundError
        There is no run, a part is not finished, or somebody was held out by none.
    InputError
        Its manifest cannot be read.
    MismatchError
        A network did not hold out whom the run says.
    """
    folder = Path(os.environ.get(variable, default))
    manifest = folder / RUN_FILE
    if not manifest.is_file():
        raise NothingFoundError(f"'{folder}' holds no run; make it by `{command}` and name it by {variable}")
    try:
        parts = {name: set(part["held_out"]) for name, part in json.loads(manifest.read_text("utf-8"))["parts"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"'{manifest}' cannot be read as a run's manifest; make the run by `{command}`") from error
    of: dict[str, Path] = {}
    for name, held_out in parts.items():
        if not held_out:
            continue
        network = folder / name / model_file
        if not network.is_file():
            raise NothingFoundError(f"'{network}' is not there; finish the run by `{command} --resume`")
        if (never := held_out_of(network)) != held_out:
            raise MismatchError(
                f"'{network}' says itself that it held out {len(never)} people, run.json {len(held_out)}, and "
                "they are not the same; train the parts of one run by one command, in a new folder"
            )
        of |= {held.split("_")[0]: network.parent for held in held_out}
    if missing := sorted({person.id for person in people} - set(of)):
        raise NothingFoundError(f"no fold of '{folder}' held out person {missing[0]}; train on the same photos")
    return of
