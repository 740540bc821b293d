# Needs cargo, a Python of 3.9 or newer and pip; the rest comes from crates.io
# and PyPI into target/ and .venvs/.
PYTHON ?= python3

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: ## profile three small programs and show their reports
	$(PYTHON) scripts/demo.py

test: ## every check and test, on every supported Python of this machine
	$(PYTHON) scripts/test_all.py

bench: ## what profiling costs here, against the budgets
	$(PYTHON) scripts/bench.py

scenarios: ## real programs and servers: is the verdict right? (needs wrk; apache2 for some)
	$(PYTHON) scripts/scenarios.py

services: ## real servers: attached to, with all workers, by request (needs wrk; apache2 for some)
	$(PYTHON) scripts/services.py

suites: ## test suites of real packages, with the pytest plugin and without
	$(PYTHON) scripts/suites.py

pythons: ## fetch newer Pythons and ones linked to musl, for the tests (needs Debian's apt)
	$(PYTHON) scripts/more_pythons.py

wheel: ## build the wheel into target/wheels
	$(PYTHON) scripts/venvs.py

fuzz: ## give the region's reader random bytes for a minute (needs cargo-fuzz)
	cd crates/gilprof-region && cargo fuzz run --sanitizer none reader -- -max_total_time=60

fmt: ## format the Rust code
	cargo fmt --all

clean: ## remove everything that was built
	rm -rf target target-loom .venvs .pythons

.PHONY: help demo test bench scenarios services suites pythons wheel fuzz fmt clean
