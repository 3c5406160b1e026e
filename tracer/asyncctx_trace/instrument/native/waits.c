/* The hooks at awaits that suspend, and at what wakes tasks; see waits/await_hooks.py. */

#include "native.h"

/* Positions in an entry of `awaiting_by_code`, and in its second item. */
enum { ENTRY_CODE, ENTRY_AWAITING, ENTRY_CLASS, ENTRY_SIZE };
enum { AWAITING_KIND, AWAITING_THING, AWAITING_ATTRIBUTE, AWAITING_SIZE };
/* Members of WaitKind that are not handled here, or only in part. */
enum { KIND_FUTURE = 1, KIND_TASK, KIND_TASKS, KIND_FIRST_TASK, KIND_LOCK = 11 };

/* An attribute that a class in C computes, read without a look-up by name. */
typedef struct {
    getter get;
    void *closure;
} Attribute;

/* asyncio's own classes, which are not replaced; `future` is NULL before asyncio is imported. */
static struct {
    PyTypeObject *future, *task;
    Attribute future_state, future_exception, future_callbacks, task_state, task_waiter;
} asyncio;

static int
find_attribute(Attribute *attribute, PyObject *type, PyObject *name)
{
    PyObject *found = PyObject_GetAttr(type, name);
    int is_computed = found != NULL && Py_IS_TYPE(found, &PyGetSetDescr_Type);
    if (is_computed) {
        PyGetSetDef *definition = ((PyGetSetDescrObject *)found)->d_getset;
        attribute->get = definition->get;
        attribute->closure = definition->closure;
    }
    Py_XDECREF(found); /* the class keeps it */
    return is_computed;
}

static void
find_asyncio(void)
{
    PyObject *module = PyImport_GetModule(s_asyncio);
    PyObject *future = module == NULL ? NULL : PyObject_GetAttrString(module, "Future");
    PyObject *task = future == NULL ? NULL : PyObject_GetAttrString(module, "Task");
    if (task != NULL && PyType_Check(future) && PyType_Check(task)
        && find_attribute(&asyncio.future_state, future, s_state)
        && find_attribute(&asyncio.future_exception, future, s_exception)
        && find_attribute(&asyncio.future_callbacks, future, s_callbacks)
        && find_attribute(&asyncio.task_state, task, s_state)
        && find_attribute(&asyncio.task_waiter, task, s_fut_waiter)) {
        asyncio.task = (PyTypeObject *)Py_NewRef(task); /* never released */
        asyncio.future = (PyTypeObject *)Py_NewRef(future);
    }
    Py_XDECREF(task);
    Py_XDECREF(future);
    Py_XDECREF(module);
    PyErr_Clear();
}

static inline int
is_future(PyObject *object)
{
    if (asyncio.future == NULL) {
        find_asyncio();
    }
    return Py_IS_TYPE(object, asyncio.future);
}

static inline int
is_task(PyObject *object)
{
    if (asyncio.task == NULL) {
        find_asyncio();
    }
    return Py_IS_TYPE(object, asyncio.task);
}

static inline PyObject *
attribute_of(PyObject *object, const Attribute *attribute)
{
    return attribute->get(object, attribute->closure);
}

typedef struct {
    PyTypeObject *type;
    PyObject *found; /* borrowed */
} Search;

static int
visit(PyObject *object, void *argument)
{
    Search *search = argument;
    if (PyCell_Check(object) && PyCell_GET(object) != NULL) {
        object = PyCell_GET(object); /* a local that functions inside use, too */
    }
    if (Py_IS_TYPE(object, search->type) || PyType_IsSubtype(Py_TYPE(object), search->type)) {
        search->found = object;
        return 1;
    }
    return 0;
}

/* The first object of class `type` among the locals of a suspended coroutine, borrowed. */
static PyObject *
local_of(PyObject *coroutine, PyObject *type)
{
    Search search = {(PyTypeObject *)type, NULL};
    Py_TYPE(coroutine)->tp_traverse(coroutine, visit, &search);
    return search.found;
}

/* Whether `value` is a future that nothing but a result is known of, and no task or thread sets. */
static int
is_plain_future(PyObject *value, PyObject **kind)
{
    if (!is_future(value)) {
        return 0;
    }
    PyObject *callbacks = attribute_of(value, &asyncio.future_callbacks);
    int plain = callbacks == Py_None;
    Py_XDECREF(callbacks);
    *kind = shared.future_kind;
    return plain;
}

