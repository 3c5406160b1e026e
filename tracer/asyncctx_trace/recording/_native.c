/* Appends records to a mapped page: the C implementation of `writing/append.py`, which is the
   reference, and serves where nothing is compiled.

   The interpreter's lock is held from taking a slot to filling it, and nothing in between may
   release it: so one thread's record is complete before the next one's begins.

   The fields and their offsets are those of `model/event_schema.py`. A test compares `LAYOUT` of
   this module with that table, and another the bytes that both implementations write. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <structmember.h>

#include "page_guard.h"

#define SEGMENT (128 * 1024)
#define SEGMENT_HEADER 48
#define RECORD 48

enum {
    ENTER_STARTED = 1,
    ENTER_ENDED,
    EXIT_STARTED,
    EXIT_ENDED,
    TASK_ENDED,
    RELEASE_UNMATCHED,
    COLLECTED,
    WAIT_STARTED,
    WAIT_TARGET,
    WAIT_ENDED,
};

/* A record of any kind, as it lies in the file. */
typedef struct {
    uint64_t at;
    uint64_t acquisition;
    uint64_t parent;
    uint32_t task;
    uint32_t resource_or_error;
    uint32_t site;
    uint32_t manager;
    uint8_t unused[4];
    uint8_t outcome;
    uint8_t suppressed;
    uint8_t flags;
    uint8_t kind;
} Record;

_Static_assert(sizeof(Record) == RECORD, "no padding");

typedef struct {
    PyObject_HEAD
    Py_buffer page; /* page.obj is NULL while there is none */
    Py_ssize_t next;
    Py_ssize_t lost;
} Appender;

static PyObject *s_rotate, *s_intern_error, *s_note_lost;

/* -- little-endian fields ------------------------------------------------------------------ */

/* The number of digits of an int that is not negative, and of more than 2 if it is. */
static inline Py_ssize_t
digits_of(PyObject *value)
{
#if PY_VERSION_HEX >= 0x030C0000
    uintptr_t tag = ((PyLongObject *)value)->long_value.lv_tag;
    return (tag & 3) == 2 ? 3 : (Py_ssize_t)(tag >> 3);
#else
    return Py_SIZE(value) < 0 ? 3 : Py_SIZE(value);
#endif
}

#if PY_VERSION_HEX >= 0x030C0000
#define DIGIT(value, index) ((uint64_t)((PyLongObject *)(value))->long_value.ob_digit[index])
#else
#define DIGIT(value, index) ((uint64_t)((PyLongObject *)(value))->ob_digit[index])
#endif

static inline int
take_u64(PyObject *value, uint64_t *field)
{
    /* A time has two digits, and all else one: the function for any int takes 240 instructions. */
    if (PyLong_Check(value) && digits_of(value) <= 2) {
        Py_ssize_t digits = digits_of(value);
        *field = digits == 0 ? 0 : DIGIT(value, 0) | (digits == 1 ? 0 : DIGIT(value, 1) << PyLong_SHIFT);
        return 0;
    }
    unsigned long long number = PyLong_AsUnsignedLongLong(value);
    *field = number;
    return number == (unsigned long long)-1 && PyErr_Occurred() ? -1 : 0;
}

static inline int
take_u32(PyObject *value, uint32_t *field)
{
    uint64_t number;
    if (take_u64(value, &number) < 0) {
        return -1;
    }
    if (number > UINT32_MAX) {
        PyErr_Format(PyExc_OverflowError, "%R does not fit into a record", value);
        return -1;
    }
    *field = (uint32_t)number;
    return 0;
}

static inline int
take_u8(PyObject *value, uint8_t *field)
{
    uint32_t number;
    if (take_u32(value, &number) < 0) {
        return -1;
    }
    if (number > UINT8_MAX) {
        PyErr_Format(PyExc_OverflowError, "%R does not fit into a record", value);
        return -1;
    }
    *field = (uint8_t)number;
    return 0;
}

/* -- slots --------------------------------------------------------------------------------- */

static PyObject *
page_of(Appender *self)
{
    return Py_NewRef(self->page.obj == NULL ? Py_None : self->page.obj);
}

