# `make lab`, `make report` and `make test` each set everything up first; they need Python 3.11+ and make, nothing else.
PYTHON ?= python3
UV := .tools/bin/uv
RUN := .venv/bin
MAIN_NOTEBOOK := operators/01-fourier-neural-operator
PYTEST := OMP_NUM_THREADS=1 $(RUN)/python -m pytest -n 2 --dist loadfile --durations=20

.PHONY: setup lab report store test quick claims check bench docs clean

setup: .venv/.complete

$(UV):
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv

.venv/.complete: pyproject.toml uv.lock | $(UV)
	$(UV) sync --locked --quiet --compile-bytecode --extra lab --extra symbolic --extra export --extra track --extra docs --extra bench
	touch $@

lab: setup
	$(RUN)/limitlab lab

report: setup
	$(RUN)/limitlab report $(MAIN_NOTEBOOK) --to html

# run a lesson and keep its outputs: make store LESSON=notebooks/neural_des/08-neural-odes.ipynb
store: setup
	PLOTLY_RENDERER=plotly_mimetype $(RUN)/jupyter nbconvert --to notebook --execute --inplace \
		--ExecutePreprocessor.record_timing=False --ExecutePreprocessor.store_widget_state=False $(LESSON)

test: setup
	$(PYTEST) --nbval-lax tests notebooks

# the unit tests alone, without walks through studios and copies of the house
quick: setup
	$(PYTEST) --ignore tests/notebooks --ignore tests/browser -m "not slow" tests

# see that the claims of all lessons that draw, or of one, hold at two seeds, and write that down: half an hour for all
claims: setup
	OMP_NUM_THREADS=1 $(RUN)/python tests/notebooks/claims.py $(LESSON)

check: setup
	$(RUN)/ruff check
	$(RUN)/ruff format --check
	$(RUN)/mypy
	$(RUN)/lint-imports

# all benchmarks in a quarter of an hour on idle cores, one table, and reports/benchmarks.html; what is measured while
# others are at work is printed and not stored
bench: setup
	$(RUN)/python tests/benchmarks/every.py

# the site, from what the lessons and the benchmarks have stored: build/docs/html/index.html, which needs no network
docs: setup
	$(RUN)/python -m limitlab.reports.site --output build/docs

clean:
	rm -rf .venv .tools build reports runs
