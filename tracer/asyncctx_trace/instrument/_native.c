/* The moments and marks of an acquisition that goes well, and gates before `pairs`, compiled.

   What stands here does what `lifecycle.py` and `marks.py` say, which are the reference and serve
   where nothing is compiled. Whatever is out of the ordinary (an error, a task or a class seen
   for the first time, nobody who listens) is handed to the Python function that the compiled
   one stands in for: each first asks whether it may go the short way.

   The functions are objects of a type of their own and not builtins: `sys.setprofile` tells of
   every call of a builtin, and of these it shall not. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

/* -- what is known of the rooms beside this one ------------------------------------------- */

static PyObject *active;    /* sinks.active: the cell with the sink */
static PyObject *tasks;     /* the dict of module `tasks`: `native_task` changes */
static PyObject *seen;      /* address of a native task -> Task */
static PyObject *kinds;     /* address of a class -> Kind */
static PyObject *by_object; /* address of an object -> Resource */
static PyObject *by_name;   /* kind, name -> Resource */
static PyObject *ids;       /* lifecycle._ids */
static PyObject *passed;    /* spawned._passed: address of a code or a class -> reference */
static PyObject *by_code;   /* sites._by_code: address of a code -> reference, places */
static PyObject *by_item;   /* releases._by_item: address of what a pool gave -> acquisitions */
static PyObject *switch_off, *missed;
static PyObject *at_place;  /* resources.at_place */
static PyObject *ok;        /* int(Outcome.OK) */
static PyObject *zero;
static PyObject *traced_flag; /* int(EnterFlag.TRACED) */

static PyObject *s_cr_code, *s_native_task;
static PyObject *s_throw, *s_close;
static PyObject *s_enter_started, *s_enter_ended, *s_exit_started, *s_exit_ended;

/* Places in an Adapter, which is a named tuple. */
enum { ADAPTER_KIND = 1, ADAPTER_RESOURCE = 2 };

/* Where a class with __slots__ keeps an attribute. To read it there spares a look-up by name. */
typedef struct {
    PyTypeObject *type;
    Py_ssize_t offset;
} Slot;

static Slot task_id_, task_open, kind_manager, kind_traced, kind_itself, kind_adapter;
static Slot active_sink, active_discovery;
static Slot place_site, place_known, place_resource, resource_id, resource_taken;

/* The attribute, borrowed; NULL with an error where `thing` is of another class. */
static PyObject *
get(const Slot *slot, PyObject *thing)
{
    PyObject *value = NULL;
    if (Py_IS_TYPE(thing, slot->type)) {
        value = *(PyObject **)((char *)thing + slot->offset);
    }
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "not an object of ours");
    }
    return value;
}

static int
find_slot(Slot *slot, PyObject *type, const char *name)
{
    PyObject *member = PyObject_GetAttrString(type, name);
    if (member == NULL) {
        return -1;
    }
    int is_one = Py_IS_TYPE(member, &PyMemberDescr_Type);
    slot->type = (PyTypeObject *)Py_NewRef(type);
    slot->offset = is_one ? ((PyMemberDescrObject *)member)->d_member->offset : 0;
    Py_DECREF(member);
    if (!is_one) {
        PyErr_Format(PyExc_ImportError, "%R has no slot %s", type, name);
    }
    return is_one ? 0 : -1;
}

/* -- tracing suspended --------------------------------------------------------------------- */

/* Nobody hears of what this thread does until `go_on`: neither sys.settrace nor sys.setprofile
   nor sys.monitoring. May be nested. From CPython 3.12 on PyThreadState_EnterTracing does no more
   than this; to call it at each moment would take twice the time. */
static inline PyThreadState *
suspend(void)
{
    PyThreadState *thread = PyThreadState_Get();
#if PY_VERSION_HEX >= 0x030C0000
    thread->tracing++;
#else
    PyThreadState_EnterTracing(thread);
#endif
    return thread;
}

static inline void
go_on(PyThreadState *thread)
{
#if PY_VERSION_HEX >= 0x030C0000
    thread->tracing--;
#else
    PyThreadState_LeaveTracing(thread);
#endif
}

/* -- a function that a profiler is not told of --------------------------------------------- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *stands_in_for; /* the function in Python */
} Moment;

static void
moment_dealloc(PyObject *self)
{
    Py_XDECREF(((Moment *)self)->stands_in_for);
    PyObject_Free(self);
}

static PyObject *
moment_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<compiled %R>", ((Moment *)self)->stands_in_for);
}

static PyObject *
moment_get(PyObject *self, PyObject *object, PyObject *type)
{
    return object == NULL || object == Py_None ? Py_NewRef(self) : PyMethod_New(self, object);
}

static PyTypeObject MomentType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "asyncctx_trace.instrument._native.Moment",
    .tp_basicsize = sizeof(Moment),
    .tp_dealloc = moment_dealloc,
    .tp_repr = moment_repr,
    .tp_call = PyVectorcall_Call,
    .tp_descr_get = moment_get,
    .tp_vectorcall_offset = offsetof(Moment, vectorcall),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_doc = "A function that neither tracers nor profilers are told of.",
};

static PyObject *
new_moment(vectorcallfunc function, PyObject *stands_in_for)
{
    Moment *moment = PyObject_New(Moment, &MomentType);
    if (moment != NULL) {
        moment->vectorcall = function;
        moment->stands_in_for = Py_NewRef(stands_in_for);
    }
    return (PyObject *)moment;
}

/* The Python function, with tracing suspended. */
static PyObject *
call_suspended(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyThreadState *thread = suspend();
    PyObject *done = PyObject_Vectorcall(((Moment *)self)->stands_in_for, args, nargsf, kwnames);
    go_on(thread);
    return done;
}

