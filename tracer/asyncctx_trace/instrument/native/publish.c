/* The four events of an acquisition whose phases succeed; see publish.py. */

#include "native.h"

PyObject *
now(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyTime_t at;
    if (PyTime_Monotonic(&at) < 0) {
        return NULL;
    }
    return PyLong_FromLongLong(at);
#else
    return PyLong_FromLongLong(_PyTime_GetMonotonicClock());
#endif
}

/* Where asyncio keeps its running tasks, and its function for the running loop; NULL until asyncio
   is imported, and on CPython 3.14 and later, where the function that is called is as fast. */
static PyObject *running_tasks, *running_loop;

PyObject *
read_running_tasks_from(PyObject *module, PyObject *args)
{
    PyObject *tasks, *loop;
    if (!PyArg_ParseTuple(args, "O!O!", &PyDict_Type, &tasks, &PyCFunction_Type, &loop)) {
        return NULL;
    }
    if (PyCFunction_GET_FLAGS(loop) == METH_NOARGS) {
        running_tasks = Py_NewRef(tasks); /* never released */
        running_loop = Py_NewRef(loop);
    }
    Py_RETURN_NONE;
}

/* As running_native, where asyncio says it. */
static PyObject *
running_native_of_asyncio(void)
{
    Py_ssize_t count = PyDict_GET_SIZE(running_tasks), position = 0;
    if (count == 0) {
        return NULL;
    }
    PyObject *loop = PyCFunction_GET_FUNCTION(running_loop)(PyCFunction_GET_SELF(running_loop), NULL);
    PyObject *native = NULL, *of_loop;
    if (loop != NULL && loop != Py_None) {
        if (count > 1 || !PyDict_Next(running_tasks, &position, &of_loop, &native) || of_loop != loop) {
            native = PyDict_GetItemWithError(running_tasks, loop);
        }
        Py_XINCREF(native);
    }
    Py_XDECREF(loop);
    return native;
}

static PyObject *
running_native_by_call(void)
{
    PyObject *ask = PyDict_GetItemWithError(shared.task_namespace, s_native_task);
    if (ask == NULL) {
        return NULL;
    }
    Py_INCREF(ask);
    PyObject *native = PyObject_CallNoArgs(ask);
    Py_DECREF(ask);
    return native;
}

/* The task object of the library that runs, a new reference; NULL without an error for none. */
PyObject *
running_native(void)
{
    PyObject *native = running_tasks == NULL ? running_native_by_call() : running_native_of_asyncio();
    if (native == NULL) {
        if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_Exception)) {
            PyErr_Clear();
        }
        return NULL;
    }
    if (native == Py_None) {
        Py_CLEAR(native);
    }
    return native;
}

/* The running task, a new reference; NULL without an error if only the Python code finds it. */
PyObject *
running_task(void)
{
    PyObject *native = running_native();
    PyObject *task = native == NULL ? NULL : by_address(shared.tasks, native);
    Py_XINCREF(task);
    Py_XDECREF(native);
    return task;
}

/* Whether the error that is set says that the program is at the end of its stack or memory. */
int
is_no_room(void)
{
    return PyErr_ExceptionMatches(PyExc_RecursionError) || PyErr_ExceptionMatches(PyExc_MemoryError);
}

/* Count an event of which the sink, if there is one, could not be told; sets no error. */
void
count_uncounted(void)
{
    PyObject *before, *one = PyLong_FromLong(1), *sum = NULL;
    if (one != NULL && shared.active != NULL && current_sink() != NULL
        && (before = slot_value(&slots.active_uncounted, shared.active)) != NULL) {
        sum = PyNumber_Add(before, one);
    }
    if (sum != NULL) {
        set_slot(&slots.active_uncounted, shared.active, sum);
        Py_DECREF(sum);
    }
    Py_XDECREF(one);
    PyErr_Clear();
}

/* Have `sink`, which may be NULL, count an event for which there was no stack or memory; the
   program goes on. -1 for an error that must reach the program, such as an interrupt. */
static int
miss_event(PyObject *sink)
{
    PyErr_Clear();
    if (sink == NULL) {
        return 0;
    }
    PyObject *noted = PyObject_CallOneArg(shared.count_missed, sink);
    Py_XDECREF(noted);
    if (noted != NULL) {
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return -1;
    }
    count_uncounted(); /* no stack or memory for this call either */
    return 0;
}

