"""Uniform steps of stochastic equations as machine code, eight samples in the lanes of vector registers.

Where drift and diffusion are known as formulas and no gradient is asked for, all steps of a sample need no tensors:
its normals are drawn from the counters of its `BrownianPath`, a block of steps at a time, and stay with its state in
the first cache. The noise is that of the path for the same seed, and the scheme that of `limitlab.solvers.sde.schemes`;
both agree with torch to rounding.

| module | idea |
|---|---|
| choice | whether a solve can be made so, and why not |
| normals | counters mixed into normals |
| fields, schemes | drift and diffusion in the lanes; a step of each scheme |
| code | the loops around a step: groups of samples, draws, steps |
| solve | the whole, block by block |
"""
