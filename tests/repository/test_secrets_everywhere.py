"""The last test: nothing that the tests made the plugin write holds a secret.

conftest.py gathers the material (outputs of commands and of Calibre, logs, undo records, libraries, configurations but
for the settings themselves) and puts this module at the end.
"""

from __future__ import annotations

import os

import pytest
from harness.evidence import Evidence


@pytest.mark.timeout(600)
def test_no_secret_anywhere(evidence: Evidence) -> None:
    others = int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', '1')) - 1
    evidence.wait_for_others(others, seconds=540)
    names = [path.name for path in evidence.files()]
    for expected in ('command-stdout', 'gui-stdout', 'metadata.db', 'sync.log'):
        assert any(name.endswith(expected) for name in names), (
            f'no {expected} was gathered: this test means something only at the end of the whole suite'
        )
    assert evidence.leaks() == {}
