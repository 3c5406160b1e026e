/* An iterator around the awaitable of an enter or exit; see wrapping/awaiting.py. */

#include "native.h"

/* The states of a traced awaitable. */
enum { NOT_STARTED, STARTED, OVER };

/* Awaits what a manager returned for entering or exiting it, and publishes events at its first and
   last step. It adds no frame and is reported to no tracer. Apart from that it behaves as the
   awaitable does. */
typedef struct {
    PyObject_HEAD
    PyObject *awaitable;
    PyObject *iterator; /* the iterator of `awaitable`, from the first step on */
    PyObject *acquisition;
    PyObject *opened; /* of an enter: called with the acquisition; NULL for an exit */
    PyObject *manager, *resource; /* of an enter: ids; of an exit: the manager, or None */
    PyObject *site;               /* of an exit that begins by a call */
    PyObject *body_error;         /* of an exit, or None */
    int state;
} TracedAwaitable;


/* The id of the site of the program's frame, a new reference; as `site_of` finds it. */
static PyObject *
current_site(void)
{
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL) {
        return Py_NewRef(zero);
    }
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *known = by_address(shared.by_code, (PyObject *)code), *position = NULL;
    Py_DECREF(code);
    if (known != NULL) {
        PyObject *offset = PyLong_FromLong(PyFrame_GetLasti(frame));
        if (offset != NULL) {
            position = PyDict_GetItemWithError(known, offset);
            Py_DECREF(offset);
        }
    }
    if (position != NULL) {
        return Py_XNewRef(slot_value(&slots.site_id, position));
    }
    return PyErr_Occurred() ? NULL : PyObject_CallOneArg(shared.site_of, (PyObject *)frame);
}

static PyObject *
begin_enter(TracedAwaitable *self)
{
    PyObject *site = current_site();
    if (site == NULL) {
        return NULL;
    }
    PyObject *args[] = {self->manager, self->resource, site, shared.traced_flag};
    PyObject *acquisition = PyObject_Vectorcall(shared.enter_started, args, 4, NULL);
    Py_DECREF(site);
    return acquisition;
}

static int
watched_start(TracedAwaitable *self)
{
    if (self->state != NOT_STARTED) {
        return 0;
    }
    self->state = STARTED;
    PyThreadState *thread = suspend_tracing();
    PyObject *done;
    if (self->opened != NULL) {
        done = begin_enter(self);
        Py_XSETREF(self->acquisition, Py_XNewRef(done));
    }
    else if (self->body_error == Py_None) {
        PyObject *args[] = {self->acquisition, Py_None, self->site};
        done = PyObject_Vectorcall(shared.exit_started, args, 3, NULL);
    }
    else {
        done = PyObject_CallFunctionObjArgs(shared.failed_exit_started, self->acquisition,
                                            self->body_error, self->manager, self->site, NULL);
    }
    resume_tracing(thread);
    if (done == NULL) {
        return -1;
    }
    Py_DECREF(done);
    if (PyCoro_CheckExact(self->awaitable) || PyGen_CheckExact(self->awaitable)) {
        self->iterator = Py_NewRef(self->awaitable);
        return 0;
    }
    PyObject *iterator = Py_TYPE(self->awaitable)->tp_as_async->am_await(self->awaitable);
    if (iterator != NULL && !PyIter_Check(iterator)) {
        PyErr_Format(PyExc_TypeError, "__await__() returned non-iterator of type '%.100s'",
                     Py_TYPE(iterator)->tp_name);
        Py_CLEAR(iterator);
    }
    self->iterator = iterator;
    return iterator == NULL ? -1 : 0;
}

