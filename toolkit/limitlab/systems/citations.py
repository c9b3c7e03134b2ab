"""BibTeX of what is at hand: a system, an experiment, a run, an operator or another model, a problem, or a name.

A paper that a system comes from is written out in full. Of other sources a docstring or a problem holds what it says
of them, and the entry holds that, with the arXiv identifier where it names one.
"""

from __future__ import annotations

import importlib
import inspect
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from limitlab.errors import InvalidArgument, unknown_name
from limitlab.systems.catalogue import CATALOGUE, SYSTEMS
from limitlab.systems.row import Paper, System

CONFERENCES = ("ICLR", "ICML", "NeurIPS")
ARXIV = re.compile(r"(?<![\d.])(\d{4}\.\d{4,5})(?!\d)")
SENTENCE = re.compile(r"Sources?: (.*?)(?:\n\s*\n|\Z)", re.DOTALL)


def cite(subject: Any) -> str:
    """BibTeX of the sources of a system (its number, its name), an experiment, a run, a model, its class, or a problem.

    One entry a source. Raises UnknownName for a name that is none of these, with the nearest one; InvalidArgument for
    what names no source.

    >>> print(ll.cite("ntk"))
    @inproceedings{jacot2018neural,
      title = {{Neural Tangent Kernel: Convergence and Generalization in Neural Networks}},
      author = {Jacot and Gabriel and Hongler},
      booktitle = {NeurIPS},
      year = {2018},
      eprint = {1806.07572},
      archiveprefix = {arXiv},
      url = {https://arxiv.org/abs/1806.07572}
    }
    >>> ll.cite(ll.operators.MgNO) == ll.cite("mgno") == ll.cite("darcy_mgno")
    True
    """
    if isinstance(subject, str | int) and not isinstance(subject, bool):
        subject = _named(subject)
    if isinstance(subject, System):
        return _entry(subject.paper)
    name = getattr(subject, "system", None) or getattr(subject, "experiment", None)
    if isinstance(name, str) and name:
        return _entry(_named(name).paper)
    source = getattr(subject, "source", None)
    sources = [(str(subject.name), source)] if isinstance(source, str) and source else _of_code(subject)
    entries = list(dict.fromkeys(entry for key, text in sources for entry in _entries(key, text)))
    if not entries:
        raise InvalidArgument(f"{_short(subject)} names no source: cite a system, by its number or its name")
    return "\n\n".join(entries)


def _named(name: str | int) -> Any:
    """What has this name: a system, the system of an experiment, the class of an operator, or a problem."""
    for system in SYSTEMS:
        if name in (system.number, system.name, system.title, system.paper.arxiv, *system.experiments):
            return system
    if isinstance(name, int):
        raise InvalidArgument(f"a system's number must be 1 to {len(SYSTEMS)}; got {name}")
    # torch is loaded only for what the table of systems does not have
    from limitlab.operators import OPERATORS
    from limitlab.problems import get, names

    if name in OPERATORS:
        return OPERATORS[name].model
    if name in names():
        return get(name)
    for system in CATALOGUE.values():
        if name in (system.name, system.title, *system.experiments):
            return system
    experiments = (experiment for system in CATALOGUE.values() for experiment in system.experiments)
    raise unknown_name("subject", name, [*CATALOGUE, *experiments, *OPERATORS, *names()])


def _of_code(subject: Any) -> list[tuple[str, str]]:
    """Sources as the docstrings of a class (or function) and of its module name them, under its name."""
    code = subject if inspect.isclass(subject) or inspect.isroutine(subject) else type(subject)
    module = getattr(code, "__module__", "") or ""
    if not module.startswith("limitlab."):
        return []
    docs: Iterable[str | None] = (code.__doc__, importlib.import_module(module).__doc__)
    return [(code.__name__, " ".join(text.split())) for doc in docs if doc for text in SENTENCE.findall(doc)]


def _entries(key: str, text: str) -> list[str]:
    """An entry for each identifier of arXiv in the text of a source, one for the text where it has none."""
    papers = {system.paper.arxiv: system.paper for system in SYSTEMS}
    found = list(dict.fromkeys(ARXIV.findall(text)))
    if not found:
        return [_bibtex("misc", _key(key, "source"), {"note": _escaped(text)})]
    return [_entry(papers[number]) if number in papers else _noted(number, text) for number in found]


def _entry(paper: Paper) -> str:
    authors = [name.strip() for name in paper.authors.split(",")]
    first_word = next(word for word in re.findall(r"\w+", paper.title) if len(word) > 3)
    fields = {
        "title": f"{{{_escaped(paper.title)}}}",
        # a family name of two words is one name
        "author": " and ".join(f"{{{name}}}" if " " in name else name for name in authors),
    }
    thesis = re.fullmatch(r".*thesis, (.*)", paper.venue)
    journal = re.fullmatch(r"(.*?)(?: (\d+))?", paper.venue)
    if paper.venue in CONFERENCES:
        kind, fields["booktitle"] = "inproceedings", paper.venue
    elif thesis:
        kind, fields["school"] = "phdthesis", thesis[1]
    elif paper.venue == "preprint" or journal is None:
        kind = "misc"
    else:
        kind, fields["journal"] = "article", journal[1]
        fields |= {"volume": journal[2]} if journal[2] else {}
    fields |= {"year": str(paper.year), **_arxiv(paper.arxiv)}
    return _bibtex(kind, f"{_key(authors[0])}{paper.year}{_key(first_word)}", fields)


def _noted(number: str, text: str) -> str:
    return _bibtex("misc", f"arxiv-{number}", {"note": _escaped(text), **_arxiv(number)})


def _arxiv(number: str) -> dict[str, str]:
    return {"eprint": number, "archiveprefix": "arXiv", "url": f"https://arxiv.org/abs/{number}"}


def _bibtex(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}\n}}"


def _key(*words: str) -> str:
    """Words as a key: small letters and digits, without accents."""
    plain = unicodedata.normalize("NFKD", "-".join(words)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9-]", "", plain.lower())


def _escaped(text: str) -> str:
    return re.sub(r"([&%$#_{}])", r"\\\1", text)


def _short(subject: Any) -> str:
    return getattr(subject, "__name__", None) or f"{subject!r:.60}"
