"""What somebody else adds to limitlab: each module holds a row that pyproject.toml offers as an entry point."""
