"""What an experiment on operators learns from: a problem of the library, or what stands in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import xarray as xr


class Source(Protocol):
    """Samples of functions, on coarser grids too, and what of them is the input and the target of an operator."""

    @property
    def name(self) -> str: ...

    def dataset(
        self, samples: int, seed: int = 0, resolution: int | None = None, *, split: Any = "train", **options: Any
    ) -> xr.Dataset: ...

    def restrict(self, dataset: xr.Dataset, resolution: int) -> xr.Dataset: ...

    def operator_view(self, dataset: xr.Dataset) -> xr.Dataset: ...
