/* What the files of this extension share.

   The extension implements the hot path of `asyncctx_trace.instrument` a second time. The Python
   code is the reference: a C function handles what normally happens, and calls the Python function
   that it replaces for everything else (an error, a task or class seen for the first time, no
   sink). Everything it reads from Python it gets by one call of `bind()`; see acceleration.py. */

#ifndef ASYNCCTX_TRACE_NATIVE_H
#define ASYNCCTX_TRACE_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <structmember.h>

/* -- what Python gives to bind() ------------------------------------------------------------ */

typedef struct {
    PyObject *active;         /* the cell with the active sink */
    PyObject *disable_sink;   /* called when a sink raised */
    PyObject *count_missed;   /* called when there was no stack or memory for an event */
    PyObject *task_namespace; /* of the module with `native_task`, which is replaced */
    PyObject *tasks;          /* address of a native task -> Task */
    PyObject *kinds;          /* address of a class -> Kind */
    PyObject *by_object;      /* address of an object -> Resource */
    PyObject *by_name;        /* (kind, name) -> Resource */
    PyObject *resource_at;    /* finds or defines the resource of a manager */
    PyObject *by_code;        /* address of a code object -> offset -> site */
    PyObject *by_item;        /* address of what a pool gave -> acquisitions */
    PyObject *ignored;        /* addresses of code objects and classes */
    PyObject *ids;            /* the iterator that numbers acquisitions */
    PyObject *spawned;        /* address of a library's coroutine -> who made a task of it */
    PyObject *traced_flag;    /* int(EnterFlag.TRACED) */
    PyObject *cancelled;      /* int(Outcome.CANCELLED) */
    PyObject *awaiting_by_code; /* address of a code object -> what its suspension waits for */
    PyObject *task_kind, *future_kind; /* int(WaitKind.TASK), int(WaitKind.FUTURE) */
    PyObject *enter_started, *enter_ended, *exit_started, *exit_ended;
    PyObject *lock_begin, *lock_entered, *lock_leaving, *lock_owned; /* of lock_hooks.py */
    PyObject *site_of, *failed_exit_started, *failed_exit_ended;
} Shared;

extern Shared shared;

/* Where a class with __slots__ keeps an attribute. Reading it there spares a look-up by name. */
typedef struct {
    PyTypeObject *type;
    Py_ssize_t offset;
} Slot;

typedef struct {
    Slot active_sink, active_discovery, active_uncounted;
    Slot task_id, task_open, task_wait, task_suspended_on;
    Slot kind_manager, kind_traced, kind_itself, kind_adapter;
    Slot resource_id, resource_taken;
    Slot site_id, site_kind, site_resource;
} Slots;

extern Slots slots;

/* Positions in an Adapter, which is a named tuple. */
enum { ADAPTER_KIND = 1, ADAPTER_RESOURCE = 2 };

/* Interned names and small numbers. */
extern PyObject *s_cr_code, *s_native_task, *s_throw, *s_close;
extern PyObject *s_done, *s_fut_waiter, *s_state, *s_exception, *s_callbacks, *s_asyncio;
extern PyObject *s_enter, *s_exit, *s_acquire, *s_release;
extern PyObject *ok; /* int(Outcome.OK) */
extern PyObject *zero;

/* The attribute, borrowed; NULL with an error where `thing` is of another class. */
static inline PyObject *
slot_value(const Slot *slot, PyObject *thing)
{
    PyObject *value = NULL;
    if (Py_IS_TYPE(thing, slot->type)) {
        value = *(PyObject **)((char *)thing + slot->offset);
    }
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "not an object of this package");
    }
    return value;
}

/* Set the attribute of a `thing` of the slot's class. */
static inline void
set_slot(const Slot *slot, PyObject *thing, PyObject *value)
{
    PyObject **place = (PyObject **)((char *)thing + slot->offset);
    PyObject *before = *place;
    *place = Py_NewRef(value);
    Py_XDECREF(before);
}

/* The sink that receives events, borrowed; NULL without an error if there is none. */
static inline PyObject *
current_sink(void)
{
    PyObject *sink = slot_value(&slots.active_sink, shared.active);
    return sink == Py_None ? NULL : sink;
}

/* -- address_table.c -------------------------------------------------------------------------- */

extern PyTypeObject AddressTableType;
PyObject *by_address(PyObject *table, PyObject *thing);

/* -- tracing suspended ---------------------------------------------------------------------- */

/* How many calls of ours are running in the main thread, which alone runs handlers of signals, and
   the signals that wait for their end: bit n is signal n + 1. See `interrupts.py`. Other threads do
   not count: when their calls end, the main thread may sleep in a system call that only a signal
   interrupts. */
extern PyThreadState *main_thread;
extern int suspensions;
extern uint64_t deferred_signals;
void deliver_deferred_signals(void);

/* No sys.settrace, sys.setprofile or sys.monitoring is told of what this thread does until
   `resume_tracing`. May be nested. From CPython 3.12 on PyThreadState_EnterTracing does no more
   than this; calling it at each event would take twice the time. */
