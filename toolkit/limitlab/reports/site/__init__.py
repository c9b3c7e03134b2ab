"""The site: the course, the reference, a gallery, measured tables and answers to questions, without a network.

`build(root, output)` puts the sources of all pages together (`pages`): the notebooks with the outputs that they have
stored (`lessons`), what the packages list (`reference`), and the pages of `notebooks/site/` with stored tables in the
places of their marks (`marks`). Sphinx turns them into HTML, formulas into MathML (`extension`); every figure is a file
that its page asks for when a reader comes near it. `make docs` does this.

Sphinx with MyST-NB and Furo: all three are Python packages, so that the set-up is the one of everything else; warnings
are errors; and what the packages list is indexed for the search.
"""

from limitlab.reports.site.build import SiteFailed, build
