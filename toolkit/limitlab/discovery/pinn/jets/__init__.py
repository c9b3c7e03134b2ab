"""Layers that hand on derivatives.

| module | idea |
|---|---|
| layers | jets as streams; linear layers, activations and gates on them, in torch |
| stack | several layers as one node of the tape, by machine code where nothing differentiates twice |
| tanh | the machine code of an activation |
"""