/* Put the record into the next slot, on another page if this one is full. */
static PyObject *
put(Appender *self, const Record *record)
{
    while (self->page.obj == NULL || self->next + RECORD > self->page.len) {
        PyObject *full = page_of(self);
        PyObject *rotated = PyObject_CallMethodOneArg((PyObject *)self, s_rotate, full);
        Py_DECREF(full);
        int is_there = rotated == NULL ? -1 : PyObject_IsTrue(rotated);
        Py_XDECREF(rotated);
        if (is_there < 0) {
            return NULL;
        }
        if (!is_there) {
            /* The program goes on; an acquisition is counted by its first event. If only later ones
               are missing, the recording says that events are, and since when. */
            self->lost += record->kind == ENTER_STARTED;
            return PyObject_CallMethodNoArgs((PyObject *)self, s_note_lost);
        }
    }
    char *slot = (char *)self->page.buf + self->next;
    self->next += RECORD;
    memcpy(slot, record, RECORD - 1);
#if defined(__GNUC__) || defined(__clang__)
    __atomic_store_n(slot + RECORD - 1, (char)record->kind, __ATOMIC_RELEASE);
#else
    ((volatile char *)slot)[RECORD - 1] = (char)record->kind;
#endif
    Py_RETURN_NONE;
}

static int
expect(const char *method, Py_ssize_t given, Py_ssize_t wanted)
{
    if (given == wanted) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments (%zd given)", method, wanted, given);
    return -1;
}

/* The same, but the last argument is optional. */
static int
expect_up_to(const char *method, Py_ssize_t given, Py_ssize_t most)
{
    return given == most - 1 ? 0 : expect(method, given, most);
}

static int
take_error(Appender *self, PyObject *error, Record *record)
{
    if (error == Py_None) {
        return 0;
    }
    PyObject *id = PyObject_CallMethodOneArg((PyObject *)self, s_intern_error, error);
    int result = id == NULL ? -1 : take_u32(id, &record->resource_or_error);
    Py_XDECREF(id);
    return result;
}

/* -- the events ---------------------------------------------------------------------------- */

static PyObject *
enter_started(Appender *self, PyObject *const *args, Py_ssize_t count)
{
    Record record = {.kind = ENTER_STARTED};
    if (expect_up_to("enter_started", count, 8) < 0 || take_u64(args[0], &record.at) < 0
        || take_u64(args[1], &record.acquisition) < 0 || take_u64(args[2], &record.parent) < 0
        || take_u32(args[3], &record.task) < 0 || take_u32(args[4], &record.manager) < 0
        || take_u32(args[5], &record.resource_or_error) < 0 || take_u32(args[6], &record.site) < 0
        || (count > 7 && take_u8(args[7], &record.flags) < 0)) {
        return NULL;
    }
    return put(self, &record);
}

static PyObject *
enter_ended(Appender *self, PyObject *const *args, Py_ssize_t count)
{
    Record record = {.kind = ENTER_ENDED};
    if (expect("enter_ended", count, 4) < 0 || take_u64(args[0], &record.at) < 0
        || take_u64(args[1], &record.acquisition) < 0 || take_u8(args[2], &record.outcome) < 0
        || take_error(self, args[3], &record) < 0) {
        return NULL;
    }
    return put(self, &record);
}

static PyObject *
exit_started(Appender *self, PyObject *const *args, Py_ssize_t count)
{
    Record record = {.kind = EXIT_STARTED};
    if (expect_up_to("exit_started", count, 6) < 0 || take_u64(args[0], &record.at) < 0
        || take_u64(args[1], &record.acquisition) < 0 || take_u32(args[2], &record.task) < 0
        || take_u8(args[3], &record.outcome) < 0 || take_error(self, args[4], &record) < 0
        || (count > 5 && take_u32(args[5], &record.site) < 0)) {
        return NULL;
    }
    return put(self, &record);
}

static PyObject *
exit_ended(Appender *self, PyObject *const *args, Py_ssize_t count)
{
    Record record = {.kind = EXIT_ENDED};
    if (expect_up_to("exit_ended", count, 6) < 0 || take_u64(args[0], &record.at) < 0
        || take_u64(args[1], &record.acquisition) < 0 || take_u8(args[2], &record.outcome) < 0
        || take_u8(args[3], &record.suppressed) < 0 || take_error(self, args[4], &record) < 0
        || (count > 5 && take_u8(args[5], &record.flags) < 0)) {
        return NULL;
    }
    return put(self, &record);
}

static PyObject *
task_ended(Appender *self, PyObject *const *args, Py_ssize_t count)
{
    Record record = {.kind = TASK_ENDED};
    if (expect("task_ended", count, 2) < 0 || take_u64(args[0], &record.at) < 0
        || take_u32(args[1], &record.task) < 0) {
        return NULL;
    }
    return put(self, &record);
}

