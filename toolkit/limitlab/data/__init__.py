"""From a problem to labelled, cached samples to batches of tensors."""

from limitlab.data.arrays import from_arrays, pairs
from limitlab.data.batches import Batches, ShuffledRows, batches
from limitlab.data.files import open, open_series
from limitlab.data.generation import NonFiniteSample, generate
from limitlab.data.series import Series, series
from limitlab.data.sources.antiderivatives import antiderivatives
from limitlab.data.sources.oscillators import damped_oscillators
from limitlab.data.sources.shipped import DataMissing, digits, hudson_bay
from limitlab.data.sources.shipped_series import basic_motions, japanese_vowels
from limitlab.data.sources.spirals import paced_spirals, spirals
from limitlab.data.sources.ts_format import read_ts
from limitlab.data.statistics import ChannelStatistics
from limitlab.data.store import CacheDamaged, CacheUnwritable, home
from limitlab.data.windows import windows
from limitlab.data.workers import dask_client

__all__ = [
    "Batches",
    "CacheDamaged",
    "CacheUnwritable",
    "ChannelStatistics",
    "DataMissing",
    "NonFiniteSample",
    "Series",
    "ShuffledRows",
    "antiderivatives",
    "basic_motions",
    "batches",
    "damped_oscillators",
    "dask_client",
    "digits",
    "from_arrays",
    "generate",
    "home",
    "hudson_bay",
    "japanese_vowels",
    "open",
    "open_series",
    "paced_spirals",
    "pairs",
    "read_ts",
    "series",
    "spirals",
    "windows",
]
