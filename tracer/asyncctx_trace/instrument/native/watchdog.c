/* A thread that calls a Python function at a regular interval.

   It is no thread of Python's: `threading` does not list it, `_thread._count()` does not count it,
   and the function runs with tracing and garbage collection suspended, so that it is
   reported to no tracer and runs no finalizer of the program. The thread is joined before the
   process forks. */

#include "native.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake;
static pthread_t thread;
static int running, stopping;
static long long interval; /* ns */
static PyObject *function;
static PyInterpreterState *interpreter;

static unsigned long long iteration_count;

/* A hook at the beginning of each iteration of an event loop. */
PyObject *
next_iteration(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    iteration_count++;
    Py_RETURN_NONE;
}

PyObject *
iterations(PyObject *module, PyObject *unused)
{
    return PyLong_FromUnsignedLongLong(iteration_count);
}

/* Wait for the interval to pass; return whether the thread is to stop. */
static int
sleep_until_next(struct timespec *next)
{
    next->tv_nsec += interval % 1000000000;
    next->tv_sec += interval / 1000000000 + next->tv_nsec / 1000000000;
    next->tv_nsec %= 1000000000;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec > next->tv_sec) { /* far behind: the machine was asleep */
        *next = now;
    }
    pthread_mutex_lock(&mutex);
    while (!stopping && pthread_cond_timedwait(&wake, &mutex, next) != ETIMEDOUT) {
    }
    int stop = stopping;
    pthread_mutex_unlock(&mutex);
    return stop;
}

static void
call(PyObject *callable)
{
    PyThreadState *state = PyThreadState_Get();
    int collects = PyGC_Disable();
    PyThreadState_EnterTracing(state);
    PyObject *result = PyObject_CallNoArgs(callable);
    PyThreadState_LeaveTracing(state);
    if (result == NULL) {
        PyErr_Clear(); /* the function reports its own failures */
    }
    Py_XDECREF(result);
    if (collects) {
        PyGC_Enable();
    }
}

static void *
run(void *unused)
{
    (void)unused;
    PyThreadState *state = PyThreadState_New(interpreter);
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!sleep_until_next(&next)) {
        PyEval_RestoreThread(state);
        call(function);
        PyEval_SaveThread();
    }
    PyEval_RestoreThread(state);
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
    return NULL;
}

PyObject *
start_watchdog(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *callable;
    long long every;
    if (!PyArg_ParseTuple(args, "OL", &callable, &every)) {
        return NULL;
    }
    if (running) {
        PyErr_SetString(PyExc_RuntimeError, "the watchdog runs already");
        return NULL;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&wake, &attributes);
    pthread_condattr_destroy(&attributes);
    interval = every;
    interpreter = PyInterpreterState_Get();
    Py_XSETREF(function, Py_NewRef(callable));
    stopping = 0;
    /* Signals are for the threads that the program knows. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, NULL, run, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        errno = failed;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    running = 1;
    Py_RETURN_NONE;
}

PyObject *
stop_watchdog(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    if (running) {
        running = 0;
        pthread_mutex_lock(&mutex);
        stopping = 1;
        pthread_cond_signal(&wake);
        pthread_mutex_unlock(&mutex);
        Py_BEGIN_ALLOW_THREADS
        pthread_join(thread, NULL);
        Py_END_ALLOW_THREADS
        pthread_cond_destroy(&wake);
        Py_CLEAR(function);
    }
    Py_RETURN_NONE;
}
