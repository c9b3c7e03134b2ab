"""What the operator studio learns from: a problem at its parameters, or the functions of a reader's file."""

from __future__ import annotations

import dataclasses
from typing import Any

from traitlets import Any as AnyTrait
from traitlets import validate

from limitlab import problems
from limitlab.errors import InvalidArgument, LimitlabError
from limitlab_widgets.operator.goals import LIKE
from limitlab_widgets.operator.own_file import OwnFile
from limitlab_widgets.shared.state import StudioState


class SubjectState(StudioState):
    """A problem, and a file in its place where one was taken."""

    problem = AnyTrait(help="the problem at its parameters, a PDEProblem; a name is looked up")
    # traitlets would let None pass without asking the validator, and takes no such argument for this trait
    problem.allow_none = False
    file = AnyTrait(None, help="functions of a reader in place of the problem, an OwnFile")

    @property
    def subject(self) -> Any:
        """What is learned from: the problem without its values, or the functions of the file."""
        return dataclasses.replace(self.problem, values={}) if self.file is None else self.file.functions

    @property
    def name(self) -> str:
        """The problem's name, or the path of the file."""
        return str(self.problem.name if self.file is None else self.file.path)

    @property
    def title(self) -> str:
        """The same in words."""
        if self.file is not None:
            return str(self.file.functions.name)
        values = ", ".join(f"{name} = {value:.3g}" for name, value in self.problem.values.items())
        return f"{self.problem.title}{f', {values}' if values else ''}"

    def load(self, path: str, **told: Any) -> bool:
        """Take the functions of a file; whether it could be. If not, `error` says why, and all stays as it was.

        told: inputs, targets, dims and kind, as `limitlab.data.open` and `limitlab.data.pairs` take them.
        """
        before = self.error
        try:
            file = OwnFile(path, **told)
            if file.functions.grid.dimension not in LIKE:
                raise InvalidArgument(f"{path} must have one or two axes; got {file.functions.grid.dimension}")
        except LimitlabError as error:
            self.refuse(error)
            return False
        self.file = file
        self.error = "" if self.error == before else self.error
        return True

    @validate("problem")
    def _is_problem(self, proposal: dict[str, Any]) -> problems.PDEProblem:
        value = proposal["value"]
        problem = problems.get(value) if isinstance(value, str) else value
        if not isinstance(problem, problems.PDEProblem) or problem.dimension not in LIKE:
            raise InvalidArgument(f"problem must be a PDE in one or two dimensions; got {problem!r:.80}")
        return problem

    @validate("file")
    def _is_file(self, proposal: dict[str, Any]) -> OwnFile | None:
        if proposal["value"] is not None and not isinstance(proposal["value"], OwnFile):
            raise InvalidArgument(f"file must be an OwnFile; got {proposal['value']!r:.60}")
        return proposal["value"]
