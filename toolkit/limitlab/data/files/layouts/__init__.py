"""One module a layout: how it is told by its structure, and what its arrays mean."""
