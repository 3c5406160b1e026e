/* Facts put into the slots of a mapped page, compiled: what `stamping.py` says, which is the
   reference and serves where nothing is compiled.

   The interpreter's lock is held from taking a slot to filling it, and nothing in between may
   let go of it: so one thread's fact is whole before the next one's begins. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <structmember.h>

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
};

/* A record as it lies in the file; see `format.py`. */
typedef struct {
    uint64_t at;
    uint64_t acquisition;
    uint64_t parent;
    uint32_t task;
    uint32_t word; /* the resource, or the error */
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
} Stamper;

static PyObject *s_turn, *s_words_of, *s_note_lost;

/* -- little-endian fields ------------------------------------------------------------------ */

static int
take_u64(PyObject *value, uint64_t *field)
{
    unsigned long long number = PyLong_AsUnsignedLongLong(value);
    *field = number;
    return number == (unsigned long long)-1 && PyErr_Occurred() ? -1 : 0;
}

static int
take_u32(PyObject *value, uint32_t *field)
{
    uint64_t number;
    if (take_u64(value, &number) < 0) {
        return -1;
    }
    if (number > UINT32_MAX) {
        PyErr_Format(PyExc_OverflowError, "%R does not fit into a fact", value);
        return -1;
    }
    *field = (uint32_t)number;
    return 0;
}

static int
take_u8(PyObject *value, uint8_t *field)
{
    uint32_t number;
    if (take_u32(value, &number) < 0) {
        return -1;
    }
    if (number > UINT8_MAX) {
        PyErr_Format(PyExc_OverflowError, "%R does not fit into a fact", value);
        return -1;
    }
    *field = (uint8_t)number;
    return 0;
}

/* -- slots --------------------------------------------------------------------------------- */

static PyObject *
page_of(Stamper *self)
{
    return Py_NewRef(self->page.obj == NULL ? Py_None : self->page.obj);
}

