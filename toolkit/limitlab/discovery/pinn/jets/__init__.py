"""Layers that hand on derivatives.

| module | idea |
|---|---|
| layers | jets as streams; linear layers, activations and gates on them, in torch |
| stack | several layers as one node of the tape, by machine code where nothing differentiates twice |
| panels | the machine code of these layers: a few points go through all of them before the next ones do |
| rows | panels of points in memory |
| products | products of matrices whose columns lie in such panels |
| tanh | the activation of a panel, and its gradient |
"""
