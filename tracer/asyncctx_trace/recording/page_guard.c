/* Keeps a truncated recording from killing the program: a handler for SIGBUS.

   A store to a mapped page behind the end of its file raises SIGBUS. For a page of a recording, the
   handler maps anonymous memory in its place, so that the store succeeds; what is stored is lost,
   and counted. Any other SIGBUS is the program's, and is left to the handler that was there before.
   The handler uses only what may be called at any instant. */

#ifndef MS_WINDOWS

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "page_guard.h"

/* Pages are mapped one at a time and freed soon after they are full; more are not guarded. */
#define LIMIT 1024

typedef struct {
    atomic_uintptr_t start; /* 0: free */
    atomic_uintptr_t size;
} Range;

static Range ranges[LIMIT];
static atomic_long replaced;
static struct sigaction before;
static uintptr_t page_size;
static int installed;

static int
is_guarded(uintptr_t address)
{
    for (int i = 0; i < LIMIT; i++) {
        uintptr_t start = atomic_load(&ranges[i].start);
        if (start != 0 && address - start < atomic_load(&ranges[i].size)) {
            return 1;
        }
    }
    return 0;
}

static void
handle(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    uintptr_t address = (uintptr_t)info->si_addr;
    /* Not one that another process sent: its address is none. */
    if (info->si_code > 0 && is_guarded(address)) {
        void *page = (void *)(address & ~(page_size - 1));
        if (mmap(page, page_size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) {
            atomic_fetch_add(&replaced, 1);
            errno = saved;
            return;
        }
    }
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(number, info, context);
    }
    else if (before.sa_handler == SIG_IGN && info->si_code <= 0) {
        /* Sent by a process, and ignored. */
    }
    else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(number);
    }
    else {
        /* What would have happened: a fault happens again, a sent signal is sent again. */
        sigaction(SIGBUS, &before, NULL);
        if (info->si_code <= 0) {
            raise(number);
        }
    }
    errno = saved;
}

static int
install(void)
{
    struct sigaction action = {0};
    if (installed) {
        return 0;
    }
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGBUS, &action, &before) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    installed = 1;
    return 0;
}

PyObject *
guard_page(PyObject *module, PyObject *page)
{
    Py_buffer view;
    if (install() < 0 || PyObject_GetBuffer(page, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    uintptr_t start = (uintptr_t)view.buf, size = (uintptr_t)view.len;
    PyBuffer_Release(&view);
    for (int i = 0; i < LIMIT; i++) {
        if (atomic_load(&ranges[i].start) == 0) {
            atomic_store(&ranges[i].size, size);
            atomic_store(&ranges[i].start, start);
            break;
        }
    }
    return PyLong_FromVoidPtr((void *)start);
}

PyObject *
release_page(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    /* Called with the address, and with the weak reference that has ended. */
    if (count < 1) {
        PyErr_SetString(PyExc_TypeError, "release_page() needs an address");
        return NULL;
    }
    uintptr_t start = (uintptr_t)PyLong_AsVoidPtr(arguments[0]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    for (int i = 0; i < LIMIT; i++) {
        if (start != 0 && atomic_load(&ranges[i].start) == start) {
            atomic_store(&ranges[i].start, 0);
            break;
        }
    }
    Py_RETURN_NONE;
}

PyObject *
pages_replaced(PyObject *module, PyObject *ignored)
{
    return PyLong_FromLong(atomic_load(&replaced));
}

#endif