/* The first argument called with the others, and tracing suspended. */
static PyObject *
call_first_suspended(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (count < 1) {
        PyErr_SetString(PyExc_TypeError, "quietly() takes a function to call");
        return NULL;
    }
    PyThreadState *thread = suspend();
    PyObject *done = PyObject_Vectorcall(args[0], args + 1, (size_t)(count - 1), kwnames);
    go_on(thread);
    return done;
}

/* The long way: let the Python function do it, from the start. Where the program is at the end of
   its stack, there may be no room even to begin: then nothing is told of. */
static PyObject *
otherwise(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *done = call_suspended(self, args, nargsf, kwnames);
    if (done == NULL && PyErr_ExceptionMatches(PyExc_RecursionError)) {
        PyErr_Clear();
        done = Py_NewRef(Py_None);
    }
    return done;
}

/* -- the objects that an acquisition leaves behind ----------------------------------------- */

#define KEPT 64

/* Freed objects of one type, for the next ones: half of what an object costs is its memory. */
typedef struct {
    PyObject *objects[KEPT];
    int count;
} Pool;

static Pool acquisitions, exits;

/* A new object, not tracked yet by the garbage collector. */
static PyObject *
from_pool(Pool *pool, PyTypeObject *type)
{
    if (pool->count > 0) {
        return PyObject_Init(pool->objects[--pool->count], type);
    }
    return PyObject_GC_New(PyObject, type);
}

static void
into_pool(Pool *pool, PyObject *object)
{
    if (pool->count < KEPT) {
        pool->objects[pool->count++] = object;
    }
    else {
        PyObject_GC_Del(object);
    }
}

/* The states of an acquisition, as in `lifecycle.py`. */
enum { ENTERING, HOLDING, LEAVING, ENDED };

typedef struct {
    PyObject_HEAD
    PyObject *id;
    PyObject *task;
    PyObject *resource;
    int state;
    int flags; /* of its exit */
} Acquisition;

static PyTypeObject AcquisitionType;

static Acquisition *
new_acquisition(PyObject *id, PyObject *task, PyObject *resource)
{
    Acquisition *self = (Acquisition *)from_pool(&acquisitions, &AcquisitionType);
    if (self != NULL) {
        self->id = Py_NewRef(id);
        self->task = Py_NewRef(task);
        self->resource = Py_NewRef(resource);
        self->state = ENTERING;
        self->flags = 0;
        PyObject_GC_Track(self);
    }
    return self;
}

static PyObject *
acquisition_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"id", "task", "resource", NULL};
    PyObject *id, *task, *resource;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO", names, &id, &task, &resource)) {
        return NULL;
    }
    return (PyObject *)new_acquisition(id, task, resource);
}

static int
acquisition_traverse(Acquisition *self, visitproc visit, void *arg)
{
    Py_VISIT(self->id);
    Py_VISIT(self->task);
    Py_VISIT(self->resource);
    return 0;
}

static void
acquisition_dealloc(Acquisition *self)
{
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->id);
    Py_XDECREF(self->task);
    Py_XDECREF(self->resource);
    into_pool(&acquisitions, (PyObject *)self);
}

static PyMemberDef acquisition_members[] = {
    {"id", T_OBJECT_EX, offsetof(Acquisition, id), 0, NULL},
    {"task", T_OBJECT_EX, offsetof(Acquisition, task), READONLY, NULL},
    {"resource", T_OBJECT_EX, offsetof(Acquisition, resource), READONLY, NULL},
    {"state", T_INT, offsetof(Acquisition, state), 0, NULL},
    {"flags", T_INT, offsetof(Acquisition, flags), 0, NULL},
    {NULL},
};

/* No tp_clear: a cycle through it is broken at the task's list of what is open. */
static PyTypeObject AcquisitionType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "asyncctx_trace.instrument._native.Acquisition",
    .tp_basicsize = sizeof(Acquisition),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = acquisition_new,
    .tp_dealloc = (destructor)acquisition_dealloc,
    .tp_traverse = (traverseproc)acquisition_traverse,
    .tp_members = acquisition_members,
    .tp_doc = "One pass of one task through one manager.",
};

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *exit;
    PyObject *acquisition;
} Exit;

static PyTypeObject ExitType;

static PyObject *
exit_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return PyObject_Vectorcall(((Exit *)self)->exit, args, nargsf, kwnames);
}

static PyObject *
new_exit(PyObject *exit, PyObject *acquisition)
{
    Exit *self = (Exit *)from_pool(&exits, &ExitType);
    if (self != NULL) {
        self->vectorcall = exit_call;
        self->exit = Py_NewRef(exit);
        self->acquisition = Py_NewRef(acquisition);
        PyObject_GC_Track(self);
    }
    return (PyObject *)self;
}

static int
exit_traverse(Exit *self, visitproc visit, void *arg)
{
    Py_VISIT(self->exit);
    Py_VISIT(self->acquisition);
    return 0;
}

static void
exit_dealloc(Exit *self)
{
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->exit);
    Py_XDECREF(self->acquisition);
    into_pool(&exits, (PyObject *)self);
}

static PyMemberDef exit_members[] = {
    {"func", T_OBJECT_EX, offsetof(Exit, exit), READONLY, NULL}, /* as of a partial */
    {"acquisition", T_OBJECT_EX, offsetof(Exit, acquisition), READONLY, NULL},
    {NULL},
};

/* No tp_clear: a cycle through it is broken at what it refers to. */
static PyTypeObject ExitType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "asyncctx_trace.instrument._native.Exit",
    .tp_basicsize = sizeof(Exit),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_dealloc = (destructor)exit_dealloc,
    .tp_traverse = (traverseproc)exit_traverse,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(Exit, vectorcall),
    .tp_members = exit_members,
    .tp_doc = "The manager's bound __aexit__ with the acquisition that it will end.",
};

