"""How tests are shared among processes: a file in one, but each run of a notebook by itself."""


def pytest_xdist_make_scheduler(config, log):
    """Files whole, as `--dist loadfile` says, but for the tests in which each runs a notebook for a minute."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class NotebooksApart(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return nodeid if nodeid.startswith("tests/notebooks/") else super()._split_scope(nodeid)

    return NotebooksApart(config, log)