/* Handle an error of ours in a hook, as miss_event does; -1 for any other one. */
int
handle_hook_error(void)
{
    if (!is_no_room()) {
        return -1;
    }
    PyErr_Clear(); /* before anything else is called */
    PyObject *sink = current_sink();
    PyErr_Clear();
    return miss_event(sink);
}

/* Handle what a sink raised, so that the program goes on. -1 for an error that must reach the
   program, such as an interrupt. */
static int
handle_sink_error(PyObject *sink)
{
    if (is_no_room()) {
        return miss_event(sink);
    }
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return -1;
    }
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *error = PyErr_GetRaisedException();
#else
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(error, traceback);
        Py_DECREF(traceback);
    }
    Py_XDECREF(type);
#endif
    PyObject *done = PyObject_CallFunctionObjArgs(shared.disable_sink, sink, error, NULL);
    Py_DECREF(error);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static const char *const event_names[EVENTS] = {
    "enter_started", "enter_ended", "exit_started", "exit_ended", "wait_started", "wait_ended",
};
static PyObject *event_names_interned[EVENTS];

int
intern_event_names(void)
{
    for (int event = 0; event < EVENTS; event++) {
        if ((event_names_interned[event] = PyUnicode_InternFromString(event_names[event])) == NULL) {
            return -1;
        }
    }
    return 0;
}

typedef PyObject *(*FastMethod)(PyObject *, PyObject *const *, Py_ssize_t);

/* The methods in C of the sink that received the last event, which are called without a look-up. */
static struct {
    PyObject *sink; /* its address only */
    PyTypeObject *type;
    unsigned int version; /* of the type, which another one has once an attribute was set */
    FastMethod methods[EVENTS];
} known_sink;

/* The method in C for an event, NULL without an error if that is not one with positional arguments. */
static FastMethod
method_in_c(PyObject *sink, PyObject *name)
{
    FastMethod found = NULL;
    PyObject *of_type = PyObject_GetAttr((PyObject *)Py_TYPE(sink), name);
    /* Only then: `__getattr__` of another sink may do anything. */
    PyObject *method = of_type != NULL && Py_IS_TYPE(of_type, &PyMethodDescr_Type)
                           ? PyObject_GetAttr(sink, name)
                           : NULL;
    if (method != NULL && PyCFunction_CheckExact(method) && PyCFunction_GET_SELF(method) == sink
        && PyCFunction_GET_FLAGS(method) == METH_FASTCALL) {
        found = (FastMethod)(void (*)(void))PyCFunction_GET_FUNCTION(method);
    }
    PyErr_Clear();
    Py_XDECREF(method);
    Py_XDECREF(of_type);
    return found;
}

static void
look_up_methods(PyObject *sink)
{
    for (int event = 0; event < EVENTS; event++) {
        known_sink.methods[event] = method_in_c(sink, event_names_interned[event]);
    }
    known_sink.sink = sink;
    known_sink.type = Py_TYPE(sink);
    known_sink.version = Py_TYPE(sink)->tp_version_tag;
}

/* Call the method of the sink args[0] for the event. */
PyObject *
send_event(Event event, PyObject **args, size_t count)
{
    PyObject *sink = args[0];
    if (sink != known_sink.sink || Py_TYPE(sink) != known_sink.type
        || Py_TYPE(sink)->tp_version_tag != known_sink.version) {
        look_up_methods(sink);
    }
    FastMethod method = known_sink.methods[event];
    return method != NULL ? method(sink, args + 1, (Py_ssize_t)count - 1)
                          : PyObject_VectorcallMethod(event_names_interned[event], args, count, NULL);
}

/* Deliver an event to the sink args[0], while tracing is suspended; -1 for an error that must reach
   the program. */
int
deliver(Event event, PyObject **args, size_t count)
{
    PyObject *sink = Py_NewRef(args[0]);
    PyObject *done = send_event(event, args, count);
    int result = done == NULL ? handle_sink_error(sink) : 0;
    Py_XDECREF(done);
    Py_DECREF(sink);
    return result;
}

