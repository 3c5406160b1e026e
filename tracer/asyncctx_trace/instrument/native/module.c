/* The module: which functions are implemented here, and how they get what they read. */

#include "native.h"

Shared shared;
Slots slots;
PyObject *s_cr_code, *s_native_task, *s_throw, *s_close;
PyObject *s_done, *s_fut_waiter, *s_state, *s_exception, *s_callbacks, *s_asyncio;
PyObject *s_enter, *s_exit, *s_acquire, *s_release;
PyObject *ok, *zero;

/* -- what is implemented here, by the names of `native.ACCELERATED` -------------------------- */

static const struct {
    const char *name;
    vectorcallfunc function;
} functions[] = {
    {"sinks.active_sink", active_sink},
    {"publish.enter_started", enter_started},
    {"publish.enter_ended", enter_ended},
    {"publish.exit_started", exit_started},
    {"publish.exit_ended", exit_ended},
    {"rewriting.hooks.begin", begin},
    {"rewriting.hooks.entered", entered},
    {"rewriting.hooks.leaving", leaving},
    {"rewriting.hooks.failing", call_original},
    {"rewriting.hooks.suppressed", call_original},
    {"rewriting.hooks.passed_on", call_original},
    {"rewriting.hooks.not_cleaned", call_original},
    {"wrapping.awaiting.await_enter", await_enter},
    {"wrapping.awaiting.await_exit", await_exit},
    {"registry.sites.site_at", site_at},
    {"patches.spawned_tasks.SpawnWatch._task_created", task_created},
    {"patches.acquire_release.Watch._acquire_started", acquire_started},
    {"patches.acquire_release.Watch._acquired", skip_none},
    {"patches.acquire_release.Watch._acquire_failed", skip_none},
    {"patches.acquire_release.Watch._acquire_nowait_started", call_original},
    {"patches.acquire_release.Watch._acquired_nowait", skip_none},
    {"patches.acquire_release.Watch._acquire_nowait_failed", call_original},
    {"patches.acquire_release.Watch._release_started", release_started},
    {"patches.acquire_release.Watch._release_through_started", call_original},
    {"patches.acquire_release.Watch._released", skip_none},
    {"patches.acquire_release.Watch._release_failed", skip_none},
    {"patches.acquire_release.Watch._return_started", return_started},
    {"patches.acquire_release.Watch._returned", skip_none},
    {"patches.acquire_release.Watch._return_failed", skip_none},
    {"patches.spawned_waits.suspending_inside", suspending_inside},
    {"rewriting.lock_hooks.lock_proxy", lock_proxy},
    {"waits.await_hooks.suspending", suspending},
    {"waits.await_hooks.scheduled", scheduled},
    {"waits.watchdog.next_iteration", next_iteration},
};

static const struct {
    const char *name;
    PyTypeObject *type;
} classes[] = {
    {"publish.Acquisition", &AcquisitionType},
    {"rewriting.hooks.Exit", &ExitType},
};

static PyObject *
accelerate(PyObject *module, PyObject *args)
{
    const char *name;
    PyObject *original;
    if (!PyArg_ParseTuple(args, "sO", &name, &original)) {
        return NULL;
    }
    for (size_t index = 0; index < Py_ARRAY_LENGTH(classes); index++) {
        if (strcmp(name, classes[index].name) == 0) {
            return Py_NewRef(classes[index].type);
        }
    }
    for (size_t index = 0; index < Py_ARRAY_LENGTH(functions); index++) {
        if (strcmp(name, functions[index].name) == 0) {
            return new_function(functions[index].function, original);
        }
    }
    PyErr_Format(PyExc_LookupError, "%s has no C implementation", name);
    return NULL;
}

/* -- bind() ----------------------------------------------------------------------------------- */

#define OBJECT(name) {#name, offsetof(Shared, name)}

static const struct {
    const char *name;
    size_t offset;
} objects[] = {
    OBJECT(active),
    OBJECT(disable_sink),
    OBJECT(count_missed),
    OBJECT(task_namespace),
    OBJECT(tasks),
    OBJECT(kinds),
    OBJECT(by_object),
    OBJECT(by_name),
    OBJECT(resource_at),
    OBJECT(by_code),
    OBJECT(by_item),
    OBJECT(ignored),
    OBJECT(ids),
    OBJECT(spawned),
    OBJECT(traced_flag),
    OBJECT(cancelled),
    OBJECT(awaiting_by_code),
    OBJECT(task_kind),
    OBJECT(future_kind),
    OBJECT(enter_started),
    OBJECT(enter_ended),
    OBJECT(exit_started),
    OBJECT(exit_ended),
    OBJECT(lock_begin),
    OBJECT(lock_entered),
    OBJECT(lock_leaving),
    OBJECT(lock_owned),
    OBJECT(site_of),
    OBJECT(failed_exit_started),
    OBJECT(failed_exit_ended),
};

