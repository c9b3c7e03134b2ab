"""Where functions live: grids, domains, transforms, differences, norms, random fields; paths and log-signatures."""

from limitlab.spaces import domains
from limitlab.spaces.differences import block_average, finite_difference
from limitlab.spaces.fields import gaussian_field
from limitlab.spaces.grid import Axis, AxisKind, Grid
from limitlab.spaces.norms import lp_norm, relative_l2, relative_lp, relative_sobolev, sobolev_norm
from limitlab.spaces.paths.control import ControlPath, Interpolation, control_path
from limitlab.spaces.paths.signatures import (
    compose_log_signatures,
    log_signature,
    log_signature_path,
    log_signature_size,
)
from limitlab.spaces.transforms import (
    cosine_transform,
    dealias_mask,
    derivative_symbol,
    fourier,
    inverse_cosine_transform,
    inverse_fourier,
    inverse_sine_transform,
    sine_transform,
    spectral_derivative,
    spectral_resample,
    wavenumbers,
)

__all__ = [
    "Axis",
    "AxisKind",
    "ControlPath",
    "Grid",
    "Interpolation",
    "block_average",
    "compose_log_signatures",
    "control_path",
    "cosine_transform",
    "dealias_mask",
    "derivative_symbol",
    "domains",
    "finite_difference",
    "fourier",
    "gaussian_field",
    "inverse_cosine_transform",
    "inverse_fourier",
    "inverse_sine_transform",
    "log_signature",
    "log_signature_path",
    "log_signature_size",
    "lp_norm",
    "relative_l2",
    "relative_lp",
    "relative_sobolev",
    "sine_transform",
    "sobolev_norm",
    "spectral_derivative",
    "spectral_resample",
    "wavenumbers",
]
