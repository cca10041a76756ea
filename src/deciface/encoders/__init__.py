"""Aligned face crops in, unit vectors out: encoders, their views, ensembles."""

from deciface.encoders.dlib_resnet import open_dlib_resnet
from deciface.encoders.geometry import NOT_CLINICAL, Geometry, geometry_card, mesh_on_crop
from deciface.encoders.onnx_encoder import OnnxEncoder
from deciface.encoders.onnx_export import onnx_from_weights
from deciface.encoders.opening import open_encoder
from deciface.encoders.precision import Precision, check_precision, choose_precision
from deciface.encoders.proportions import PROPORTIONS, Proportion
from deciface.encoders.protocol import Encoder
from deciface.encoders.threads import available_cores, threads_for
from deciface.encoders.views import (
    GESTALTMATCHER_VIEWS,
    VIEW_NAMES,
    Ensemble,
    Member,
    encode_views,
    open_ensemble,
    parse_ensemble,
)

__all__ = [
    "GESTALTMATCHER_VIEWS",
    "NOT_CLINICAL",
    "PROPORTIONS",
    "VIEW_NAMES",
    "Encoder",
    "Ensemble",
    "Geometry",
    "Member",
    "OnnxEncoder",
    "Precision",
    "Proportion",
    "available_cores",
    "check_precision",
    "choose_precision",
    "encode_views",
    "geometry_card",
    "mesh_on_crop",
    "onnx_from_weights",
    "open_dlib_resnet",
    "open_encoder",
    "open_ensemble",
    "parse_ensemble",
    "threads_for",
]
