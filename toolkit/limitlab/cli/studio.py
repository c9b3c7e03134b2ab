"""`limitlab studio`: one studio as a page without code, by Voila, on a loopback port, for whoever has its token."""

from __future__ import annotations

import argparse
import importlib.util
import json
import secrets
import tempfile
import webbrowser
from pathlib import Path
from typing import Any

from limitlab.errors import check_number, one_of

ADDRESS = "127.0.0.1"
CELL = """from limitlab_widgets.shared.serving import studio_kind

studio_kind({name!r})()"""


def serve(options: argparse.Namespace) -> int:
    """Serve the studio until it is interrupted; prints its address."""
    name = one_of("studio", options.studio, names())
    port = {} if options.port is None else {"port": int(check_number("--port", options.port, low=1, high=65535))}
    # a port that was asked for is that one or none
    retries = {"port_retries": 0} if port else {}
    with tempfile.TemporaryDirectory(prefix="limitlab-studio-") as folder:
        notebook = Path(folder) / f"{name}.ipynb"
        notebook.write_text(json.dumps(_notebook(name)), encoding="utf-8")
        server = _server()(
            notebook_path=str(notebook),
            connection_dir_root=folder,
            token=secrets.token_urlsafe(24),
            # for our own launch_browser, which knows the port and prints the address
            open_browser=True,
            **port,
            **retries,
        )
        server.visible = not options.no_browser
        server.initialize([])
        server.start()
    return 0


def names() -> tuple[str, ...]:
    """Names of the studios: the packages of limitlab_widgets that have one; none of them is imported."""
    spec = importlib.util.find_spec("limitlab_widgets")
    places = spec.submodule_search_locations if spec is not None else None
    found = (path.parent.name for place in places or () for path in Path(place).glob("*/studio.py"))
    return tuple(sorted(name for name in found if name != "shared"))


def _notebook(name: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": "code", "execution_count": None, "id": "studio", "metadata": {}, "outputs": []}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "title": f"limitlab: {name}"}
    return {
        "cells": [{**cell, "source": CELL.format(name=name)}],
        "metadata": metadata,
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _server() -> Any:
    """Voila, which answers nobody without the token, and whose settings no file of this machine changes."""
    import logging

    from tornado.web import HTTPError
    from voila.app import Voila
    from voila.voila_identity_provider import VoilaIdentityProvider

    class TokenOnly(VoilaIdentityProvider):
        """No form to log in: the address holds the token, and the browser keeps a cookie."""

        async def get_user(self, handler: Any) -> Any:
            user = await self._get_user(handler)
            if user is None:
                # the page of the error asks for it again
                handler.current_user = None
                raise HTTPError(403, "the address that `limitlab studio` printed opens this page: it has a token")
            return user

        def get_handlers(self) -> list[Any]:
            return []

    class Server(Voila):
        visible = True

        def __init__(self, **settings: Any) -> None:
            super().__init__(
                ip=ADDRESS,
                identity_provider_class=TokenOnly,
                config_file_paths=[],
                log_level=logging.ERROR,
                **settings,
            )

        def launch_browser(self) -> None:
            address = f"http://{ADDRESS}:{self.port}/?token={self.token}"
            print(f"{address}\nCtrl-C ends it", flush=True)
            if self.visible:
                webbrowser.open(address)

    return Server