/* -- small words --------------------------------------------------------------------------- */

static PyObject *
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

/* The entry for the address of `thing`, borrowed; NULL without an error if there is none. */
static PyObject *
by_address(PyObject *table, PyObject *thing)
{
    PyObject *key = PyLong_FromVoidPtr(thing);
    if (key == NULL) {
        return NULL;
    }
    PyObject *found = PyDict_GetItemWithError(table, key);
    Py_DECREF(key);
    return found;
}

/* Who listens, borrowed; NULL without an error where nobody does, or one must look first. */
static PyObject *
listening(void)
{
    PyObject *sink = get(&active_sink, active);
    return sink == Py_None ? NULL : sink;
}

/* The task that runs, if it is known; NULL without an error if that takes the long way. */
static PyObject *
running(void)
{
    PyObject *ask = PyDict_GetItemWithError(tasks, s_native_task);
    if (ask == NULL) {
        return NULL;
    }
    Py_INCREF(ask);
    PyObject *native = PyObject_CallNoArgs(ask);
    Py_DECREF(ask);
    if (native == NULL) {
        if (PyErr_ExceptionMatches(PyExc_Exception)) {
            PyErr_Clear();
        }
        return NULL;
    }
    PyObject *task = by_address(seen, native);
    Py_XINCREF(task);
    Py_DECREF(native);
    return task;
}

/* A sink has raised, or there was no room: the program goes on. -1 for what must go through,
   such as an interrupt. */
