/* Functions of the module that keep a truncated recording from killing the program. */

#ifndef ASYNCCTX_TRACE_PAGE_GUARD_H
#define ASYNCCTX_TRACE_PAGE_GUARD_H

#ifndef MS_WINDOWS

PyObject *guard_page(PyObject *module, PyObject *page);
PyObject *release_page(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *pages_replaced(PyObject *module, PyObject *ignored);

#define PAGE_GUARD_METHODS \
    {"guard_page", guard_page, METH_O, \
     "guard_page(page) -> address: survive the truncation of its file."}, \
    {"release_page", (PyCFunction)(void (*)(void))release_page, METH_FASTCALL, \
     "release_page(address, *ignored): the page is about to be unmapped."}, \
    {"pages_replaced", pages_replaced, METH_NOARGS, \
     "The number of system pages of recordings that were truncated and replaced."},

#else
#define PAGE_GUARD_METHODS
#endif

#endif