static inline PyThreadState *
suspend_tracing(void)
{
    PyThreadState *thread = PyThreadState_Get();
    suspensions += thread == main_thread;
#if PY_VERSION_HEX >= 0x030C0000
    thread->tracing++;
#else
    PyThreadState_EnterTracing(thread);
#endif
    return thread;
}

static inline void
resume_tracing(PyThreadState *thread)
{
    if (thread == main_thread && --suspensions == 0 && deferred_signals) {
        deliver_deferred_signals();
    }
#if PY_VERSION_HEX >= 0x030C0000
    thread->tracing--;
#else
    PyThreadState_LeaveTracing(thread);
#endif
}

/* -- function.c ------------------------------------------------------------------------------ */

#define FUNCTION_ARGUMENTS \
    PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames

extern PyTypeObject NativeFunctionType;
PyObject *new_function(vectorcallfunc function, PyObject *original);
void activate_functions(void);
PyObject *call_suspended(FUNCTION_ARGUMENTS);
PyObject *call_hidden(FUNCTION_ARGUMENTS);
PyObject *call_original(FUNCTION_ARGUMENTS);
void count_uncounted(void);

/* -- acquisition.c --------------------------------------------------------------------------- */

/* The states of an acquisition, as in publish.py. */
enum { ENTERING, HOLDING, LEAVING, ENDED };

typedef struct {
    PyObject_HEAD
    PyObject *id;
    PyObject *task;
    PyObject *resource;
    int state;
    int flags; /* of its exit */
} Acquisition;

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *exit;
    PyObject *acquisition;
} Exit;

extern PyTypeObject AcquisitionType, ExitType;
Acquisition *new_acquisition(PyObject *id, PyObject *task, PyObject *resource);
PyObject *new_exit(PyObject *exit, PyObject *acquisition);

/* -- publish.c ------------------------------------------------------------------------------- */

/* The events that native code delivers. */
typedef enum {
    ENTER_STARTED,
    ENTER_ENDED,
    EXIT_STARTED,
    EXIT_ENDED,
    WAIT_STARTED,
    WAIT_ENDED,
    EVENTS,
} Event;

extern Acquisition *last_exit_started;
PyObject *now(void);
PyObject *next_id(void);
PyObject *running_native(void);
PyObject *running_task(void);
PyObject *read_running_tasks_from(PyObject *module, PyObject *args);
PyObject *send_event(Event event, PyObject **args, size_t count);
int deliver(Event event, PyObject **args, size_t count);
int intern_event_names(void);
int may_fall_back(void);
PyObject *begin_acquisition(
    PyObject *sink, PyObject *manager, PyObject *resource, PyObject *site, PyObject *flags);
int publish_enter_ended(Acquisition *acquisition);
int publish_exit_started(Acquisition *acquisition, PyObject *site);
int publish_exit_ended(Acquisition *acquisition);
int handle_hook_error(void);
int is_no_room(void);
PyObject *active_sink(FUNCTION_ARGUMENTS);
PyObject *enter_started(FUNCTION_ARGUMENTS);
PyObject *enter_ended(FUNCTION_ARGUMENTS);
PyObject *exit_started(FUNCTION_ARGUMENTS);
PyObject *exit_ended(FUNCTION_ARGUMENTS);
PyObject *sink_for_enter(void);

/* -- hooks.c, awaiting.c, calls.c, locks.c, waits.c, watchdog.c ------------------------------- */

extern PyTypeObject TracedAwaitableType, LockProxyMethodType;
extern PyTypeObject PrimitiveLockProxyType, RLockProxyType, PythonLockProxyType;
int bind_lock_classes(PyObject *given);
PyObject *lock_proxy(FUNCTION_ARGUMENTS);
PyObject *begin(FUNCTION_ARGUMENTS);
PyObject *entered(FUNCTION_ARGUMENTS);
PyObject *leaving(FUNCTION_ARGUMENTS);
PyObject *await_enter(FUNCTION_ARGUMENTS);
PyObject *await_exit(FUNCTION_ARGUMENTS);
PyObject *site_at(FUNCTION_ARGUMENTS);
PyObject *task_created(FUNCTION_ARGUMENTS);
PyObject *acquire_started(FUNCTION_ARGUMENTS);
PyObject *release_started(FUNCTION_ARGUMENTS);
PyObject *return_started(FUNCTION_ARGUMENTS);
PyObject *skip_none(FUNCTION_ARGUMENTS);
PyObject *suspending(FUNCTION_ARGUMENTS);
PyObject *suspending_inside(FUNCTION_ARGUMENTS);
PyObject *scheduled(FUNCTION_ARGUMENTS);
PyObject *next_iteration(FUNCTION_ARGUMENTS);
PyObject *iterations(PyObject *module, PyObject *unused);
PyObject *start_watchdog(PyObject *module, PyObject *args);
PyObject *stop_watchdog(PyObject *module, PyObject *unused);

#endif
