"""Every studio has a name, by which a page that holds nothing else finds it."""

import limitlab_widgets
from limitlab.cli.studio import names
from limitlab_widgets.shared.serving import studio_kind


def test_every_studio_is_found_by_the_name_of_its_package():
    kinds = {kind for name, kind in vars(limitlab_widgets).items() if name.endswith("Studio")}
    assert {studio_kind(name) for name in names()} == kinds
    assert len(names()) == len(kinds)
