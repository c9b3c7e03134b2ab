"""One module a format of files: which endings it has, and how its arrays are read. Nothing of a pickle is executed."""
