# The two commands: `make run` and `make test`. Each sets up all it needs by itself.
# Settings are variables: `make run PORT=9000 WORKERS=2`; env_example lists them.

.PHONY: run test bench chaos train weights clean
.DEFAULT_GOAL := run
PY := .venv/bin/python

run: .venv/.run
	@exec $(PY) -m standalone

# `make test TRAINING=1` also installs torch and tests the training.
test: .venv/.dev $(if $(TRAINING),.venv/.train)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=15

bench: .venv/.dev
	$(PY) -m bench.flows

# A storm of SECONDS, the same again with the SEED it printed: everything is killed, nothing lost.
chaos: .venv/.dev
	$(PY) -m tests.chaos storm $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

# Fetches OpenCV's published networks from their authors into WEIGHTS_DIR, or weights/fetched.
weights: .venv/.run
	@$(PY) -m workers.weights

# Needs pictures: make train PICTURES=folder
train: .venv/.train
	$(PY) -m training $(PICTURES)

.venv/.run: requirements.txt requirements-standalone.txt constraints.txt standalone/setup.sh
	@standalone/setup.sh requirements-standalone.txt
	@touch $@

.venv/.dev: requirements-dev.txt requirements.txt requirements-standalone.txt constraints.txt standalone/setup.sh
	@standalone/setup.sh requirements-dev.txt
	@touch $@ .venv/.run

.venv/.train: training/requirements.txt requirements.txt constraints.txt
	@standalone/setup.sh training/requirements.txt
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