/* A new reference; NULL with an error that must reach the program, such as an interrupt. */
static PyObject *
publish_end(TracedAwaitable *self, PyObject *value, PyObject *error)
{
    PyObject *acquisition = self->acquisition;
    if (acquisition == NULL || acquisition == Py_None) {
        return Py_NewRef(Py_None);
    }
    if (self->opened == NULL) {
        if (error == NULL && self->body_error == Py_None) {
            return PyObject_CallOneArg(shared.exit_ended, acquisition);
        }
        return PyObject_CallFunctionObjArgs(shared.failed_exit_ended, acquisition, self->body_error,
                                            value == NULL ? Py_None : value,
                                            error == NULL ? Py_None : error, NULL);
    }
    if (error != NULL) {
        return PyObject_CallFunctionObjArgs(shared.enter_ended, acquisition, error, NULL);
    }
    PyObject *opened = PyObject_CallOneArg(self->opened, acquisition);
    if (opened == NULL) {
        return NULL;
    }
    Py_DECREF(opened);
    return PyObject_CallOneArg(shared.enter_ended, acquisition);
}

/* Publish the end: with `value`, or with the error that is set. */
static int
watched_end(TracedAwaitable *self, PyObject *value)
{
    if (self->state == OVER) {
        return 0;
    }
    self->state = OVER;
    PyObject *type = NULL, *error = NULL, *traceback = NULL;
    if (value == NULL) {
        PyErr_Fetch(&type, &error, &traceback);
        PyErr_NormalizeException(&type, &error, &traceback);
        if (traceback != NULL) {
            PyException_SetTraceback(error, traceback);
        }
    }
    PyThreadState *thread = suspend_tracing();
    PyObject *done = publish_end(self, value, error);
    resume_tracing(thread);
    Py_CLEAR(self->acquisition);
    Py_CLEAR(self->body_error);
    if (done == NULL) {
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(traceback);
        return -1;
    }
    Py_DECREF(done);
    if (value == NULL) {
        PyErr_Restore(type, error, traceback);
    }
    return 0;
}

static PySendResult
watched_result(TracedAwaitable *self, PySendResult result, PyObject **value)
{
    if (result == PYGEN_ERROR) {
        watched_end(self, NULL);
    }
    else if (result == PYGEN_RETURN && watched_end(self, *value) < 0) {
        Py_CLEAR(*value);
        return PYGEN_ERROR;
    }
    return result;
}

static PySendResult
watched_send_to(TracedAwaitable *self, PyObject *sent, PyObject **value)
{
    *value = NULL;
    if (watched_start(self) < 0) {
        return watched_result(self, PYGEN_ERROR, value);
    }
    PyObject *iterator = Py_NewRef(self->iterator == NULL ? self->awaitable : self->iterator);
    PySendResult result = PyIter_Send(iterator, sent, value);
    Py_DECREF(iterator);
    return watched_result(self, result, value);
}

/* What send() and throw() return for a step: StopIteration stands for the end. */
static PyObject *
watched_step(PySendResult result, PyObject *value)
{
    if (result != PYGEN_RETURN) {
        return value;
    }
    if (value == Py_None) {
        PyErr_SetNone(PyExc_StopIteration);
    }
    else {
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
        if (stop != NULL) {
            PyErr_SetObject(PyExc_StopIteration, stop);
            Py_DECREF(stop);
        }
    }
    Py_DECREF(value);
    return NULL;
}

static PyObject *
watched_send(TracedAwaitable *self, PyObject *sent)
{
    PyObject *value;
    PySendResult result = watched_send_to(self, sent, &value);
    return watched_step(result, value);
}

static PyObject *
watched_next(TracedAwaitable *self)
{
    return watched_send(self, Py_None);
}