static const struct {
    const char *cls;
    const char *attribute;
    size_t offset;
} members[] = {
    {"ActiveSink", "sink", offsetof(Slots, active_sink)},
    {"ActiveSink", "provider_discovery", offsetof(Slots, active_discovery)},
    {"ActiveSink", "uncounted", offsetof(Slots, active_uncounted)},
    {"Task", "id", offsetof(Slots, task_id)},
    {"Task", "open", offsetof(Slots, task_open)},
    {"Task", "wait", offsetof(Slots, task_wait)},
    {"Task", "suspended_on", offsetof(Slots, task_suspended_on)},
    {"Kind", "manager", offsetof(Slots, kind_manager)},
    {"Kind", "traced", offsetof(Slots, kind_traced)},
    {"Kind", "itself", offsetof(Slots, kind_itself)},
    {"Kind", "adapter", offsetof(Slots, kind_adapter)},
    {"Resource", "id", offsetof(Slots, resource_id)},
    {"Resource", "taken", offsetof(Slots, resource_taken)},
    {"Site", "id", offsetof(Slots, site_id)},
    {"Site", "kind", offsetof(Slots, site_kind)},
    {"Site", "resource", offsetof(Slots, site_resource)},
};

static int
find_slot(Slot *slot, PyObject *type, const char *name)
{
    PyObject *member = PyObject_GetAttrString(type, name);
    if (member == NULL) {
        return -1;
    }
    int is_slot = Py_IS_TYPE(member, &PyMemberDescr_Type);
    slot->type = (PyTypeObject *)Py_NewRef(type);
    slot->offset = is_slot ? ((PyMemberDescrObject *)member)->d_member->offset : 0;
    Py_DECREF(member);
    if (!is_slot) {
        PyErr_Format(PyExc_TypeError, "%R has no slot %s", type, name);
    }
    return is_slot ? 0 : -1;
}

/* The argument `name`, borrowed; NULL with an error where it is missing. */
static PyObject *
argument(PyObject *kwargs, const char *name)
{
    PyObject *value = kwargs == NULL ? NULL : PyDict_GetItemString(kwargs, name);
    if (value == NULL && !PyErr_Occurred()) {
        PyErr_Format(PyExc_TypeError, "bind() needs %s", name);
    }
    return value;
}

static PyObject *
bind(PyObject *module, PyObject *args, PyObject *kwargs)
{
    Shared given = {0};
    Slots found = {0};
    for (size_t index = 0; index < Py_ARRAY_LENGTH(objects); index++) {
        PyObject *value = argument(kwargs, objects[index].name);
        if (value == NULL) {
            return NULL;
        }
        /* Never released: hooks may run until the process ends. */
        *(PyObject **)((char *)&given + objects[index].offset) = Py_NewRef(value);
    }
    for (size_t index = 0; index < Py_ARRAY_LENGTH(members); index++) {
        PyObject *type = argument(kwargs, members[index].cls);
        Slot *slot = (Slot *)((char *)&found + members[index].offset);
        if (type == NULL || find_slot(slot, type, members[index].attribute) < 0) {
            return NULL;
        }
    }
    PyObject *lock_classes = argument(kwargs, "lock_classes");
    if (lock_classes == NULL || bind_lock_classes(lock_classes) < 0) {
        return NULL;
    }
    shared = given;
    slots = found;
    activate_functions();
    Py_RETURN_NONE;
}

/* -- the module ------------------------------------------------------------------------------- */

static PyObject *
suspended(PyObject *module, PyObject *function)
{
    return new_function(call_suspended, function);
}

/* -- signals ---------------------------------------------------------------------------------- */

PyThreadState *main_thread;
int suspensions;
uint64_t deferred_signals;

/* The oldest thread of the main interpreter. */
static PyThreadState *
oldest_thread(void)
{
    PyThreadState *oldest = NULL;
    PyThreadState *next = PyInterpreterState_ThreadHead(PyInterpreterState_Main());
    for (; next != NULL; next = PyThreadState_Next(next)) {
        oldest = next;
    }
    return oldest;
}

/* Let the interpreter call the handlers of these signals, as soon as it runs code of the program. */
void
deliver_deferred_signals(void)
{
    uint64_t signals = deferred_signals;
    deferred_signals = 0;
    for (int number = 1; signals != 0; number++, signals >>= 1) {
        if (signals & 1) {
            PyErr_SetInterruptEx(number);
        }
    }
}

/* The hook that asks is itself called with tracing suspended. */
static PyObject *
defer_signal(PyObject *module, PyObject *value)
{
    long number = PyLong_AsLong(value);
    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (suspensions <= 1 || number < 1 || number > 64) {
        Py_RETURN_FALSE;
    }
    deferred_signals |= (uint64_t)1 << (number - 1);
    Py_RETURN_TRUE;
}

