/* Hooks of calls that acquire, release or create tasks: they decide whether the Python hooks run. */

#include "native.h"

/* The site of the instruction that a frame executes, if it is defined. */
PyObject *
site_at(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (kwnames == NULL && PyVectorcall_NARGS(nargsf) == 1 && PyFrame_Check(args[0])) {
        PyCodeObject *code = PyFrame_GetCode((PyFrameObject *)args[0]);
        PyObject *known = by_address(shared.by_code, (PyObject *)code), *position = NULL;
        if (known != NULL) {
            PyObject *at = PyLong_FromLong(PyFrame_GetLasti((PyFrameObject *)args[0]));
            if (at != NULL) {
                position = Py_XNewRef(PyDict_GetItemWithError(known, at));
                Py_DECREF(at);
            }
        }
        Py_DECREF(code);
        if (position != NULL || !may_fall_back()) {
            return position;
        }
    }
    /* Its caller needs a site, so at the end of the stack the error is for its hook. */
    return call_suspended(self, args, nargsf, kwnames);
}

/* Whether the running task, which makes another one, is to be made known first. */
static int
is_maker_unknown(void)
{
    if (current_sink() == NULL) {
        return 0;
    }
    PyObject *native = running_native();
    int unknown = native != NULL && by_address(shared.tasks, native) == NULL;
    Py_XDECREF(native);
    return unknown;
}

/* Called with the coroutine or future of a new task, which is returned: nothing is noted about most
   of them, nor at the end of the stack. */
PyObject *
task_created(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (kwnames == NULL && PyVectorcall_NARGS(nargsf) == 1) {
        PyObject *kind = PyCoro_CheckExact(args[0]) ? PyObject_GetAttr(args[0], s_cr_code)
                                                    : Py_NewRef(Py_TYPE(args[0]));
        PyObject *known = kind == NULL ? NULL : by_address(shared.ignored, kind);
        Py_XDECREF(kind);
        if (known != NULL && !is_maker_unknown() && !PyErr_Occurred()) {
            return Py_NewRef(args[0]);
        }
        if (!may_fall_back()) {
            return NULL;
        }
    }
    PyObject *done = call_suspended(self, args, nargsf, kwnames);
    if (done == NULL && kwnames == NULL && PyErr_ExceptionMatches(PyExc_RecursionError)) {
        PyErr_Clear();
        return Py_NewRef(args[PyVectorcall_NARGS(nargsf) - 1]);
    }
    return done;
}

/* The caller of the running method, a new reference; NULL if there is none. */
static PyFrameObject *
caller_of_method(void)
{
    PyFrameObject *method = PyEval_GetFrame();
    return method == NULL ? NULL : PyFrame_GetBack(method);
}

/* Whether that is `__aenter__` or `__aexit__` in the method's own module: the block is recorded
   itself. `callers.caller_outside` decides the other cases. */
static int
is_called_by_block(PyFrameObject *caller)
{
    PyFrameObject *method = PyEval_GetFrame();
    if (caller == NULL || method == NULL) {
        return 0;
    }
    PyCodeObject *code = PyFrame_GetCode(caller);
    PyObject *name = code->co_name;
    int result = PyUnicode_CompareWithASCIIString(name, "__aenter__") == 0
                 || PyUnicode_CompareWithASCIIString(name, "__aexit__") == 0;
    Py_DECREF(code);
    if (result) {
        PyObject *globals = PyFrame_GetGlobals(method), *of_caller = PyFrame_GetGlobals(caller);
        result = globals == of_caller;
        Py_DECREF(globals);
        Py_DECREF(of_caller);
    }
    return result;
}

/* Call the Python function with the object, its holder or None, and the caller of the method.
   Steals the reference to `caller`. */
static PyObject *
call_with_caller(PyObject *self, PyObject *const *args, size_t nargsf, PyFrameObject *caller)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *more[] = {args[0], count > 1 ? args[1] : Py_None, (PyObject *)caller};
    PyObject *done = call_original(self, more, caller == NULL ? 2 : 3, NULL);
    Py_XDECREF(caller);
    return done;
}

PyObject *
acquire_started(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyFrameObject *caller = caller_of_method();
    if (is_called_by_block(caller)) {
        Py_DECREF(caller);
        return Py_NewRef(Py_None);
    }
    return call_with_caller(self, args, nargsf, caller);
}

/* Whether a block of this resource exits now: the exit itself releases the resource. */
static int
is_block_exiting(PyObject *resource)
{
    PyObject *id = slot_value(&slots.resource_id, resource);
    return id != NULL && last_exit_started != NULL && last_exit_started->state == LEAVING
           && (last_exit_started->resource == id
               || PyObject_RichCompareBool(last_exit_started->resource, id, Py_EQ) == 1);
}

PyObject *
release_started(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *resource = by_address(shared.by_object, args[0]);
    PyObject *taken = resource == NULL ? NULL : slot_value(&slots.resource_taken, resource);
    int by_call = taken != NULL && PyList_CheckExact(taken) && PyList_GET_SIZE(taken) > 0;
    /* It was never acquired, or by an `async with`, which is recorded itself. */
    if (resource == NULL || (!by_call && is_block_exiting(resource))) {
        return may_fall_back() ? Py_NewRef(Py_None) : NULL;
    }
    PyFrameObject *caller = caller_of_method();
    if (!by_call && is_called_by_block(caller)) {
        Py_DECREF(caller);
        return Py_NewRef(Py_None);
    }
    return call_with_caller(self, args, nargsf, caller);
}

PyObject *
return_started(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    /* The item of the pool is the last argument. */
    if (kwnames == NULL && count > 0 && by_address(shared.by_item, args[count - 1]) == NULL
        && may_fall_back()) {
        return Py_NewRef(Py_None);
    }
    return PyErr_Occurred() ? NULL : call_original(self, args, nargsf, kwnames);
}

/* Call the original unless the first argument, a handle, is None: then nothing was begun. */
PyObject *
skip_none(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (PyVectorcall_NARGS(nargsf) > 0 && args[0] == Py_None) {
        return Py_NewRef(Py_None);
    }
    return call_original(self, args, nargsf, kwnames);
}
