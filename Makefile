# The whole workflow. Everything runs in .venv, which is made from the locked requirements on first use.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check format lock clean

demo: $(READY)  ## a song on this machine: no key, no network
	@$(BIN)/receiver demo

test: $(READY)  ## everything that must pass
	$(BIN)/pytest

check: $(READY)  ## style, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(READY): requirements.txt requirements-dev.txt pyproject.toml
	@echo "making .venv (once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock: ## pin what pyproject.toml asks for; needs uv
	uv pip compile pyproject.toml --group dev --all-extras --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q -o requirements-dev.txt
	uv pip compile pyproject.toml --extra postgres --extra s3 --universal --python-version 3.11 --no-header --no-annotate -q -c requirements-dev.txt -o requirements.txt
	echo "." >> requirements.txt

clean:
	rm -rf .venv
