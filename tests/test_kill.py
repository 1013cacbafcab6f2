"""kill -9 at random moments: nothing finished is lost or computed again. benchmarks/kill.py does it 50 times."""

import pytest

from killing import kill_again_and_again


@pytest.mark.slow
def test_a_killed_sweep_loses_only_the_chunks_under_way(tmp_path):
    found = kill_again_and_again(tmp_path, kills=3, rows=24)
    assert found.kills == 3
    assert not found.recomputed
    assert not found.differing
