/* gilprof: who holds the GIL while others wait?
 *
 * For programs in C and C++ that embed Python. Each function may be called by any thread, with
 * or without the GIL. What goes wrong is told by a status and, in words, by
 * gilprof_last_error(). Link with -lgilprof.
 *
 * Written by cbindgen from the source. */


#ifndef GILPROF_H
#define GILPROF_H

#include <stdbool.h>

// What became of a call. Values are never given another meaning.
typedef enum {
  // It is done.
  GILPROF_OK = 0,
  // Something else than what follows went wrong.
  GILPROF_FAILED = 1,
  // The Python of this process cannot be profiled, or there is none.
  GILPROF_UNSUPPORTED = 2,
  // An option or an argument is not allowed.
  GILPROF_NOT_ALLOWED = 3,
  // Nothing is recorded.
  GILPROF_NOT_RUNNING = 4,
  // gilprof has an error of its own.
  GILPROF_BROKEN = 5,
} gilprof_status;

// A span of the thread that has begun it.
typedef struct gilprof_span gilprof_span;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// What the last call of this thread that failed has said, in words; empty before the first.
// It stays as it is until another call of this thread fails, and is not to be freed.
const char *gilprof_last_error(void);

// Frees what `gilprof_stop()`, `gilprof_snapshot_json()` or `gilprof_openmetrics()` gave. NULL is
// allowed.
//
// # Safety
// `text` is NULL or from one of these, and is freed once.
void gilprof_free(char *text);

// Starts to record this process, or joins the recording that it makes already. Every start
// needs its `gilprof_stop()`.
//
// `options` is NULL, or text as in "threads=64,stacks=off": threads (how many can have a row
// at a time), ring (how many events are kept for the reader, a power of two), clock ("auto"
// or "monotonic"), stacks ("1ms" or "off"), timeline ("64MB" or "off") and counters
// ("hardware" or "off").
//
// # Safety
// `options` is NULL or a string that ends with a null byte.
gilprof_status gilprof_start(const char *options);

// Ends what the latest `gilprof_start()` began. The recording ends with the last of those who
// have started it.
//
// `profile` is NULL, or where the profile of all that time goes, as JSON: give it to
// `gilprof_free()`. Where the call fails, NULL goes there.
//
// # Safety
// `profile` is NULL or can be written to.
gilprof_status gilprof_stop(char **profile);

// The profile of the recording that is on, from its first start to now, as JSON: give it to
// `gilprof_free()`. Nobody is stopped. NULL where it cannot be had.
char *gilprof_snapshot_json(void);

// The numbers of the recording that is on, from its first start to now, as OpenMetrics 1.0, for
// a metrics endpoint of the host's own: give the text to `gilprof_free()`. Nobody is stopped.
// NULL where it cannot be had.
char *gilprof_openmetrics(void);

// Whether this process is being recorded.
bool gilprof_is_running(void);

// Labels what the calling thread does until `gilprof_span_end()`: the profile has a row for
// the label. NULL while nothing is recorded, and where the label is no string in UTF-8.
//
// # Safety
// `label` is NULL or a string that ends with a null byte.
gilprof_span *gilprof_span_begin(const char *label);

// Ends a span, and frees it. In another thread than it was begun in it adds nothing. NULL is
// allowed.
//
// # Safety
// `span` is NULL or from `gilprof_span_begin()`, and is ended once.
void gilprof_span_end(gilprof_span *span);

// Names the calling thread in the recording that is on.
//
// # Safety
// `name` is a string that ends with a null byte.
gilprof_status gilprof_name_thread(const char *name);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* GILPROF_H */
