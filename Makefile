# Two commands do everything: `make demo` and `make test`. Each sets up .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_ALL := $(VENV)/.installed-all
INSTALLED_DOCS := $(VENV)/.installed-docs

.PHONY: help demo lint test test-slow test-all test-wheel test-lowest docs dist clean

help:
	@echo "make demo      train on scikit-learn's digits and show what comes out (4 minutes)"
	@echo "make test      lint and the fast tests (8 minutes)"
	@echo "make test-all  lint, all tests, all backends (under an hour)"
	@echo "make docs      build the site into build/site (a minute)"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[test,tfgan]"
	touch $@

# The CPU build of PyTorch is small; a bare `torch` may bring gigabytes of CUDA.
$(INSTALLED_ALL): $(INSTALLED_DOCS)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet jax
	$(BIN)/python -m pip install --quiet lightning equinox optax  # of the examples; torchmetrics of the tests
	$(BIN)/python -m pip install --quiet selenium  # opens the site in a browser
	touch $@

$(INSTALLED_DOCS): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	touch $@

demo: $(INSTALLED)
	$(BIN)/balancing-vae demo

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# JAX and PyTorch are hidden, which only the slow tests need.
test: lint
	PYTHONPATH=$(CURDIR)/tests/helpers/without_extras $(BIN)/python -m pytest -m "not slow" -n 2 \
		--dist loadfile

test-slow: $(INSTALLED_ALL)
	$(BIN)/python -m pytest -m slow -n 2

test-all: test test-slow

# The core tests from the built wheel, outside the checkout, on each Python that it names.
test-wheel: $(INSTALLED)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python tools/check_wheel.py 3.11 3.12 3.13

# The same with the oldest versions of its dependencies that pyproject.toml allows.
test-lowest: $(INSTALLED)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python tools/check_wheel.py 3.11 --lowest

# Strict: a link or reference that leads nowhere fails.
docs: $(INSTALLED_DOCS)
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -c docs . build/site

dist: $(INSTALLED)
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
