# Everything here works in a fresh clone with Python 3.10 or newer, pip and make.
# The first command makes .venv and installs what constraints.txt pins; `make clean` takes it away again.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TESTS ?= tests
ROUNDS ?= 15
SCORE ?= $(firstword $(wildcard ../*/score/score.py))
CASES ?= $(firstword $(wildcard ../*/cases/error))

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow check lint types docs docs-check bench score goldens picture table clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,torch]'
	$(BIN)/python -m compileall -q src  # an editable install compiles nothing, and some environments keep Python from it
	@touch $@

demo: $(READY)  ## run gradsan on a training script that fails
	@BIN="$(abspath $(BIN))" examples/demo.sh

test: $(READY)  ## run the tests, except those marked slow
	$(BIN)/python -m pytest -m 'not slow' $(TESTS)
	@echo "not run here: the tests marked slow; make test-slow runs them"

test-slow: $(READY)  ## run the tests marked slow
	$(BIN)/python -m pytest -m slow $(TESTS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

docs: $(READY)  ## write the generated pages of docs/
	$(BIN)/python tools/write_docs.py
	$(BIN)/python tools/write_operations_page.py

table: $(READY)  ## make the operation table of the installed torch, and hold it against the engine
	$(BIN)/python -W ignore -m gradsan.frameworks.torch.table
	$(BIN)/python -W ignore -m gradsan.frameworks.torch.table --verify
	$(BIN)/python tools/write_operations_page.py

docs-check: $(READY)
	$(BIN)/python tools/write_docs.py --check
	$(BIN)/python tools/write_operations_page.py --check

check: lint types docs-check test  ## all that CI asks: lint, types, generated pages, tests

bench: $(READY)  ## measure time, startup and memory under gradsan, and a check; wants a quiet machine
	$(BIN)/python benchmarks/overhead.py --rounds $(ROUNDS)
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/check_speed.py $(VENV)/lib/python3*/site-packages/torch/nn

score: $(READY)  ## count the known failing programs that gradsan explains, where they are at hand
	@if [ -f "$(SCORE)" ]; then PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python $(SCORE) $(CASES) --only run; \
	else echo "no scored programs here; SCORE=path/to/score.py CASES=folder names them"; fi

goldens: $(READY)  ## rewrite the expected outputs of the tests; read the diff
	GRADSAN_WRITE_GOLDENS=1 $(BIN)/python -m pytest -q -m 'not slow' $(TESTS)

picture: $(READY)  ## draw docs/run.svg from a run of examples/residual
	@rm -f docs/run.svg
	cd examples/residual && "$(abspath $(BIN))/gradsan" run --output-format svg --output ../../docs/run.svg train.py 2>/dev/null || true
	@test -s docs/run.svg

clean:  ## remove the environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .gradsan_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