static int
survive(PyObject *sink)
{
    if (PyErr_ExceptionMatches(PyExc_RecursionError) || PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear();
        PyObject *noted = PyObject_CallOneArg(missed, sink);
        Py_XDECREF(noted);
        if (noted != NULL) {
            return 0;
        }
        if (!PyErr_ExceptionMatches(PyExc_Exception)) {
            return -1;
        }
        PyErr_Clear(); /* there is no room for the call either */
        return 0;
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
    PyObject *done = PyObject_CallFunctionObjArgs(switch_off, sink, error, NULL);
    Py_DECREF(error);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Tell `sink`, which is args[0], of a moment, with tracing suspended; -1 for what must go through. */
static int
tell(PyObject *moment, PyObject **args, size_t count)
{
    PyObject *sink = Py_NewRef(args[0]);
    PyObject *done = PyObject_VectorcallMethod(moment, args, count, NULL);
    int result = done == NULL ? survive(sink) : 0;
    Py_XDECREF(done);
    Py_DECREF(sink);
    return result;
}

/* -- the four moments ---------------------------------------------------------------------- */

/* New reference to the acquisition; NULL without an error if it takes the long way. `flags` may be
   NULL. */
static PyObject *
begun(PyObject *sink, PyObject *manager, PyObject *resource, PyObject *site, PyObject *flags)
{
    PyObject *result = NULL, *id = NULL, *at = NULL, *open, *task_id;
    Acquisition *acquisition = NULL;
    PyObject *task = running();
    if (task == NULL) {
        return NULL;
    }
    if ((open = get(&task_open, task)) == NULL || !PyList_CheckExact(open)
        || (task_id = get(&task_id_, task)) == NULL
        || (id = PyIter_Next(ids)) == NULL
        || (acquisition = new_acquisition(id, task, resource)) == NULL || (at = now()) == NULL) {
        goto end;
    }
    Py_ssize_t depth = PyList_GET_SIZE(open);
    PyObject *outer = depth > 0 ? PyList_GET_ITEM(open, depth - 1) : NULL;
    PyObject *parent = Py_NewRef(outer == NULL ? zero : ((Acquisition *)outer)->id);
    PyObject *args[] = {sink, at, id, parent, task_id, manager, resource, site, flags};
    size_t count = flags == NULL ? 8 : 9;
    PyObject *done = PyObject_VectorcallMethod(s_enter_started, args, count, NULL);
    if (done == NULL) {
        result = survive(sink) < 0 ? NULL : Py_NewRef(Py_None);
    }
    else if (PyList_Append(open, (PyObject *)acquisition) < 0) {
        PyErr_Clear(); /* it has been told of: not once more, the long way */
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

/* Whether the long way may be taken instead: it comes upon the same error, and deals with it.
   Not for what must go through, such as an interrupt. */
static int
give_way(void)
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

static PyObject *
enter_started(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *sink = listening();
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (sink != NULL && kwnames == NULL && (count == 3 || count == 4)) {
        Py_INCREF(sink);
        PyThreadState *thread = suspend();
        PyObject *acquisition = begun(
            sink, args[0], args[1], args[2], count == 4 ? args[3] : NULL);
        go_on(thread);
        Py_DECREF(sink);
        if (acquisition != NULL || !give_way()) {
            return acquisition;
        }
    }
    return otherwise(self, args, nargsf, kwnames);
}

static int
tell_enter_ended(Acquisition *acquisition)
{
    acquisition->state = HOLDING;
    PyObject *sink = listening();
    if (sink == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *at = now();
    if (at == NULL) {
        return -1;
    }
    PyObject *args[] = {sink, at, acquisition->id, ok, Py_None};
    PyThreadState *thread = suspend();
    int result = tell(s_enter_ended, args, 5);
    go_on(thread);
    Py_DECREF(at);
    return result;
}

/* Whether the first argument is an acquisition of ours and all others say that nothing failed. */
static int
went_well(PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (kwnames != NULL || count < 1 || !Py_IS_TYPE(args[0], &AcquisitionType)) {
        return 0;
    }
    return (count < 2 || args[1] == Py_None) && (count < 3 || args[2] == Py_False);
}

static PyObject *
enter_ended(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (!went_well(args, nargsf, kwnames) || listening() == NULL) {
        return otherwise(self, args, nargsf, kwnames);
    }
    return tell_enter_ended((Acquisition *)args[0]) < 0 ? NULL : Py_NewRef(Py_None);
}

/* The acquisition whose exit began last. */
static Acquisition *last_left;

/* `site` is NULL for the end of an `async with`. -1 with an error, 1 if it takes the long way. */
static int
tell_exit_started(Acquisition *acquisition, PyObject *site)
{
    if (acquisition->state == ENDED) {
        return 1;
    }
    acquisition->state = LEAVING;
    Py_XSETREF(last_left, (Acquisition *)Py_NewRef(acquisition));
    PyThreadState *thread = suspend();
    PyObject *at = now(), *task = NULL, *sink, *task_id;
    int result = 1;
    if (at != NULL && (task = running()) != NULL && (sink = listening()) != NULL
        && (task_id = get(&task_id_, task)) != NULL) {
        PyObject *args[] = {sink, at, acquisition->id, task_id, ok, Py_None, site};
        result = tell(s_exit_started, args, site == NULL ? 6 : 7);
    }
    else if (PyErr_Occurred()) {
        result = -1;
    }
    go_on(thread);
    Py_XDECREF(at);
    Py_XDECREF(task);
    return result;
}

static PyObject *
exit_started(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *site = count == 3 ? args[2] : NULL;
    if (count < 4 && went_well(args, count == 3 ? 2 : count, kwnames)) {
        int result = tell_exit_started((Acquisition *)args[0], site);
        if (result <= 0) {
            return result < 0 ? NULL : Py_NewRef(Py_None);
        }
    }
    return otherwise(self, args, nargsf, kwnames);
}

static int
tell_exit_ended(Acquisition *acquisition)
{
    int result = -1;
    PyObject *sink, *open, *flags = NULL, *at = now();
    if (at == NULL || (open = get(&task_open, acquisition->task)) == NULL) {
        goto end;
    }
    Py_ssize_t place = PyList_CheckExact(open) ? PyList_GET_SIZE(open) - 1 : -1;
    while (place >= 0 && PyList_GET_ITEM(open, place) != (PyObject *)acquisition) {
        place--; /* it ends before what it was entered before */
    }
    if (place >= 0 && PyList_SetSlice(open, place, place + 1, NULL) < 0) {
        goto end;
    }
    sink = listening();
    if (sink == NULL) {
        result = PyErr_Occurred() ? -1 : 0;
        goto end;
    }
    if (acquisition->flags != 0 && (flags = PyLong_FromLong(acquisition->flags)) == NULL) {
        goto end;
    }
    PyObject *args[] = {sink, at, acquisition->id, ok, Py_False, Py_None, flags};
    PyThreadState *thread = suspend();
    result = tell(s_exit_ended, args, flags == NULL ? 6 : 7);
    go_on(thread);
end:
    Py_XDECREF(flags);
    Py_XDECREF(at);
    return result;
}

static PyObject *
exit_ended(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (!went_well(args, nargsf, kwnames) || listening() == NULL
        || ((Acquisition *)args[0])->state == ENDED) {
        return otherwise(self, args, nargsf, kwnames);
    }
    ((Acquisition *)args[0])->state = ENDED;
    Py_INCREF(args[0]);
    int result = tell_exit_ended((Acquisition *)args[0]);
    Py_DECREF(args[0]);
    return result < 0 ? NULL : Py_NewRef(Py_None);
}

/* -- the marks ----------------------------------------------------------------------------- */

/* What an adapter reads off `manager`, if that is known: an object, or the name that all such
   managers share; borrowed. NULL without an error if it takes the long way. */
static PyObject *
read_off(PyObject *adapter, PyObject *manager)
{
    PyObject *known = NULL, *key, *thing = NULL;
    if (PyTuple_Check(adapter) && PyTuple_GET_SIZE(adapter) > ADAPTER_RESOURCE) {
        thing = PyObject_CallOneArg(PyTuple_GET_ITEM(adapter, ADAPTER_RESOURCE), manager);
    }
    if (thing == NULL) {
        if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_Exception)) {
            PyErr_Clear(); /* the long way comes upon it as well */
        }
        return NULL;
    }
    if (!PyUnicode_CheckExact(thing)) {
        known = by_address(by_object, thing);
    }
    else if ((key = PyTuple_Pack(2, PyTuple_GET_ITEM(adapter, ADAPTER_KIND), thing)) != NULL) {
        known = PyDict_GetItemWithError(by_name, key);
        Py_DECREF(key);
    }
    Py_DECREF(thing);
    return known;
}

/* The id of the resource, a new reference; as `begin` and `at_place` find it. */
static PyObject *
resource_at(PyObject *place, PyObject *manager, PyObject *kind)
{
    PyObject *known = get(&place_known, place), *itself = get(&kind_itself, kind), *adapter;
    if (known == NULL || itself == NULL || (adapter = get(&kind_adapter, kind)) == NULL) {
        return NULL;
    }
    PyObject *resource = known == kind ? get(&place_resource, place) : zero;
    if (resource == NULL || resource != zero) {
        return Py_XNewRef(resource);
    }
    if (itself == Py_True) {
        known = by_address(by_object, manager);
    }
    else {
        Py_INCREF(adapter);
        known = read_off(adapter, manager);
        Py_DECREF(adapter);
    }
    if (known != NULL) {
        return Py_XNewRef(get(&resource_id, known));
    }
    return PyErr_Occurred() ? NULL
                            : PyObject_CallFunctionObjArgs(at_place, place, manager, kind, NULL);
}

/* New reference to the ticket; NULL without an error if it takes the long way. */
static PyObject *
ticket_for(PyObject *sink, PyObject *place, PyObject *manager)
{
    PyObject *kind = by_address(kinds, (PyObject *)Py_TYPE(manager));
    PyObject *id, *traced, *site, *resource, *ticket = NULL;
    if (kind == NULL || (id = get(&kind_manager, kind)) == NULL
        || (traced = get(&kind_traced, kind)) == NULL || (site = get(&place_site, place)) == NULL) {
        return NULL;
    }
    if (traced == Py_True || id == zero) {
        return Py_NewRef(Py_None);
    }
    if (site == zero) {
        return NULL;
    }
    Py_INCREF(kind);
    Py_INCREF(id);
    Py_INCREF(site);
    if ((resource = resource_at(place, manager, kind)) != NULL) {
        ticket = begun(sink, id, resource, site, NULL);
        Py_DECREF(resource);
    }
    Py_DECREF(site);
    Py_DECREF(id);
    Py_DECREF(kind);
    return ticket;
}

/* As sinks.active_sink, borrowed; NULL without an error where nobody listens. */
static PyObject *
heard(void)
{
    PyObject *discovery = get(&active_discovery, active);
    if (discovery != NULL && discovery != Py_None) {
        Py_INCREF(discovery);
        PyObject *looked = PyObject_CallNoArgs(discovery);
        Py_DECREF(discovery);
        if (looked == NULL) {
            return NULL;
        }
        Py_DECREF(looked);
    }
    return listening();
}

static PyObject *
begin(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (kwnames == NULL && PyVectorcall_NARGS(nargsf) == 2) {
        PyObject *ticket = NULL;
        PyThreadState *thread = suspend();
        PyObject *sink = heard();
        if (sink != NULL) {
            Py_INCREF(sink);
            ticket = ticket_for(sink, args[0], args[1]);
            Py_DECREF(sink);
        }
        go_on(thread);
        if (sink != NULL) {
            /* it is told, or takes the long way */
        }
        else if (PyErr_Occurred() == NULL) {
            return Py_NewRef(Py_None);
        }
        if (ticket != NULL || !give_way()) {
            return ticket;
        }
    }
    return otherwise(self, args, nargsf, kwnames);
}

static PyObject *
entered(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (PyVectorcall_NARGS(nargsf) != 2 || !Py_IS_TYPE(args[1], &AcquisitionType)) {
        return Py_NewRef(args[0]);
    }
    if (tell_enter_ended((Acquisition *)args[1]) < 0) {
        return NULL;
    }
    return new_exit(args[0], args[1]);
}

static PyObject *
leaving(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (!Py_IS_TYPE(args[0], &ExitType)) {
        return Py_NewRef(Py_None);
    }
    PyObject *acquisition = Py_NewRef(((Exit *)args[0])->acquisition);
    int result = tell_exit_started((Acquisition *)acquisition, NULL);
    if (result == 0) {
        return acquisition;
    }
    Py_DECREF(acquisition);
    return result < 0 ? NULL : otherwise(self, args, nargsf, kwnames);
}

/* -- an awaitable that is watched ----------------------------------------------------------- */

/* What `careful.py` knows: the four moments, and what is done besides when something failed. */
static PyObject *on_enter_started, *on_enter_ended, *on_exit_started, *on_exit_ended;
static PyObject *site_of, *failed_exit_started, *failed_exit_ended;

/* Where a watched awaitable is. */
enum { NOT_STARTED, STARTED, OVER };

/* Awaits what a manager gave for entering it, or leaving it, and tells of its first step and its
   last. No frame of ours is below that of what it awaits, and nobody hears of it. Otherwise it
   looks like what it awaits. */
typedef struct {
    PyObject_HEAD
    PyObject *awaitable;
    PyObject *iterator; /* what it is advanced by, from the first step on */
    PyObject *acquisition;
    PyObject *opened; /* of an enter: what gets the acquisition; NULL for an exit */
    PyObject *manager, *resource; /* of an enter: ids; of an exit: the manager, or None */
    PyObject *site;               /* of an exit that begins by a call */
    PyObject *body_error;         /* of an exit, or None */
    int state;
} Watched;

static PyTypeObject WatchedType;

/* The site at which the program's frame stands, a new reference; as `_site_of` finds it. */
static PyObject *
current_site(void)
{
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL) {
        return Py_NewRef(zero);
    }
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *known = by_address(by_code, (PyObject *)code), *place = NULL;
    Py_DECREF(code);
    if (known != NULL && PyTuple_CheckExact(known) && PyTuple_GET_SIZE(known) == 2) {
        PyObject *offset = PyLong_FromLong(PyFrame_GetLasti(frame));
        if (offset != NULL) {
            place = PyDict_GetItemWithError(PyTuple_GET_ITEM(known, 1), offset);
            Py_DECREF(offset);
        }
    }
    if (place != NULL) {
        return Py_XNewRef(get(&place_site, place));
    }
    return PyErr_Occurred() ? NULL : PyObject_CallOneArg(site_of, (PyObject *)frame);
}

static PyObject *
begin_enter(Watched *self)
{
    PyObject *site = current_site();
    if (site == NULL) {
        return NULL;
    }
    PyObject *args[] = {self->manager, self->resource, site, traced_flag};
    PyObject *acquisition = PyObject_Vectorcall(on_enter_started, args, 4, NULL);
    Py_DECREF(site);
    return acquisition;
}

static int
watched_start(Watched *self)
{
    if (self->state != NOT_STARTED) {
        return 0;
    }
    self->state = STARTED;
    PyThreadState *thread = suspend();
    PyObject *done;
    if (self->opened != NULL) {
        done = begin_enter(self);
        Py_XSETREF(self->acquisition, Py_XNewRef(done));
    }
    else if (self->body_error == Py_None) {
        PyObject *args[] = {self->acquisition, Py_None, self->site};
        done = PyObject_Vectorcall(on_exit_started, args, 3, NULL);
    }
    else {
        done = PyObject_CallFunctionObjArgs(failed_exit_started, self->acquisition,
                                            self->body_error, self->manager, self->site, NULL);
    }
    go_on(thread);
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

/* New reference; NULL for what must go through, such as an interrupt. */
static PyObject *
tell_end(Watched *self, PyObject *value, PyObject *error)
{
    PyObject *acquisition = self->acquisition;
    if (acquisition == NULL || acquisition == Py_None) {
        return Py_NewRef(Py_None);
    }
    if (self->opened == NULL) {
        if (error == NULL && self->body_error == Py_None) {
            return PyObject_CallOneArg(on_exit_ended, acquisition);
        }
        return PyObject_CallFunctionObjArgs(failed_exit_ended, acquisition, self->body_error,
                                            value == NULL ? Py_None : value,
                                            error == NULL ? Py_None : error, NULL);
    }
    if (error != NULL) {
        return PyObject_CallFunctionObjArgs(on_enter_ended, acquisition, error, NULL);
    }
    PyObject *opened = PyObject_CallOneArg(self->opened, acquisition);
    if (opened == NULL) {
        return NULL;
    }
    Py_DECREF(opened);
    return PyObject_CallOneArg(on_enter_ended, acquisition);
}

/* It has come to its end, with `value`, or with the error that is set. */
static int
watched_end(Watched *self, PyObject *value)
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
    PyThreadState *thread = suspend();
    PyObject *done = tell_end(self, value, error);
    go_on(thread);
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
watched_result(Watched *self, PySendResult result, PyObject **value)
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
watched_send_to(Watched *self, PyObject *sent, PyObject **value)
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
watched_send(Watched *self, PyObject *sent)
{
    PyObject *value;
    PySendResult result = watched_send_to(self, sent, &value);
    return watched_step(result, value);
}

static PyObject *
watched_next(Watched *self)
{
    return watched_send(self, Py_None);
}

static PyObject *
watched_throw(Watched *self, PyObject *args)
{
    PyObject *inner = self->iterator == NULL ? self->awaitable : self->iterator;
    PyObject *throw = PyObject_GetAttr(inner, s_throw), *value = NULL;
    if (throw == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear(); /* an iterator of another kind: what is thrown comes out of it */
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
watched_close(Watched *self, PyObject *nothing)
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
    Watched *self = (Watched *)object;
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
    PyObject *awaitable = ((Watched *)object)->awaitable;
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
    return PyObject_Repr(((Watched *)self)->awaitable);
}

static int
watched_traverse(Watched *self, visitproc visit, void *arg)
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
watched_clear(Watched *self)
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
    watched_clear((Watched *)self);
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

static PyTypeObject WatchedType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "asyncctx_trace.instrument._native.Watched",
    .tp_basicsize = sizeof(Watched),
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

/* Whether it comes from a function with @types.coroutine. */
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

static Watched *
new_watched(PyObject *awaitable)
{
    Watched *self = PyObject_GC_New(Watched, &WatchedType);
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

/* await_enter(awaitable, manager, resource, opened); what cannot be awaited comes back as it is,
   for the interpreter to complain about. */
static PyObject *
await_enter(PyObject *moment, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (kwnames != NULL || PyVectorcall_NARGS(nargsf) != 4) {
        return otherwise(moment, args, nargsf, kwnames);
    }
    if (!is_awaitable(args[0])) {
        return Py_NewRef(args[0]);
    }
    Watched *self = new_watched(args[0]);
    if (self != NULL) {
        self->manager = Py_NewRef(args[1]);
        self->resource = Py_NewRef(args[2]);
        self->opened = Py_NewRef(args[3]);
        PyObject_GC_Track((PyObject *)self);
    }
    return (PyObject *)self;
}

/* await_exit(awaitable, acquisition, body_error[, manager[, site]]) */
static PyObject *
await_exit(PyObject *moment, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (kwnames != NULL || count < 3 || count > 5) {
        return otherwise(moment, args, nargsf, kwnames);
    }
    if (!is_awaitable(args[0])) {
        return Py_NewRef(args[0]);
    }
    Watched *self = new_watched(args[0]);
    if (self != NULL) {
        self->acquisition = Py_NewRef(args[1]);
        self->body_error = Py_NewRef(args[2]);
        self->manager = Py_NewRef(count > 3 ? args[3] : Py_None);
        self->site = Py_NewRef(count > 4 ? args[4] : zero);
        PyObject_GC_Track((PyObject *)self);
    }
    return (PyObject *)self;
}

/* -- sites ---------------------------------------------------------------------------------- */

/* The place at which a frame stands now, if somebody has been there. */
static PyObject *
entered_at(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (kwnames == NULL && PyVectorcall_NARGS(nargsf) == 1 && PyFrame_Check(args[0])) {
        PyCodeObject *code = PyFrame_GetCode((PyFrameObject *)args[0]);
        PyObject *known = by_address(by_code, (PyObject *)code), *place = NULL;
        if (known != NULL && PyTuple_Check(known) && PyTuple_GET_SIZE(known) == 2) {
            PyObject *at = PyLong_FromLong(PyFrame_GetLasti((PyFrameObject *)args[0]));
            if (at != NULL) {
                place = Py_XNewRef(PyDict_GetItemWithError(PyTuple_GET_ITEM(known, 1), at));
                Py_DECREF(at);
            }
        }
        Py_DECREF(code);
        if (place != NULL || !give_way()) {
            return place;
        }
    }
    return otherwise(self, args, nargsf, kwnames);
}

/* -- the gate before `spawned` --------------------------------------------------------------- */

/* Of what a task is made, a coroutine or a future: nothing is to be noted of most. */
static PyObject *
look(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (kwnames == NULL && PyVectorcall_NARGS(nargsf) == 1) {
        PyObject *kind = PyCoro_CheckExact(args[0]) ? PyObject_GetAttr(args[0], s_cr_code)
                                                    : Py_NewRef(Py_TYPE(args[0]));
        PyObject *known = kind == NULL ? NULL : by_address(passed, kind);
        Py_XDECREF(kind);
        if (known != NULL) {
            return Py_NewRef(args[0]);
        }
        if (!give_way()) {
            return NULL;
        }
    }
    return otherwise(self, args, nargsf, kwnames);
}

/* -- the gates before `pairs` --------------------------------------------------------------- */

/* The frame that called the method that runs, a new reference; NULL if there is none. */
static PyFrameObject *
caller_of_method(void)
{
    PyFrameObject *method = PyEval_GetFrame();
    return method == NULL ? NULL : PyFrame_GetBack(method);
}

/* Whether that is `__aenter__` or the like in the method's own module: then somebody else tells
   of it. Anything less plain is for `callers.outer`. */
static int
is_inside(PyFrameObject *caller)
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

/* The Python function, which is told who has called the method: it takes a thing, perhaps its
   holder, and the frame. Gives up the reference to `caller`. */
static PyObject *
with_caller(PyObject *self, PyObject *const *args, size_t nargsf, PyFrameObject *caller)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *more[] = {args[0], count > 1 ? args[1] : Py_None, (PyObject *)caller};
    PyObject *done = otherwise(self, more, caller == NULL ? 2 : 3, NULL);
    Py_XDECREF(caller);
    return done;
}

static PyObject *
asked(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyFrameObject *caller = caller_of_method();
    if (is_inside(caller)) {
        Py_DECREF(caller);
        return Py_NewRef(Py_None);
    }
    return with_caller(self, args, nargsf, caller);
}

/* Whether a block of this resource is being left: its exit releases it at once. */
static int
is_left(PyObject *resource)
{
    PyObject *id = get(&resource_id, resource);
    return id != NULL && last_left != NULL && last_left->state == LEAVING
           && (last_left->resource == id
               || PyObject_RichCompareBool(last_left->resource, id, Py_EQ) == 1);
}

static PyObject *
releasing(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *resource = by_address(by_object, args[0]);
    PyObject *taken = resource == NULL ? NULL : get(&resource_taken, resource);
    int by_call = taken != NULL && PyList_CheckExact(taken) && PyList_GET_SIZE(taken) > 0;
    /* Nobody has acquired it at all, or an `async with` has, which is told of by itself. */
    if (resource == NULL || (!by_call && is_left(resource))) {
        return give_way() ? Py_NewRef(Py_None) : NULL;
    }
    PyFrameObject *caller = caller_of_method();
    if (!by_call && is_inside(caller)) {
        Py_DECREF(caller);
        return Py_NewRef(Py_None);
    }
    return with_caller(self, args, nargsf, caller);
}

static PyObject *
returning(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    /* What the pool gave comes last. */
    if (kwnames == NULL && count > 0 && by_address(by_item, args[count - 1]) == NULL
        && give_way()) {
        return Py_NewRef(Py_None);
    }
    return PyErr_Occurred() ? NULL : otherwise(self, args, nargsf, kwnames);
}

/* For what goes on where the first argument, a ticket, says that nothing was begun. */
static PyObject *
unless_none(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (PyVectorcall_NARGS(nargsf) > 0 && args[0] == Py_None) {
        return Py_NewRef(Py_None);
    }
    return otherwise(self, args, nargsf, kwnames);
}

/* -- the module ---------------------------------------------------------------------------- */

static const struct {
    const char *name;
    vectorcallfunc function;
} moments[] = {
    {"enter_started", enter_started},
    {"enter_ended", enter_ended},
    {"exit_started", exit_started},
    {"exit_ended", exit_ended},
    {"begin", begin},
    {"entered", entered},
    {"leaving", leaving},
    {"failing", otherwise},
    {"suppressed", otherwise},
    {"passed_on", otherwise},
    {"not_cleaned", otherwise},
    {"entered_at", entered_at},
    {"_look", look},
    {"_asked", asked},
    {"_got", unless_none},
    {"_releasing", releasing},
    {"_releasing_other", otherwise},
    {"_asked_now", otherwise},
    {"_got_now", unless_none},
    {"_not_got", otherwise},
    {"_released", unless_none},
    {"_failed", unless_none},
    {"_not_released", unless_none},
    {"_not_returned", unless_none},
    {"_returning", returning},
    {"_returned", unless_none},
    {"await_enter", await_enter},
    {"await_exit", await_exit},
};

/* Attribute `name` of the module `room` of this package. */
static PyObject *
of(const char *room, const char *name)
{
    PyObject *imported = PyImport_ImportModule(room);
    PyObject *found = imported == NULL ? NULL : PyObject_GetAttrString(imported, name);
    Py_XDECREF(imported);
    return found;
}

#define ROOM(name) "asyncctx_trace.instrument." name

/* What `name` stands for in the module of a function or method. */
static PyObject *
global_of(PyObject *function, const char *name)
{
    if (PyMethod_Check(function)) {
        function = PyMethod_GET_FUNCTION(function);
    }
    return PyMapping_GetItemString(PyFunction_GET_GLOBALS(function), name);
}

/* What the module of `await_exit` has. */
static int
bind_awaiting(PyObject *function)
{
    const struct {
        PyObject **variable;
        const char *name;
    } wanted[] = {
        {&on_enter_started, "enter_started"},
        {&on_enter_ended, "enter_ended"},
        {&on_exit_started, "exit_started"},
        {&on_exit_ended, "exit_ended"},
        {&site_of, "_site_of"},
        {&failed_exit_started, "_failed_exit_started"},
        {&failed_exit_ended, "_failed_exit_ended"},
    };
    for (size_t index = 0; index < Py_ARRAY_LENGTH(wanted); index++) {
        if ((*wanted[index].variable = global_of(function, wanted[index].name)) == NULL) {
            return -1;
        }
    }
    Py_XSETREF(by_code, of(ROOM("registry.sites"), "_by_code"));
    return by_code == NULL ? -1 : 0;
}

static int bind(void);

static PyObject *
stand_in(PyObject *module, PyObject *original)
{
    if (active == NULL && bind() < 0) {
        return NULL;
    }
    PyObject *name = PyObject_GetAttrString(original, "__name__");
    if (name == NULL) {
        return NULL;
    }
    PyObject *found = NULL;
    if (PyUnicode_CompareWithASCIIString(name, "Acquisition") == 0) {
        found = Py_NewRef(&AcquisitionType);
    }
    else if (PyUnicode_CompareWithASCIIString(name, "Exit") == 0) {
        found = Py_NewRef(&ExitType);
    }
    for (size_t index = 0; found == NULL && index < Py_ARRAY_LENGTH(moments); index++) {
        if (PyUnicode_CompareWithASCIIString(name, moments[index].name) == 0) {
            if (moments[index].function == enter_started) {
                Py_XSETREF(ids, global_of(original, "_ids")); /* both ways count on */
            }
            else if (moments[index].function == look) {
                Py_XSETREF(passed, global_of(original, "_passed"));
            }
            else if (moments[index].function == entered_at) {
                Py_XSETREF(by_code, global_of(original, "_by_code"));
            }
            else if (moments[index].function == await_exit && bind_awaiting(original) < 0) {
                break;
            }
            else if (moments[index].function == returning) {
                Py_XSETREF(by_item, of(ROOM("registry.open_acquisitions"), "_by_item"));
            }
            found = new_moment(moments[index].function, original);
            break;
        }
    }
    if (found == NULL && !PyErr_Occurred()) {
        PyErr_Format(PyExc_LookupError, "nothing is compiled for %R", original);
    }
    Py_DECREF(name);
    return found;
}

static PyObject *
suspended(PyObject *module, PyObject *function)
{
    return new_moment(call_suspended, function);
}

static PyMethodDef methods[] = {
    {"stand_in", stand_in, METH_O, "What does the same as a function or class, compiled."},
    {"suspended", suspended, METH_O, "The function, with tracing suspended while it runs."},
    {NULL},
};

#define HAVE(variable, expression)            \
    if ((variable = (expression)) == NULL) {  \
        return -1;                            \
    }

#define SLOT(variable, name)                     \
    if (find_slot(&variable, type, name) < 0) {  \
        return -1;                               \
    }

/* Once the modules are there whose insides it looks into. */
static int
bind(void)
{
    PyObject *cell;
    HAVE(cell, of(ROOM("sinks"), "active"));
    HAVE(switch_off, of(ROOM("sinks"), "disable_sink"));
    HAVE(missed, of(ROOM("sinks"), "count_missed"));
    HAVE(tasks, of(ROOM("registry.tasks"), "__dict__"));
    HAVE(seen, of(ROOM("registry.tasks"), "_tasks"));
    HAVE(kinds, of(ROOM("registry.resources"), "_kinds"));
    HAVE(by_object, of(ROOM("registry.resources"), "_by_object"));
    HAVE(by_name, of(ROOM("registry.resources"), "_by_name"));
    HAVE(at_place, of(ROOM("registry.resources"), "at_place"));
    HAVE(ok, PyLong_FromLong(1)); /* int(Outcome.OK) */
    HAVE(zero, PyLong_FromLong(0));
    HAVE(traced_flag, of(ROOM("publish"), "TRACED"));
    PyObject *type;
    HAVE(type, of(ROOM("sinks"), "ActiveSink"));
    SLOT(active_sink, "sink");
    SLOT(active_discovery, "provider_discovery");
    HAVE(type, of(ROOM("registry.tasks"), "Task"));
    SLOT(task_id_, "id");
    SLOT(task_open, "open");
    HAVE(type, of(ROOM("registry.resources"), "Kind"));
    SLOT(kind_manager, "manager");
    SLOT(kind_traced, "traced");
    SLOT(kind_itself, "itself");
    SLOT(kind_adapter, "adapter");
    HAVE(type, of(ROOM("registry.resources"), "Resource"));
    SLOT(resource_id, "id");
    SLOT(resource_taken, "taken");
    HAVE(type, of(ROOM("registry.sites"), "Place"));
    SLOT(place_site, "site");
    SLOT(place_known, "known");
    SLOT(place_resource, "resource");
    HAVE(s_cr_code, PyUnicode_InternFromString("cr_code"));
    HAVE(s_native_task, PyUnicode_InternFromString("native_task"));
    HAVE(s_enter_started, PyUnicode_InternFromString("enter_started"));
    HAVE(s_enter_ended, PyUnicode_InternFromString("enter_ended"));
    HAVE(s_exit_started, PyUnicode_InternFromString("exit_started"));
    HAVE(s_exit_ended, PyUnicode_InternFromString("exit_ended"));
    active = cell; /* last: it says that all is there */
    return 0;
}

static int
execute(PyObject *module)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "compiled for the main interpreter alone");
        return -1;
    }
    if (PyType_Ready(&MomentType) < 0 || PyType_Ready(&AcquisitionType) < 0
        || PyType_Ready(&ExitType) < 0 || PyType_Ready(&WatchedType) < 0) {
        return -1;
    }
    HAVE(s_throw, PyUnicode_InternFromString("throw"));
    HAVE(s_close, PyUnicode_InternFromString("close"));
    PyObject *quietly;
    HAVE(quietly, new_moment(call_first_suspended, Py_None));
    return PyModule_AddObject(module, "quietly", quietly);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "asyncctx_trace.instrument._native",
    .m_doc = "The moments and marks of an acquisition that goes well, compiled.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
