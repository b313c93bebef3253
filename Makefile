# Everything there is to do here, as `make TARGET`. `make` alone lists the targets.

python = .venv/bin/python

.PHONY: help demo test lint zip bench test-matrix screenshots screenshots-matrix messages setup clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 22

# Installs Calibre by apt if it is missing, says so before it does, and cleans up after itself.
demo: zip  ## sync a small sample library against a local stand-in for BookFusion; GUI=1 opens Calibre on it
	/usr/bin/python3 tools/demo.py $(if $(GUI),--gui)

# As many at a time as there are processors; one test: make test ARGS="tests/rules/test_sync_plan.py -k newest"
test: setup  ## every test, in a real Calibre
	$(python) -m pytest -n auto --maxprocesses 4 $(ARGS)

lint: setup  ## style, types, and the syntax of Calibre's oldest Python
	tools/lint.sh

# From the explicit list in tools/build_zip.py; install it with Preferences > Plugins > Load plugin from file.
zip:  ## BookfusionBackSync.zip, the plugin
	@tools/setup.sh calibre
	/usr/bin/python3 tools/build_zip.py

bench: setup zip  ## how long a sync of a large library takes
	$(python) tools/bench.py $(ARGS)

# Needs root, some GB of space and some minutes the first time; says how much before it starts.
test-matrix: setup  ## every test on Calibre 6.13, 8.5 and 9.x, with a table at the end
	tools/test_matrix.sh $(ARGS)

screenshots: setup zip  ## pictures of every dialog, light and dark
	$(python) tools/screenshots.py $(ARGS)

# For looking: the same window on every version beside each other, in build/screenshots-matrix.
screenshots-matrix: setup  ## pictures of every dialog on Calibre 6.13, 8.5 and 9.x, side by side
	tools/test_matrix.sh --pictures $(ARGS)

messages:  ## every sentence that can be translated, as a template for translators
	@/usr/bin/python3 tools/messages.py

# Calibre by apt, the test tools in .venv; quick when nothing is missing.
setup:
	@tools/setup.sh

clean:  ## remove what the other targets made
	rm -rf .venv .lint .hypothesis .mypy_cache .pytest_cache .ruff_cache BookfusionBackSync.zip
	find . -name __pycache__ -prune -exec rm -rf {} +