/* As sinks.active_sink, borrowed; NULL without an error if there is no sink. */
PyObject *
sink_for_enter(void)
{
    PyObject *discovery = slot_value(&slots.active_discovery, shared.active);
    if (discovery != NULL && discovery != Py_None) {
        Py_INCREF(discovery);
        PyObject *discovered = PyObject_CallNoArgs(discovery);
        Py_DECREF(discovery);
        if (discovered == NULL) {
            return NULL;
        }
        Py_DECREF(discovered);
    }
    return current_sink();
}

PyObject *
active_sink(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyThreadState *thread = suspend_tracing();
    PyObject *sink = sink_for_enter();
    resume_tracing(thread);
    if (sink != NULL) {
        return Py_NewRef(sink);
    }
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

PyObject *
next_id(void)
{
    return Py_TYPE(shared.ids)->tp_iternext(shared.ids); /* it has no end */
}

/* Publish the beginning of an enter. A new reference to the acquisition; NULL without an error to
   fall back to the Python code. `flags` may be NULL. */
PyObject *
begin_acquisition(PyObject *sink, PyObject *manager, PyObject *resource, PyObject *site, PyObject *flags)
{
    PyObject *result = NULL, *id = NULL, *at = NULL, *open, *task_id;
    Acquisition *acquisition = NULL;
    PyObject *task = running_task();
    if (task == NULL) {
        return NULL;
    }
    if ((open = slot_value(&slots.task_open, task)) == NULL || !PyList_CheckExact(open)
        || (task_id = slot_value(&slots.task_id, task)) == NULL
        || (id = next_id()) == NULL
        || (acquisition = new_acquisition(id, task, resource)) == NULL || (at = now()) == NULL) {
        goto end;
    }
    Py_ssize_t depth = PyList_GET_SIZE(open);
    PyObject *outer = depth > 0 ? PyList_GET_ITEM(open, depth - 1) : NULL;
    PyObject *parent = Py_NewRef(outer == NULL ? zero : ((Acquisition *)outer)->id);
    PyObject *args[] = {sink, at, id, parent, task_id, manager, resource, site, flags};
    size_t count = flags == NULL ? 8 : 9;
    PyObject *done = send_event(ENTER_STARTED, args, count);
    if (done == NULL) {
        result = handle_sink_error(sink) < 0 ? NULL : Py_NewRef(Py_None);
    }
    else if (PyList_Append(open, (PyObject *)acquisition) < 0) {
        PyErr_Clear(); /* the event was published: the Python code must not repeat it */
        result = Py_NewRef(Py_None);
    }
    else {
        result = Py_NewRef(acquisition);
    }
    Py_XDECREF(done);
    Py_DECREF(parent);
end:
    Py_XDECREF(at);
    Py_XDECREF(acquisition);
    Py_XDECREF(id);
    Py_DECREF(task);
    return result;
}

/* Whether the Python code may run instead: it comes upon the same error, and handles it. Not for
   errors that must reach the program, such as an interrupt. */
int
may_fall_back(void)
{
    if (PyErr_Occurred() == NULL) {
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return 0;
    }
    PyErr_Clear();
    return 1;
}

PyObject *
enter_started(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *sink = current_sink();
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (sink != NULL && kwnames == NULL && (count == 3 || count == 4)) {
        Py_INCREF(sink);
        PyThreadState *thread = suspend_tracing();
        PyObject *acquisition = begin_acquisition(
            sink, args[0], args[1], args[2], count == 4 ? args[3] : NULL);
        resume_tracing(thread);
        Py_DECREF(sink);
        if (acquisition != NULL || !may_fall_back()) {
            return acquisition;
        }
    }
    return call_original(self, args, nargsf, kwnames);
}

int
publish_enter_ended(Acquisition *acquisition)
{
    acquisition->state = HOLDING;
    PyObject *sink = current_sink();
    if (sink == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *at = now();
    if (at == NULL) {
        return handle_hook_error();
    }
    PyObject *args[] = {sink, at, acquisition->id, ok, Py_None};
    PyThreadState *thread = suspend_tracing();
    int result = deliver(ENTER_ENDED, args, 5);
    resume_tracing(thread);
    Py_DECREF(at);
    return result;
}

/* Whether the first argument is an acquisition, and the others say that nothing failed. */
static int
is_success(PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (kwnames != NULL || count < 1 || !Py_IS_TYPE(args[0], &AcquisitionType)) {
        return 0;
    }
    return (count < 2 || args[1] == Py_None) && (count < 3 || args[2] == Py_False);
}

PyObject *
enter_ended(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (!is_success(args, nargsf, kwnames) || current_sink() == NULL) {
        return call_original(self, args, nargsf, kwnames);
    }
    return publish_enter_ended((Acquisition *)args[0]) < 0 ? NULL : Py_NewRef(Py_None);
}

/* The acquisition whose exit began last. */
Acquisition *last_exit_started;

/* `site` is NULL for the end of an `async with`. -1 with an error, 1 to fall back to the Python
   code. */
int
publish_exit_started(Acquisition *acquisition, PyObject *site)
{
    if (acquisition->state == ENDED) {
        return 1;
    }
    acquisition->state = LEAVING;
    Py_XSETREF(last_exit_started, (Acquisition *)Py_NewRef(acquisition));
    PyThreadState *thread = suspend_tracing();
    PyObject *at = now(), *task = NULL, *sink, *task_id;
    int result = 1;
    if (at != NULL && (task = running_task()) != NULL && (sink = current_sink()) != NULL
        && (task_id = slot_value(&slots.task_id, task)) != NULL) {
        PyObject *args[] = {sink, at, acquisition->id, task_id, ok, Py_None, site};
        result = deliver(EXIT_STARTED, args, site == NULL ? 6 : 7);
    }
    else if (PyErr_Occurred()) {
        result = handle_hook_error();
    }
    resume_tracing(thread);
    Py_XDECREF(at);
    Py_XDECREF(task);
    return result;
}

PyObject *
exit_started(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *site = count == 3 ? args[2] : NULL;
    if (count < 4 && is_success(args, count == 3 ? 2 : count, kwnames)) {
        int result = publish_exit_started((Acquisition *)args[0], site);
        if (result <= 0) {
            return result < 0 ? NULL : Py_NewRef(Py_None);
        }
    }
    return call_original(self, args, nargsf, kwnames);
}

int
publish_exit_ended(Acquisition *acquisition)
{
    int result = -1;
    PyObject *sink, *flags = NULL, *at = NULL, *open = slot_value(&slots.task_open, acquisition->task);
    if (open == NULL) {
        goto end;
    }
    Py_ssize_t position = PyList_CheckExact(open) ? PyList_GET_SIZE(open) - 1 : -1;
    while (position >= 0 && PyList_GET_ITEM(open, position) != (PyObject *)acquisition) {
        position--; /* acquisitions need not end in reverse order */
    }
    if (position >= 0 && PyList_SetSlice(open, position, position + 1, NULL) < 0) {
        goto end;
    }
    sink = current_sink();
    if (sink == NULL) {
        result = PyErr_Occurred() ? -1 : 0;
        goto end;
    }
    if ((at = now()) == NULL) {
        goto end;
    }
    if (acquisition->flags != 0 && (flags = PyLong_FromLong(acquisition->flags)) == NULL) {
        goto end;
    }
    PyObject *args[] = {sink, at, acquisition->id, ok, Py_False, Py_None, flags};
    PyThreadState *thread = suspend_tracing();
    result = deliver(EXIT_ENDED, args, flags == NULL ? 6 : 7);
    resume_tracing(thread);
end:
    if (result < 0 && PyErr_Occurred()) {
        result = handle_hook_error();
    }
    Py_XDECREF(flags);
    Py_XDECREF(at);
    return result;
}

PyObject *
exit_ended(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (!is_success(args, nargsf, kwnames) || current_sink() == NULL
        || ((Acquisition *)args[0])->state == ENDED) {
        return call_original(self, args, nargsf, kwnames);
    }
    ((Acquisition *)args[0])->state = ENDED;
    Py_INCREF(args[0]);
    int result = publish_exit_ended((Acquisition *)args[0]);
    Py_DECREF(args[0]);
    return result < 0 ? NULL : Py_NewRef(Py_None);
}
