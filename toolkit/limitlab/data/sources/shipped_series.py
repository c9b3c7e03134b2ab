"""Small real time series that ship with the project, as pairs (train, test) in the split of their source.

The files are those of the source, unchanged but for compression; see the cards in `datasets/`.
"""

from __future__ import annotations

import gzip

from limitlab.data.series import Series
from limitlab.data.sources.shipped import checked
from limitlab.data.sources.ts_format import read_ts

CHECKSUMS = {
    "basic_motions/train.ts.gz": "09be9a114f182a7c67808161de672778aeef8f9eb9963ff67226093ca1bdb621",
    "basic_motions/test.ts.gz": "741a7610041bcd4c054dd3035410a8fddb5d86f70ae2502f674ddbc2ae42b066",
    "japanese_vowels/train.ts.gz": "4da778886d904651f01a3a60e06d11ee0dc4200be43c1b29539f4b3b8bc6b197",
    "japanese_vowels/test.ts.gz": "b7791f09f8d528e40938ca0177d45822969c3bfe81d28426577dfcdc46c53dc9",
}


def basic_motions() -> tuple[Series, Series]:
    """Four activities by a smart watch, ten seconds at 10 Hz: 40 and 40 series of 6 channels x 100 times (in seconds).

    Channels: acceleration and rotation along three axes. Source: Bagnall et al., The UEA multivariate time series
    classification archive (2018). Raises DataMissing.

    >>> ll.data.basic_motions()[0]
    Series(40 samples, 6 channels, 4 classes, 100 times on [0, 9.9]; 0 % missing)
    """
    return _pair("basic_motions", interval=0.1)


def japanese_vowels() -> tuple[Series, Series]:
    """Nine speakers saying /ae/: 270 and 370 series of 12 cepstrum coefficients x 7 to 29 times (in seconds).

    Source: Kudo, Toyama, Shimbo, Japanese Vowels, UCI Machine Learning Repository. Raises DataMissing.

    >>> ll.data.japanese_vowels()[1]
    Series(370 samples, 12 channels, 9 classes, 7 to 29 times on [0, 0.1792]; 0 % missing)
    """
    return _pair("japanese_vowels", interval=0.0064)


def _pair(name: str, interval: float) -> tuple[Series, Series]:
    names = (f"{name}/{part}.ts.gz" for part in ("train", "test"))
    texts = (gzip.decompress(checked(file, CHECKSUMS[file]).read_bytes()).decode() for file in names)
    train, test = (read_ts(text, interval=interval) for text in texts)
    return train, test