static PyObject *
watched_throw(TracedAwaitable *self, PyObject *args)
{
    PyObject *inner = self->iterator == NULL ? self->awaitable : self->iterator;
    PyObject *throw = PyObject_GetAttr(inner, s_throw), *value = NULL;
    if (throw == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear(); /* an iterator without throw(): the exception propagates */
        PyObject *type = PyTuple_Size(args) > 0 ? PyTuple_GET_ITEM(args, 0) : Py_None;
        PyObject *given = PyTuple_Size(args) > 1 ? PyTuple_GET_ITEM(args, 1) : Py_None;
        if (PyExceptionInstance_Check(type)) {
            PyErr_SetObject(PyExceptionInstance_Class(type), type);
        }
        else {
            PyErr_SetObject(type, given == Py_None ? NULL : given);
        }
    }
    else if (throw != NULL) {
        value = PyObject_CallObject(throw, args);
        Py_DECREF(throw);
    }
    if (value != NULL) {
        return value;
    }
    PySendResult result = PYGEN_ERROR;
    if (PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyObject *type, *error, *traceback;
        PyErr_Fetch(&type, &error, &traceback);
        PyErr_NormalizeException(&type, &error, &traceback);
        value = Py_XNewRef(((PyStopIterationObject *)error)->value);
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(traceback);
        if (value == NULL) {
            value = Py_NewRef(Py_None);
        }
        result = PYGEN_RETURN;
    }
    if (self->state == NOT_STARTED) {
        self->state = OVER; /* thrown in before the first step: nothing was begun */
    }
    result = watched_result(self, result, &value);
    return watched_step(result, value);
}

static PyObject *
watched_close(TracedAwaitable *self, PyObject *nothing)
{
    PyObject *inner = self->iterator == NULL ? self->awaitable : self->iterator;
    PyObject *close = PyObject_GetAttr(inner, s_close), *done = Py_None;
    if (close == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return NULL;
        }
        PyErr_Clear();
        Py_INCREF(done);
    }
    else {
        done = PyObject_CallNoArgs(close);
        Py_DECREF(close);
    }
    if (self->state == NOT_STARTED) {
        self->state = OVER;
    }
    else if (done == NULL) {
        watched_end(self, NULL);
    }
    else if (self->state == STARTED) {
        PyErr_SetNone(PyExc_GeneratorExit);
        if (watched_end(self, NULL) == 0) {
            PyErr_Clear();
        }
        else {
            Py_CLEAR(done);
        }
    }
    return done;
}

static void
watched_finalize(PyObject *object)
{
    TracedAwaitable *self = (TracedAwaitable *)object;
    if (self->state != STARTED) {
        return;
    }
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyObject *done = watched_close(self, NULL);
    if (done == NULL) {
        PyErr_WriteUnraisable(object);
    }
    Py_XDECREF(done);
    PyErr_Restore(type, error, traceback);
}

static PyObject *
watched_getattro(PyObject *object, PyObject *name)
{
    PyObject *awaitable = ((TracedAwaitable *)object)->awaitable;
    if (awaitable != NULL && PyUnicode_Check(name)) {
        if (PyUnicode_CompareWithASCIIString(name, "__class__") == 0) {
            return PyObject_GetAttr(awaitable, name);
        }
        if (PyUnicode_GET_LENGTH(name) > 2 && PyUnicode_READ_CHAR(name, 0) == '_') {
            PyObject *found = PyObject_GenericGetAttr(object, name);
            if (found != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
                return found;
            }
            PyErr_Clear();
        }
        else {
            PyObject *own = _PyType_Lookup(Py_TYPE(object), name);
            if (own != NULL) {
                return PyObject_GenericGetAttr(object, name);
            }
        }
        return PyObject_GetAttr(awaitable, name);
    }
    return PyObject_GenericGetAttr(object, name);
}

static PyObject *
watched_repr(PyObject *self)
{
    return PyObject_Repr(((TracedAwaitable *)self)->awaitable);
}

static int
watched_traverse(TracedAwaitable *self, visitproc visit, void *arg)
{
    Py_VISIT(self->awaitable);
    Py_VISIT(self->iterator);
    Py_VISIT(self->acquisition);
    Py_VISIT(self->opened);
    Py_VISIT(self->manager);
    Py_VISIT(self->resource);
    Py_VISIT(self->site);
    Py_VISIT(self->body_error);
    return 0;
}

static int
watched_clear(TracedAwaitable *self)
{
    Py_CLEAR(self->iterator);
    Py_CLEAR(self->acquisition);
    Py_CLEAR(self->opened);
    Py_CLEAR(self->manager);
    Py_CLEAR(self->resource);
    Py_CLEAR(self->site);
    Py_CLEAR(self->body_error);
    Py_CLEAR(self->awaitable);
    return 0;
}

