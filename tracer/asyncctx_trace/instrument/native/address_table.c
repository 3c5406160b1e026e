/* A dict from addresses to values that native code reads without making keys; see
   registry/weak_ids.py.

   A lookup in a dict by address makes an int, hashes and compares it: 400 instructions. Beside the
   entries of the dict, which Python code uses as any other, this keeps an index of them: open
   addressing with linear probing, of addresses and of borrowed values. */

#include "native.h"

enum { SMALLEST = 16 };

typedef struct {
    uintptr_t address; /* 0 where nothing is */
    PyObject *value;   /* the dict owns it */
} Entry;

typedef struct {
    PyDictObject dict;
    Entry *entries;
    size_t mask; /* how many there are, less 1 */
    Py_ssize_t used;
} AddressTable;

static inline size_t
position_of(uintptr_t address, size_t mask)
{
    /* Objects lie 16 bytes apart, and those of one kind at distances that have factors in common. */
    return (size_t)(((uint64_t)(address >> 4) * 0x9E3779B97F4A7C15u) >> 32) & mask;
}

static inline Entry *
entry_of(const AddressTable *self, uintptr_t address)
{
    size_t position = position_of(address, self->mask);
    while (self->entries[position].address != address && self->entries[position].address != 0) {
        position = (position + 1) & self->mask;
    }
    return &self->entries[position];
}

/* The entry for the address of `thing`, borrowed; NULL without an error if there is none. */
PyObject *
by_address(PyObject *table, PyObject *thing)
{
    const AddressTable *self = (AddressTable *)table;
    if (Py_IS_TYPE(table, &AddressTableType) && self->used == PyDict_GET_SIZE(table)) {
        return self->used == 0 ? NULL : entry_of(self, (uintptr_t)thing)->value;
    }
    PyObject *key = PyLong_FromVoidPtr(thing);
    if (key == NULL) {
        return NULL;
    }
    PyObject *found = PyDict_GetItemWithError(table, key);
    Py_DECREF(key);
    return found;
}

static void
remove_entry(AddressTable *self, uintptr_t address)
{
    if (self->entries == NULL) {
        return;
    }
    Entry *hole = entry_of(self, address);
    if (hole->address == 0) {
        return;
    }
    self->used--;
    /* Move up what would not be found any more behind the hole. */
    size_t at = (size_t)(hole - self->entries), next = at;
    for (;;) {
        next = (next + 1) & self->mask;
        if (self->entries[next].address == 0) {
            break;
        }
        size_t wanted = position_of(self->entries[next].address, self->mask);
        if (((next - wanted) & self->mask) >= ((next - at) & self->mask)) {
            self->entries[at] = self->entries[next];
            at = next;
        }
    }
    self->entries[at].address = 0;
    self->entries[at].value = NULL;
}

/* Make room for one more entry: at most half of all are used. -1 where there is no memory. */
static int
reserve(AddressTable *self)
{
    if (self->entries != NULL && (size_t)(self->used + 1) * 2 <= self->mask + 1) {
        return 0;
    }
    AddressTable grown = *self;
    size_t count = self->entries == NULL ? SMALLEST : (self->mask + 1) * 2;
    if ((grown.entries = PyMem_Calloc(count, sizeof(Entry))) == NULL) {
        return -1;
    }
    grown.mask = count - 1;
    for (size_t index = 0; self->entries != NULL && index <= self->mask; index++) {
        if (self->entries[index].address != 0) {
            *entry_of(&grown, self->entries[index].address) = self->entries[index];
        }
    }
    PyMem_Free(self->entries);
    self->entries = grown.entries;
    self->mask = grown.mask;
    return 0;
}

/* The address that `key`, an int, stands for; 0 with an error if it is none. */
static uintptr_t
address_from(PyObject *key)
{
    void *address = PyLong_Check(key) ? PyLong_AsVoidPtr(key) : NULL;
    if (address == NULL && !PyErr_Occurred()) {
        PyErr_Format(PyExc_TypeError, "%R is not the address of an object", key);
    }
    return (uintptr_t)address;
}

