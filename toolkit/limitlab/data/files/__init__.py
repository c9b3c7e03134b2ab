"""Files of a reader's own as labelled datasets: a format says how a file is read, a layout what its arrays mean.

A module of `formats` or `layouts` with a `ROW` adds one.
"""

from limitlab.data.files.reading import open
from limitlab.data.files.series_files import open_series

__all__ = ["open", "open_series"]
