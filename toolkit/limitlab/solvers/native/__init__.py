"""Solves of symbolic fields as machine code, eight trajectories in the lanes of vector registers.

What a person types, and what the catalogue holds, is known as formulas. Where no gradient is asked for, a solve of such
a field needs no tensors at all: the program that makes its torch operations is emitted as instructions instead, with
the stages of the method, the error and the next step around it. A loop lets samples into the lanes and out of them.

| module | idea |
|---|---|
| listing | a program as data |
| choice | whether a solve can be made so, and why not |
| arithmetic, operations | vectors of doubles; each operation of a program |
| field, stages, rosenbrock, esdirk, attempts | the slope; stages of each kind; an attempt and the step after it |
| machine | LLVM |
| frame, driver, log, solve | where numbers lie; the loop around an attempt, in numba; its log; the whole |

Uniform steps of stochastic equations are made of the same arithmetic: `limitlab.solvers.sde.native`.
Nothing is generated as source text and nothing is evaluated. A new field takes tenths of a second to compile; the loop
is compiled once for all fields, and kept on disk.
"""
