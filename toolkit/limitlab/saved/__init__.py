"""Models in files: one safetensors file that holds weights, class, arguments and problem, and no code."""

from limitlab.saved.classes import class_of, name_of
from limitlab.saved.model import About, Saved, about, load, save
from limitlab.saved.tensors import DamagedFile

__all__ = ["About", "DamagedFile", "Saved", "about", "class_of", "load", "name_of", "save"]
