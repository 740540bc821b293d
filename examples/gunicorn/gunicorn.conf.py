"""The GIL's metrics of each of gunicorn's workers, and of all together.

    PROMETHEUS_MULTIPROC_DIR=/run/app gunicorn -c examples/gunicorn/gunicorn.conf.py -w 2 app:application

A socket in that folder, gilprof-PID.sock, has all numbers of one worker, histograms too. The
counters and gauges of all workers are in what the application's own
prometheus_client.multiprocess.MultiProcessCollector collects.
"""

import os

import gilprof
import gilprof.prometheus
from prometheus_client import multiprocess


def post_fork(server, worker):
    folder = os.environ["PROMETHEUS_MULTIPROC_DIR"]
    worker.gilprof_sum = gilprof.prometheus.Multiprocess(interval="1s")
    worker.gilprof_own = gilprof.serve_metrics(f"unix:{folder}/gilprof-{os.getpid()}.sock")


def worker_exit(server, worker):
    # The last numbers are written.
    worker.gilprof_sum.close()
    worker.gilprof_own.close()


def child_exit(server, worker):
    # The gauges of a worker that is no more do not count.
    multiprocess.mark_process_dead(worker.pid)