/* Kind and subject of the wait, borrowed; 1 for the slow path, 2 if it is not recorded. */
static int
subject_of(PyObject *task, PyObject *awaited, PyObject *value, PyObject **kind, PyObject **subject)
{
    if (!PyCoro_CheckExact(awaited)) {
        PyObject *other = by_address(shared.tasks, value);
        if (other == NULL) {
            return is_plain_future(value, kind) ? (*subject = zero, 0) : 1;
        }
        *kind = shared.task_kind;
        *subject = slot_value(&slots.task_id, other);
        return *subject == NULL;
    }
#if PY_VERSION_HEX >= 0x030C0000
    PyCodeObject *code = PyGen_GetCode((PyGenObject *)awaited);
    Py_DECREF(code); /* the coroutine keeps it */
#else
    PyCodeObject *code = ((PyCoroObject *)awaited)->cr_code;
#endif
    PyObject *entry = by_address(shared.awaiting_by_code, (PyObject *)code);
    if (entry == NULL || !PyTuple_Check(entry) || PyTuple_GET_SIZE(entry) != ENTRY_SIZE) {
        return 1;
    }
    PyObject *awaiting = PyTuple_GET_ITEM(entry, ENTRY_AWAITING);
    PyObject *type = PyTuple_GET_ITEM(entry, ENTRY_CLASS);
    if (!PyTuple_Check(awaiting) || PyTuple_GET_SIZE(awaiting) != AWAITING_SIZE) {
        return 1;
    }
    *kind = PyTuple_GET_ITEM(awaiting, AWAITING_KIND);
    long number = PyLong_AsLong(*kind);
    if (number <= KIND_FIRST_TASK) {
        return 1;
    }
    if (number == KIND_LOCK) {
        PyObject *open = slot_value(&slots.task_open, task);
        Py_ssize_t depth = open != NULL && PyList_CheckExact(open) ? PyList_GET_SIZE(open) : 0;
        PyObject *last = depth > 0 ? PyList_GET_ITEM(open, depth - 1) : NULL;
        if (last != NULL && Py_IS_TYPE(last, &AcquisitionType)
            && ((Acquisition *)last)->state == ENTERING) {
            return 2;
        }
    }
    *subject = zero;
    if (type == Py_None) {
        return 0;
    }
    PyObject *attribute = PyTuple_GET_ITEM(awaiting, AWAITING_ATTRIBUTE);
    if (!PyType_Check(type) || !PyUnicode_Check(attribute) || PyUnicode_GET_LENGTH(attribute) > 0) {
        return 1;
    }
    PyObject *thing = local_of(awaited, type);
    PyObject *resource = thing == NULL ? NULL : by_address(shared.by_object, thing);
    if (resource == NULL) {
        return 1;
    }
    *subject = slot_value(&slots.resource_id, resource);
    return *subject == NULL;
}

/* 0 if the wait has been published or needs not be, 1 for the slow path, -1 with an error. */
static int
publish_wait_started(PyObject *sink, PyObject *site_object, PyObject *awaited, PyObject *value)
{
    int result = 1;
    PyObject *kind, *subject, *site, *task_id, *wait, *before, *at = NULL, *id = NULL, *address = NULL;
    void *suspended_on;
    PyObject *task = running_task();
    if (task == NULL) {
        return 1;
    }
    if ((wait = slot_value(&slots.task_wait, task)) == NULL
        || (before = slot_value(&slots.task_suspended_on, task)) == NULL
        || (task_id = slot_value(&slots.task_id, task)) == NULL) {
        goto end;
    }
    if (wait == Py_None) {
        result = 0; /* the wakeups of the loop are not reported */
        goto end;
    }
    if (wait != zero) {
        /* An outer coroutine passes on what an inner one has yielded. */
        suspended_on = PyLong_AsVoidPtr(before);
        result = suspended_on == value ? 0 : 1;
        goto end;
    }
    if ((site = slot_value(&slots.site_id, site_object)) == NULL || site == zero
        || (result = subject_of(task, awaited, value, &kind, &subject)) != 0) {
        result = result == 2 ? 0 : 1;
        goto end;
    }
    result = 1;
    if ((at = now()) == NULL || (id = next_id()) == NULL
        || (address = PyLong_FromVoidPtr(value)) == NULL) {
        goto end;
    }
    set_slot(&slots.task_wait, task, id);
    set_slot(&slots.task_suspended_on, task, address);
    PyObject *args[] = {sink, at, id, task_id, subject, site, kind};
    result = deliver(WAIT_STARTED, args, 7);
end:
    Py_XDECREF(at);
    Py_XDECREF(id);
    Py_XDECREF(address);
    Py_DECREF(task);
    return result;
}

PyObject *
suspending(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (kwnames == NULL && PyVectorcall_NARGS(nargsf) == 3) {
        PyObject *sink = args[2] == Py_None ? NULL : current_sink();
        if (sink == NULL && !PyErr_Occurred()) {
            return Py_NewRef(Py_None);
        }
        int result = 1;
        if (sink != NULL) {
            PyThreadState *thread = suspend_tracing();
            Py_INCREF(sink);
            result = publish_wait_started(sink, args[0], args[1], args[2]);
            Py_DECREF(sink);
            resume_tracing(thread);
        }
        if (result == 0) {
            return Py_NewRef(Py_None);
        }
        if (!may_fall_back()) {
            return NULL;
        }
    }
    return call_original(self, args, nargsf, kwnames);
}

