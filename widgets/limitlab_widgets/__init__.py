"""limitlab."""
