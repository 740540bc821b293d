/* A C program with a Python in it: do the Python threads that it runs get into each other's way?
 *
 * `python3 scripts/test_all.py embed_c` builds and runs it. */
#include <Python.h>

#include <stdio.h>
#include <string.h>

#include "gilprof.h"

static const char *const PROGRAM =
    "import threading, time\n"
    "def count(end):\n"
    "    while time.monotonic() < end:\n"
    "        sum(range(1_000))\n"
    "threads = [threading.Thread(target=count, args=(time.monotonic() + 0.5,)) for _ in range(2)]\n"
    "for thread in threads: thread.start()\n"
    "for thread in threads: thread.join()\n";

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, gilprof_last_error());
    return 1;
}

int main(void)
{
    Py_Initialize();
    if (gilprof_start("stacks=off") != GILPROF_OK) {
        return failed("start");
    }
    gilprof_name_thread("host");

    gilprof_span *span = gilprof_span_begin("count");
    int python_failed = PyRun_SimpleString(PROGRAM);
    gilprof_span_end(span);

    /* What a metrics endpoint of this program would serve. */
    char *metrics = gilprof_openmetrics();
    if (metrics == NULL || strstr(metrics, "python_gil_hold_seconds_total") == NULL) {
        return failed("openmetrics");
    }
    gilprof_free(metrics);

    char *profile = NULL;
    if (gilprof_stop(&profile) != GILPROF_OK) {
        return failed("stop");
    }
    puts(profile);
    gilprof_free(profile);

    /* What goes wrong is told. */
    if (gilprof_start("threads=0") != GILPROF_NOT_ALLOWED || gilprof_is_running()) {
        return 1;
    }
    fprintf(stderr, "as it should be: %s\n", gilprof_last_error());
    if (gilprof_stop(NULL) != GILPROF_NOT_RUNNING || gilprof_snapshot_json() != NULL) {
        return 1;
    }
    return python_failed || Py_FinalizeEx() < 0;
}
