from __future__ import annotations

from deciface.encoders import available_cores, threads_for
from deciface.encoders.threads import BATCH_FROM_CROPS
from deciface.models.sessions import session_options


def test_one_photo_takes_one_thread_and_a_batch_all():
    assert threads_for(1, cores=64) == 1
    assert threads_for(BATCH_FROM_CROPS - 1, cores=64) == 1
    assert threads_for(BATCH_FROM_CROPS, cores=64) == 64
    assert threads_for(BATCH_FROM_CROPS) == available_cores() >= 1


def test_the_runtime_gets_the_threads_and_does_not_spin():
    options = session_options(3)
    assert options.intra_op_num_threads == 3
    assert options.inter_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