/* Most programs make no task of a library's coroutine. */
PyObject *
suspending_inside(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (PyDict_Check(shared.spawned) && PyDict_GET_SIZE(shared.spawned) == 0) {
        return Py_NewRef(Py_None);
    }
    return call_original(self, args, nargsf, kwnames);
}

/* The first character of the state of a future or task: of PENDING, CANCELLED or FINISHED. */
static Py_UCS4
initial_of(PyObject *state)
{
    Py_UCS4 initial = state != NULL && PyUnicode_Check(state) && PyUnicode_GET_LENGTH(state) > 0
                          ? PyUnicode_READ_CHAR(state, 0)
                          : 0;
    Py_XDECREF(state);
    return initial;
}

/* int(Outcome) of the future that a task waits for, borrowed; NULL if that is not seen so easily. */
static PyObject *
outcome_of_waiter(PyObject *native)
{
    PyObject *outcome = NULL;
    PyObject *future = is_task(native) ? attribute_of(native, &asyncio.task_waiter) : NULL;
    if (future != NULL && (is_future(future) || is_task(future))) {
        Py_UCS4 state = initial_of(attribute_of(future, &asyncio.future_state));
        if (state == 'C') {
            outcome = shared.cancelled;
        }
        else if (state == 'F') {
            PyObject *error = attribute_of(future, &asyncio.future_exception);
            outcome = error == Py_None ? ok : NULL;
            Py_XDECREF(error);
        }
    }
    Py_XDECREF(future);
    return outcome;
}

/* Whether the running task goes on; -1 with an error. */
static int
goes_on(PyObject *running)
{
    if (is_task(running)) {
        return initial_of(attribute_of(running, &asyncio.task_state)) == 'P';
    }
    PyObject *done = PyObject_CallMethodNoArgs(running, s_done);
    int result = done == NULL ? -1 : done == Py_False;
    Py_XDECREF(done);
    return result;
}

/* As publish_wait_started. */
static int
publish_wait_ended(PyObject *sink, PyObject *callback)
{
    int result = 1;
    PyObject *waker_id = zero, *at = NULL;
    PyObject *running = running_native();
    if (running == NULL && PyErr_Occurred()) {
        return 1;
    }
    if (running != NULL) {
        int alive = goes_on(running);
        PyObject *waker = alive == 1 ? by_address(shared.tasks, running) : NULL;
        Py_DECREF(running);
        if (alive != 1) {
            return 1; /* its end is to be published */
        }
        if (waker != NULL && (waker_id = slot_value(&slots.task_id, waker)) == NULL) {
            return 1;
        }
    }
    PyObject *native = PyCFunction_CheckExact(callback) ? PyCFunction_GET_SELF(callback)
                       : PyMethod_Check(callback)  ? PyMethod_GET_SELF(callback)
                                                   : NULL;
    PyObject *task = native == NULL ? NULL : by_address(shared.tasks, native);
    if (task == NULL) {
        return PyErr_Occurred() ? 1 : 0;
    }
    PyObject *wait = slot_value(&slots.task_wait, task), *outcome;
    if (wait == NULL || wait == zero || wait == Py_None) {
        return wait == NULL;
    }
    Py_INCREF(task);
    Py_INCREF(wait);
    Py_INCREF(waker_id);
    if ((outcome = outcome_of_waiter(native)) != NULL && (at = now()) != NULL) {
        set_slot(&slots.task_wait, task, zero);
        PyObject *args[] = {sink, at, wait, outcome, waker_id};
        result = deliver(WAIT_ENDED, args, 5);
        Py_DECREF(at);
    }
    Py_DECREF(waker_id);
    Py_DECREF(wait);
    Py_DECREF(task);
    return result;
}

PyObject *
scheduled(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (kwnames == NULL && PyVectorcall_NARGS(nargsf) == 1) {
        PyObject *sink = current_sink();
        if (sink == NULL && !PyErr_Occurred()) {
            return Py_NewRef(Py_None);
        }
        int result = 1;
        if (sink != NULL) {
            PyThreadState *thread = suspend_tracing();
            Py_INCREF(sink);
            result = publish_wait_ended(sink, args[0]);
            Py_DECREF(sink);
            resume_tracing(thread);
        }
        if (result == 0) {
            return Py_NewRef(Py_None);
        }
        if (!may_fall_back()) {
            return NULL;
        }
    }
    return call_original(self, args, nargsf, kwnames);
}