static PyObject *
release_unmatched(Appender *self, PyObject *const *args, Py_ssize_t count)
{
    Record record = {.kind = RELEASE_UNMATCHED};
    if (expect("release_unmatched", count, 4) < 0 || take_u64(args[0], &record.at) < 0
        || take_u32(args[1], &record.task) < 0 || take_u32(args[2], &record.resource_or_error) < 0
        || take_u32(args[3], &record.site) < 0) {
        return NULL;
    }
    return put(self, &record);
}

static PyObject *
collected(Appender *self, PyObject *const *args, Py_ssize_t count)
{
    Record record = {.kind = COLLECTED};
    if (expect("collected", count, 2) < 0 || take_u64(args[0], &record.at) < 0
        || take_u64(args[1], &record.acquisition) < 0) {
        return NULL;
    }
    return put(self, &record);
}

static PyObject *
wait_started(Appender *self, PyObject *const *args, Py_ssize_t count)
{
    Record record = {.kind = WAIT_STARTED};
    if (expect("wait_started", count, 6) < 0 || take_u64(args[0], &record.at) < 0
        || take_u64(args[1], &record.acquisition) < 0 || take_u32(args[2], &record.task) < 0
        || take_u32(args[3], &record.resource_or_error) < 0 || take_u32(args[4], &record.site) < 0
        || take_u8(args[5], &record.flags) < 0) {
        return NULL;
    }
    return put(self, &record);
}

static PyObject *
wait_target(Appender *self, PyObject *const *args, Py_ssize_t count)
{
    Record record = {.kind = WAIT_TARGET};
    if (expect("wait_target", count, 3) < 0 || take_u64(args[0], &record.at) < 0
        || take_u64(args[1], &record.acquisition) < 0 || take_u32(args[2], &record.task) < 0) {
        return NULL;
    }
    return put(self, &record);
}

static PyObject *
wait_ended(Appender *self, PyObject *const *args, Py_ssize_t count)
{
    Record record = {.kind = WAIT_ENDED};
    if (expect("wait_ended", count, 4) < 0 || take_u64(args[0], &record.at) < 0
        || take_u64(args[1], &record.acquisition) < 0 || take_u8(args[2], &record.outcome) < 0
        || take_u32(args[3], &record.resource_or_error) < 0) {
        return NULL;
    }
    return put(self, &record);
}

/* -- pages --------------------------------------------------------------------------------- */

static PyObject *
use_page(Appender *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"page", "used", NULL};
    PyObject *page;
    Py_ssize_t used = 0;
    Py_buffer buffer = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|n", names, &page, &used)) {
        return NULL;
    }
    if (page != Py_None && PyObject_GetBuffer(page, &buffer, PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    Py_buffer before = self->page;
    self->page = buffer;
    self->next = SEGMENT_HEADER + used * RECORD;
    PyBuffer_Release(&before);
    Py_RETURN_NONE;
}

static PyObject *
append_record(Appender *self, PyObject *data)
{
    if (!PyBytes_CheckExact(data) || PyBytes_GET_SIZE(data) != RECORD) {
        PyErr_Format(PyExc_ValueError, "a record has %d bytes", RECORD);
        return NULL;
    }
    Record record;
    memcpy(&record, PyBytes_AS_STRING(data), RECORD);
    return put(self, &record);
}

static PyObject *
not_implemented(Appender *self, PyObject *argument)
{
    PyErr_SetNone(PyExc_NotImplementedError);
    return NULL;
}

static PyObject *
do_nothing(Appender *self, PyObject *ignored)
{
    Py_RETURN_NONE;
}

static void
dealloc(Appender *self)
{
    PyBuffer_Release(&self->page);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

#define EVENT(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, NULL}

static PyMethodDef appender_methods[] = {
    EVENT(enter_started),
    EVENT(enter_ended),
    EVENT(exit_started),
    EVENT(exit_ended),
    EVENT(task_ended),
    EVENT(release_unmatched),
    EVENT(collected),
    EVENT(wait_started),
    EVENT(wait_target),
    EVENT(wait_ended),
    {"use_page", (PyCFunction)(void (*)(void))use_page, METH_VARARGS | METH_KEYWORDS, NULL},
    {"append_record", (PyCFunction)append_record, METH_O, NULL},
    {"rotate", (PyCFunction)not_implemented, METH_O, NULL},
    {"intern_error", (PyCFunction)not_implemented, METH_O, NULL},
    {"note_lost", (PyCFunction)do_nothing, METH_NOARGS, NULL},
    {NULL},
};

static PyObject *
get_page(Appender *self, void *closure)
{
    return page_of(self);
}

static PyGetSetDef appender_properties[] = {
    {"page", (getter)get_page, NULL, NULL, NULL},
    {NULL},
};

static PyMemberDef appender_members[] = {
    {"lost", T_PYSSIZET, offsetof(Appender, lost), 0, NULL},
    {NULL},
};

static PyTypeObject AppenderType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "asyncctx_trace.recording._native.RecordAppender",
    .tp_basicsize = sizeof(Appender),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)dealloc,
    .tp_methods = appender_methods,
    .tp_getset = appender_properties,
    .tp_members = appender_members,
    .tp_doc = "Writes each event into the next slot of a page, its kind last.",
};