/* In a forked child: the thread that forked is the only one that is left, and runs the handlers of
   signals from now on. Nothing of ours was under way in it: a program forks, not one of our hooks.
   In the thread that was the main one, something may have been. */
static PyObject *
adopt_main_thread(PyObject *module, PyObject *unused)
{
    main_thread = PyThreadState_Get();
    suspensions = 0;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"accelerate", accelerate, METH_VARARGS,
     "accelerate(name, original): the C implementation of a function or class."},
    {"adopt_main_thread", adopt_main_thread, METH_NOARGS,
     "Take this thread, which has forked, for the one that runs handlers of signals."},
    {"bind", (PyCFunction)(void (*)(void))bind, METH_VARARGS | METH_KEYWORDS,
     "Give the C implementation all that it reads from Python, and switch it on."},
    {"defer_signal", defer_signal, METH_O,
     "defer_signal(number): whether it interrupts us, and is then raised again when we are done."},
    {"iterations", iterations, METH_NOARGS, "How many iterations of event loops have been counted."},
    {"read_running_tasks_from", read_running_tasks_from, METH_VARARGS,
     "read_running_tasks_from(tasks, running_loop): by loop, and asyncio's function for it."},
    {"suspended", suspended, METH_O,
     "The function, with tracing suspended in this thread while it runs."},
    {"start_watchdog", start_watchdog, METH_VARARGS,
     "start_watchdog(function, interval_ns): call the function from a thread, until it is stopped."},
    {"stop_watchdog", stop_watchdog, METH_NOARGS, "End the thread and wait for its end."},
    {NULL},
};

#define NAME(variable, text)                                            \
    if ((variable = PyUnicode_InternFromString(text)) == NULL) {        \
        return -1;                                                      \
    }

/* "publish.enter_started", …: all that accelerate() knows. */
static PyObject *
accelerated_names(void)
{
    PyObject *names = PyList_New(0);
    for (size_t index = 0; names != NULL; index++) {
        size_t function = index - Py_ARRAY_LENGTH(classes);
        if (index >= Py_ARRAY_LENGTH(classes) + Py_ARRAY_LENGTH(functions)) {
            break;
        }
        PyObject *name = PyUnicode_FromString(
            index < Py_ARRAY_LENGTH(classes) ? classes[index].name : functions[function].name);
        if (name == NULL || PyList_Append(names, name) < 0) {
            Py_CLEAR(names);
        }
        Py_XDECREF(name);
    }
    return names;
}

static int
execute(PyObject *module)
{
    main_thread = oldest_thread();
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "it supports the main interpreter only");
        return -1;
    }
    if (PyType_Ready(&NativeFunctionType) < 0 || PyType_Ready(&AcquisitionType) < 0
        || PyType_Ready(&ExitType) < 0 || PyType_Ready(&TracedAwaitableType) < 0
        || PyType_Ready(&LockProxyMethodType) < 0 || PyType_Ready(&PrimitiveLockProxyType) < 0
        || PyType_Ready(&AddressTableType) < 0 || PyType_Ready(&RLockProxyType) < 0 || PyType_Ready(&PythonLockProxyType) < 0) {
        return -1;
    }
    NAME(s_cr_code, "cr_code");
    NAME(s_native_task, "native_task");
    NAME(s_enter, "__enter__");
    NAME(s_exit, "__exit__");
    NAME(s_acquire, "acquire");
    NAME(s_release, "release");
    NAME(s_throw, "throw");
    NAME(s_close, "close");
    NAME(s_done, "done");
    NAME(s_fut_waiter, "_fut_waiter");
    NAME(s_state, "_state");
    NAME(s_exception, "_exception");
    NAME(s_callbacks, "_callbacks");
    NAME(s_asyncio, "_asyncio");
    if (intern_event_names() < 0) {
        return -1;
    }
    if ((ok = PyLong_FromLong(1)) == NULL || (zero = PyLong_FromLong(0)) == NULL) {
        return -1;
    }
    PyObject *caller = new_function(call_hidden, Py_None);
    PyObject *names = accelerated_names();
    int added = PyModule_AddObjectRef(module, "call_hidden", caller);
    added = added < 0 ? -1 : PyModule_AddType(module, &AddressTableType);
    added = added < 0 ? -1 : PyModule_AddObjectRef(module, "ACCELERATED", names);
    added = added < 0 ? -1 : PyModule_AddIntConstant(module, "SCHEMA", ASYNCCTX_TRACE_SCHEMA);
    added = added < 0 ? -1 : PyModule_AddIntConstant(module, "SOURCES", ASYNCCTX_TRACE_SOURCES);
    Py_XDECREF(caller);
    Py_XDECREF(names);
    return added;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "asyncctx_trace.instrument._native",
    .m_doc = "The hot path of asyncctx_trace.instrument in C.",
    .m_methods = methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
