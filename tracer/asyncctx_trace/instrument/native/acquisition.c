/* An acquisition, and the exit that will end it: the objects that live as long as a block. */

#include "native.h"

#define FREE_LIST_SIZE 64

/* Freed objects of one type, for reuse: half the cost of an object is allocating its memory. */
typedef struct {
    PyObject *objects[FREE_LIST_SIZE];
    int count;
} FreeList;

static FreeList acquisitions, exits;

/* Return a new object, not tracked yet by the garbage collector. */
static PyObject *
new_object(FreeList *pool, PyTypeObject *type)
{
    if (pool->count > 0) {
        return PyObject_Init(pool->objects[--pool->count], type);
    }
    return PyObject_GC_New(PyObject, type);
}

static void
free_object(FreeList *pool, PyObject *object)
{
    if (pool->count < FREE_LIST_SIZE) {
        pool->objects[pool->count++] = object;
    }
    else {
        PyObject_GC_Del(object);
    }
}




Acquisition *
new_acquisition(PyObject *id, PyObject *task, PyObject *resource)
{
    Acquisition *self = (Acquisition *)new_object(&acquisitions, &AcquisitionType);
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
    free_object(&acquisitions, (PyObject *)self);
}

static PyMemberDef acquisition_members[] = {
    {"id", T_OBJECT_EX, offsetof(Acquisition, id), 0, NULL},
    {"task", T_OBJECT_EX, offsetof(Acquisition, task), READONLY, NULL},
    {"resource", T_OBJECT_EX, offsetof(Acquisition, resource), READONLY, NULL},
    {"state", T_INT, offsetof(Acquisition, state), 0, NULL},
    {"flags", T_INT, offsetof(Acquisition, flags), 0, NULL},
    {NULL},
};

/* No tp_clear: a cycle through it is broken at the task's list of open acquisitions. */
PyTypeObject AcquisitionType = {
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




static PyObject *
exit_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return PyObject_Vectorcall(((Exit *)self)->exit, args, nargsf, kwnames);
}

PyObject *
new_exit(PyObject *exit, PyObject *acquisition)
{
    Exit *self = (Exit *)new_object(&exits, &ExitType);
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
    free_object(&exits, (PyObject *)self);
}

static PyMemberDef exit_members[] = {
    {"func", T_OBJECT_EX, offsetof(Exit, exit), READONLY, NULL}, /* as of a partial */
    {"acquisition", T_OBJECT_EX, offsetof(Exit, acquisition), READONLY, NULL},
    {NULL},
};

/* No tp_clear: a cycle through it is broken at what it refers to. */
PyTypeObject ExitType = {
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