/* Put the record into the next slot, on another page if this one is full. */
static PyObject *
put(Stamper *self, const Record *record)
{
    while (self->page.obj == NULL || self->next + RECORD > self->page.len) {
        PyObject *full = page_of(self);
        PyObject *turned = PyObject_CallMethodOneArg((PyObject *)self, s_turn, full);
        Py_DECREF(full);
        int is_there = turned == NULL ? -1 : PyObject_IsTrue(turned);
        Py_XDECREF(turned);
        if (is_there < 0) {
            return NULL;
        }
        if (!is_there) {
            /* The program goes on; an acquisition is counted by its first fact. */
            if (record->kind != ENTER_STARTED) {
                Py_RETURN_NONE;
            }
            self->lost++;
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
expect(const char *moment, Py_ssize_t given, Py_ssize_t wanted)
{
    if (given == wanted) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments (%zd given)", moment, wanted, given);
    return -1;
}

/* The same where the last argument may be left out. */
static int
expect_up_to(const char *moment, Py_ssize_t given, Py_ssize_t most)
{
    return given == most - 1 ? 0 : expect(moment, given, most);
}

static int
take_error(Stamper *self, PyObject *error, Record *record)
{
    if (error == Py_None) {
        return 0;
    }
    PyObject *words = PyObject_CallMethodOneArg((PyObject *)self, s_words_of, error);
    int result = words == NULL ? -1 : take_u32(words, &record->word);
    Py_XDECREF(words);
    return result;
}

/* -- the facts ----------------------------------------------------------------------------- */

static PyObject *
enter_started(Stamper *self, PyObject *const *args, Py_ssize_t count)
{
    Record record = {.kind = ENTER_STARTED};
    if (expect_up_to("enter_started", count, 8) < 0 || take_u64(args[0], &record.at) < 0
        || take_u64(args[1], &record.acquisition) < 0 || take_u64(args[2], &record.parent) < 0
        || take_u32(args[3], &record.task) < 0 || take_u32(args[4], &record.manager) < 0
        || take_u32(args[5], &record.word) < 0 || take_u32(args[6], &record.site) < 0
        || (count > 7 && take_u8(args[7], &record.flags) < 0)) {
        return NULL;
    }
    return put(self, &record);
}

static PyObject *
enter_ended(Stamper *self, PyObject *const *args, Py_ssize_t count)
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
exit_started(Stamper *self, PyObject *const *args, Py_ssize_t count)
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
exit_ended(Stamper *self, PyObject *const *args, Py_ssize_t count)
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
task_ended(Stamper *self, PyObject *const *args, Py_ssize_t count)
{
    Record record = {.kind = TASK_ENDED};
    if (expect("task_ended", count, 2) < 0 || take_u64(args[0], &record.at) < 0
        || take_u32(args[1], &record.task) < 0) {
        return NULL;
    }
    return put(self, &record);
}

static PyObject *
release_unmatched(Stamper *self, PyObject *const *args, Py_ssize_t count)
{
    Record record = {.kind = RELEASE_UNMATCHED};
    if (expect("release_unmatched", count, 4) < 0 || take_u64(args[0], &record.at) < 0
        || take_u32(args[1], &record.task) < 0 || take_u32(args[2], &record.word) < 0
        || take_u32(args[3], &record.site) < 0) {
        return NULL;
    }
    return put(self, &record);
}

static PyObject *
collected(Stamper *self, PyObject *const *args, Py_ssize_t count)
{
    Record record = {.kind = COLLECTED};
    if (expect("collected", count, 2) < 0 || take_u64(args[0], &record.at) < 0
        || take_u64(args[1], &record.acquisition) < 0) {
        return NULL;
    }
    return put(self, &record);
}

/* -- pages --------------------------------------------------------------------------------- */

static PyObject *
use(Stamper *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"page", "taken", NULL};
    PyObject *page;
    Py_ssize_t taken = 0;
    Py_buffer buffer = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|n", names, &page, &taken)) {
        return NULL;
    }
    if (page != Py_None && PyObject_GetBuffer(page, &buffer, PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    Py_buffer before = self->page;
    self->page = buffer;
    self->next = SEGMENT_HEADER + taken * RECORD;
    PyBuffer_Release(&before);
    Py_RETURN_NONE;
}

static PyObject *
copy(Stamper *self, PyObject *data)
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
not_here(Stamper *self, PyObject *argument)
{
    PyErr_SetNone(PyExc_NotImplementedError);
    return NULL;
}

static PyObject *
nothing(Stamper *self, PyObject *ignored)
{
    Py_RETURN_NONE;
}

static void
dealloc(Stamper *self)
{
    PyBuffer_Release(&self->page);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

#define FACT(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, NULL}

static PyMethodDef stamper_methods[] = {
    FACT(enter_started),
    FACT(enter_ended),
    FACT(exit_started),
    FACT(exit_ended),
    FACT(task_ended),
    FACT(release_unmatched),
    FACT(collected),
    {"use", (PyCFunction)(void (*)(void))use, METH_VARARGS | METH_KEYWORDS, NULL},
    {"copy", (PyCFunction)copy, METH_O, NULL},
    {"turn", (PyCFunction)not_here, METH_O, NULL},
    {"words_of", (PyCFunction)not_here, METH_O, NULL},
    {"note_lost", (PyCFunction)nothing, METH_NOARGS, NULL},
    {NULL},
};

static PyObject *
get_page(Stamper *self, void *closure)
{
    return page_of(self);
}

static PyGetSetDef stamper_properties[] = {
    {"page", (getter)get_page, NULL, NULL, NULL},
    {NULL},
};

static PyMemberDef stamper_members[] = {
    {"lost", T_PYSSIZET, offsetof(Stamper, lost), 0, NULL},
    {NULL},
};

static PyTypeObject StamperType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "asyncctx_trace.recording._native.Stamper",
    .tp_basicsize = sizeof(Stamper),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)dealloc,
    .tp_methods = stamper_methods,
    .tp_getset = stamper_properties,
    .tp_members = stamper_members,
    .tp_doc = "Writes each fact into the next slot of a page, its kind last.",
};

/* -- the module ---------------------------------------------------------------------------- */

static PyObject *
stand_in(PyObject *module, PyObject *original)
{
    return Py_NewRef(&StamperType);
}

/* The clock itself: Python's function for it may be another one by now. */
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

static PyMethodDef methods[] = {
    {"monotonic_ns", monotonic_ns, METH_NOARGS, "The monotonic clock in ns."},
    {"stand_in", stand_in, METH_O, "What does the same as a class, compiled."},
    {NULL},
};

static int
execute(PyObject *module)
{
    if (PY_BIG_ENDIAN) {
        PyErr_SetString(PyExc_ImportError, "compiled for little-endian machines alone");
        return -1;
    }
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "compiled for the main interpreter alone");
        return -1;
    }
    if ((s_turn = PyUnicode_InternFromString("turn")) == NULL
        || (s_words_of = PyUnicode_InternFromString("words_of")) == NULL
        || (s_note_lost = PyUnicode_InternFromString("note_lost")) == NULL) {
        return -1;
    }
    return PyType_Ready(&StamperType);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "asyncctx_trace.recording._native",
    .m_doc = "Facts put into the slots of a mapped page, compiled.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