static void
watched_dealloc(PyObject *self)
{
    if (PyObject_CallFinalizerFromDealloc(self) < 0) {
        return;
    }
    PyObject_GC_UnTrack(self);
    watched_clear((TracedAwaitable *)self);
    PyObject_GC_Del(self);
}

static PyAsyncMethods watched_async = {
    .am_await = PyObject_SelfIter,
    .am_send = (sendfunc)watched_send_to,
};

static PyMethodDef watched_methods[] = {
    {"send", (PyCFunction)watched_send, METH_O, NULL},
    {"throw", (PyCFunction)watched_throw, METH_VARARGS, NULL},
    {"close", (PyCFunction)watched_close, METH_NOARGS, NULL},
    {NULL},
};

PyTypeObject TracedAwaitableType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "asyncctx_trace.instrument._native.TracedAwaitable",
    .tp_basicsize = sizeof(TracedAwaitable),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_dealloc = watched_dealloc,
    .tp_traverse = (traverseproc)watched_traverse,
    .tp_clear = (inquiry)watched_clear,
    .tp_finalize = watched_finalize,
    .tp_getattro = watched_getattro,
    .tp_repr = watched_repr,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = (iternextfunc)watched_next,
    .tp_as_async = &watched_async,
    .tp_methods = watched_methods,
    .tp_doc = "Awaits what it was made of, and tells of it.",
};

/* Whether it is the result of a function with @types.coroutine. */
static int
is_coroutine_of_generator(PyObject *thing)
{
    if (!PyGen_CheckExact(thing)) {
        return 0;
    }
    PyObject *code = PyObject_GetAttrString(thing, "gi_code");
    int result = code != NULL && ((PyCodeObject *)code)->co_flags & CO_ITERABLE_COROUTINE;
    Py_XDECREF(code);
    return result;
}

static TracedAwaitable *
new_traced_awaitable(PyObject *awaitable)
{
    TracedAwaitable *self = PyObject_GC_New(TracedAwaitable, &TracedAwaitableType);
    if (self != NULL) {
        self->awaitable = Py_NewRef(awaitable);
        self->iterator = self->acquisition = self->opened = self->manager = NULL;
        self->resource = self->site = self->body_error = NULL;
        self->state = NOT_STARTED;
    }
    return self;
}

static int
is_awaitable(PyObject *thing)
{
    PyAsyncMethods *async = Py_TYPE(thing)->tp_as_async;
    return (async != NULL && async->am_await != NULL) || is_coroutine_of_generator(thing);
}

/* await_enter(awaitable, manager, resource, opened); what cannot be awaited is returned as it
   is, and the interpreter raises the error. */
PyObject *
await_enter(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (kwnames != NULL || PyVectorcall_NARGS(nargsf) != 4) {
        return call_original(self, args, nargsf, kwnames);
    }
    if (!is_awaitable(args[0])) {
        return Py_NewRef(args[0]);
    }
    TracedAwaitable *traced = new_traced_awaitable(args[0]);
    if (traced != NULL) {
        traced->manager = Py_NewRef(args[1]);
        traced->resource = Py_NewRef(args[2]);
        traced->opened = Py_NewRef(args[3]);
        PyObject_GC_Track((PyObject *)traced);
    }
    return (PyObject *)traced;
}

/* await_exit(awaitable, acquisition, body_error[, manager[, site]]) */
PyObject *
await_exit(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (kwnames != NULL || count < 3 || count > 5) {
        return call_original(self, args, nargsf, kwnames);
    }
    if (!is_awaitable(args[0])) {
        return Py_NewRef(args[0]);
    }
    TracedAwaitable *traced = new_traced_awaitable(args[0]);
    if (traced != NULL) {
        traced->acquisition = Py_NewRef(args[1]);
        traced->body_error = Py_NewRef(args[2]);
        traced->manager = Py_NewRef(count > 3 ? args[3] : Py_None);
        traced->site = Py_NewRef(count > 4 ? args[4] : zero);
        PyObject_GC_Track((PyObject *)traced);
    }
    return (PyObject *)traced;
}
