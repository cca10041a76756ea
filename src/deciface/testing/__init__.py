"""Conformance suites: what a plug-in must do, ours included.

A plug-in is a class or function named in an entry-point group of its package::

    [project.entry-points."deciface.encoders"]
    my-encoder = "my_package:open_encoder"      # called without arguments, gives a deciface.encoders.Encoder

    [project.entry-points."deciface.detectors"]
    my-detector = "my_package:open_detector"    # called without arguments, gives a deciface.faces.Detector

    [project.entry-points."deciface.importers"]
    my-format = "my_package:MyImporter"         # called without arguments, gives a deciface.formats.exchange.Importer

and its own tests call `check_encoder`, `check_detector`, `check_importer`. They raise AssertionError with what was
expected and found.
"""

from deciface.testing.detectors import check_detector
from deciface.testing.encoders import check_encoder
from deciface.testing.importers import check_importer

__all__ = ["check_detector", "check_encoder", "check_importer"]
