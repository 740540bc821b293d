"""A scheduler of Dask on this port, and a worker process with two threads.  dask_cluster.py PORT"""

import sys
import threading


def main(port):
    from distributed import LocalCluster

    # Its dashboard listens on all addresses if it is not told otherwise.
    here = {"host": "127.0.0.1", "scheduler_port": port, "dashboard_address": None}
    with LocalCluster(n_workers=1, threads_per_worker=2, **here):
        threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]))