/* -- the module ---------------------------------------------------------------------------- */

static PyObject *
accelerate(PyObject *module, PyObject *args)
{
    const char *name;
    PyObject *original;
    if (!PyArg_ParseTuple(args, "sO", &name, &original)) {
        return NULL;
    }
    if (strcmp(name, "writing.append.RecordAppender") != 0) {
        PyErr_Format(PyExc_LookupError, "%s has no C implementation", name);
        return NULL;
    }
    return Py_NewRef(&AppenderType);
}

/* The clock itself: Python's function for it may have been replaced. */
static PyObject *
monotonic_ns(PyObject *module, PyObject *ignored)
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

/* What this module was compiled with, for comparison with the event schema. */
static PyObject *
layout(void)
{
#define AT(field) #field, (int)offsetof(Record, field), (int)sizeof(((Record *)0)->field)
    return Py_BuildValue(
        "{s:{s:i,s:i,s:i},s:{s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i},"
        "s:{s:(ii),s:(ii),s:(ii),s:(ii),s:(ii),s:(ii),s:(ii),s:(ii),s:(ii),s:(ii),s:(ii)}}",
        "sizes", "record", RECORD, "segment", SEGMENT, "segment_header", SEGMENT_HEADER,
        "kinds", "ENTER_STARTED", ENTER_STARTED, "ENTER_ENDED", ENTER_ENDED,
        "EXIT_STARTED", EXIT_STARTED, "EXIT_ENDED", EXIT_ENDED, "TASK_ENDED", TASK_ENDED,
        "RELEASE_UNMATCHED", RELEASE_UNMATCHED, "COLLECTED", COLLECTED,
        "WAIT_STARTED", WAIT_STARTED, "WAIT_TARGET", WAIT_TARGET, "WAIT_ENDED", WAIT_ENDED,
        "fields", AT(at), AT(acquisition), AT(parent), AT(task), AT(resource_or_error), AT(site),
        AT(manager), AT(outcome), AT(suppressed), AT(flags), AT(kind));
#undef AT
}

static PyMethodDef methods[] = {
    {"monotonic_ns", monotonic_ns, METH_NOARGS, "The monotonic clock in ns."},
    {"accelerate", accelerate, METH_VARARGS,
     "accelerate(name, original): the C implementation of a class."},
    PAGE_GUARD_METHODS
    {NULL},
};

static int
execute(PyObject *module)
{
    if (PY_BIG_ENDIAN) {
        PyErr_SetString(PyExc_ImportError, "asyncctx_trace.recording._native supports little-endian machines only");
        return -1;
    }
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "asyncctx_trace.recording._native supports the main interpreter only");
        return -1;
    }
    if ((s_rotate = PyUnicode_InternFromString("rotate")) == NULL
        || (s_intern_error = PyUnicode_InternFromString("intern_error")) == NULL
        || (s_note_lost = PyUnicode_InternFromString("note_lost")) == NULL) {
        return -1;
    }
    if (PyType_Ready(&AppenderType) < 0) {
        return -1;
    }
    PyObject *compiled_with = layout();
    int added = PyModule_AddObjectRef(module, "LAYOUT", compiled_with);
    added = added < 0 ? -1 : PyModule_AddIntConstant(module, "SCHEMA", ASYNCCTX_TRACE_SCHEMA);
    added = added < 0 ? -1 : PyModule_AddIntConstant(module, "SOURCES", ASYNCCTX_TRACE_SOURCES);
    Py_XDECREF(compiled_with);
    return added;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "asyncctx_trace.recording._native",
    .m_doc = "Appends records to a mapped page.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
