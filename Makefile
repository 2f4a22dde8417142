# Two commands: `make demo` and `make test`. Everything else is for people who work on Doorstep.
PYTHON ?= $(shell for name in python3.13 python3 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 13))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin

.PHONY: demo serve test check check-long bench lock clean

.venv/run: requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Doorstep needs Python 3.13 or newer, as python3.13 or python3."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: .venv/run requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

demo: .venv/run          ## replay the page's story and serve it
	@$(BIN)/doorstep messages --compile
	$(BIN)/doorstep demo

serve: .venv/run         ## serve what is in the database
	@$(BIN)/doorstep messages --compile
	$(BIN)/doorstep serve

test: .venv/dev          ## the test suite
	$(BIN)/doorstep messages --compile
	$(BIN)/pytest -n 2

check: .venv/dev         ## everything a change must pass
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy doorstep
	$(BIN)/doorstep check
	$(MAKE) test

check-long: .venv/dev    ## the long checks: crashes by the hundred, bigger races
	$(BIN)/pytest -m "long or not long" -n 2

bench: .venv/dev         ## every benchmark, and the table in docs/benchmarks.md
	$(BIN)/python -m benchmarks

lock:                    ## renew the locked requirements
	uv pip compile pyproject.toml --universal --python-version 3.13 --generate-hashes --no-emit-index-url --no-header -o requirements.txt
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.13 --generate-hashes --no-emit-index-url --no-header -c requirements.txt -o requirements-dev.txt

clean:
	rm -rf var .venv