static PyObject *
table_pop(AddressTable *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "pop() takes an address and a default");
        return NULL;
    }
    uintptr_t address = address_from(args[0]);
    if (address == 0) {
        return NULL;
    }
    PyObject *found = Py_XNewRef(PyDict_GetItemWithError((PyObject *)self, args[0]));
    if (found == NULL) {
        return PyErr_Occurred() ? NULL : Py_NewRef(args[1]);
    }
    remove_entry(self, address);
    if (PyDict_DelItem((PyObject *)self, args[0]) < 0) {
        Py_CLEAR(found);
    }
    return found;
}

static int
table_assign(AddressTable *self, PyObject *key, PyObject *value)
{
    uintptr_t address = address_from(key);
    if (address == 0) {
        return -1;
    }
    /* What the dict gives up is kept until both agree: its end may run other code. */
    PyObject *before = Py_XNewRef(PyDict_GetItemWithError((PyObject *)self, key));
    int result = -1;
    if (value == NULL) {
        if ((result = PyDict_DelItem((PyObject *)self, key)) == 0) {
            remove_entry(self, address);
        }
    }
    else if (!PyErr_Occurred()
             && (result = PyDict_SetItem((PyObject *)self, key, value)) == 0) {
        if (reserve(self) == 0) {
            Entry *entry = entry_of(self, address);
            self->used += entry->address == 0;
            entry->address = address;
            entry->value = value;
        }
        else {
            /* The index is not used while it has less than the dict. */
            remove_entry(self, address);
        }
    }
    Py_XDECREF(before);
    return result;
}

static PyObject *
table_clear(AddressTable *self, PyObject *unused)
{
    PyMem_Free(self->entries);
    self->entries = NULL;
    self->used = 0;
    PyDict_Clear((PyObject *)self);
    Py_RETURN_NONE;
}

/* What native code finds, for tests. */
static PyObject *
table_indexed(AddressTable *self, PyObject *unused)
{
    PyObject *found = PyDict_New();
    for (size_t index = 0; self->entries != NULL && found != NULL && index <= self->mask; index++) {
        PyObject *key = PyLong_FromVoidPtr((void *)self->entries[index].address);
        PyObject *value = key == NULL ? NULL : by_address((PyObject *)self, PyLong_AsVoidPtr(key));
        if (key == NULL || (value != NULL && PyDict_SetItem(found, key, value) < 0)) {
            Py_CLEAR(found);
        }
        Py_XDECREF(key);
    }
    return found;
}

static void
table_dealloc(AddressTable *self)
{
    PyMem_Free(self->entries);
    self->entries = NULL;
    PyDict_Type.tp_dealloc((PyObject *)self);
}

static PyObject *
not_supported(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyErr_SetString(PyExc_NotImplementedError, "use [], pop() or clear()");
    return NULL;
}

#define NOT_SUPPORTED(name) \
    {name, (PyCFunction)(void (*)(void))not_supported, METH_VARARGS | METH_KEYWORDS, NULL}

static PyMethodDef table_methods[] = {
    {"pop", (PyCFunction)(void (*)(void))table_pop, METH_FASTCALL, NULL},
    {"clear", (PyCFunction)table_clear, METH_NOARGS, NULL},
    {"indexed", (PyCFunction)table_indexed, METH_NOARGS, "What native code finds."},
    NOT_SUPPORTED("popitem"),
    NOT_SUPPORTED("setdefault"),
    NOT_SUPPORTED("update"),
    {NULL},
};

static PyMappingMethods table_mapping = {.mp_ass_subscript = (objobjargproc)table_assign};

PyTypeObject AddressTableType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "asyncctx_trace.instrument._native.AddressTable",
    .tp_basicsize = sizeof(AddressTable),
    .tp_base = &PyDict_Type,
    .tp_flags = Py_TPFLAGS_DEFAULT, /* and with the functions of a dict for the collector */
    .tp_as_mapping = &table_mapping,
    .tp_dealloc = (destructor)table_dealloc,
    .tp_methods = table_methods,
    .tp_doc = "A dict from addresses to values, with an index for native code.",
};
