/* Functions that are reported to no tracer, profiler or debugger.

   They are objects of a type of their own, not builtins: `sys.setprofile` reports every call of a
   builtin. */

#include "native.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *original;      /* the function in Python */
    vectorcallfunc function; /* its C implementation */
} NativeFunction;

static void
function_dealloc(PyObject *self)
{
    Py_XDECREF(((NativeFunction *)self)->original);
    PyObject_Free(self);
}

static PyObject *
function_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<native %R>", ((NativeFunction *)self)->original);
}

static PyObject *
function_get(PyObject *self, PyObject *object, PyObject *type)
{
    return object == NULL || object == Py_None ? Py_NewRef(self) : PyMethod_New(self, object);
}

PyTypeObject NativeFunctionType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "asyncctx_trace.instrument._native.Function",
    .tp_basicsize = sizeof(NativeFunction),
    .tp_dealloc = function_dealloc,
    .tp_repr = function_repr,
    .tp_call = PyVectorcall_Call,
    .tp_descr_get = function_get,
    .tp_vectorcall_offset = offsetof(NativeFunction, vectorcall),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_doc = "A function whose calls are reported to no tracer and no profiler.",
};

/* Functions made before bind(); NULL once that was called. They call the original until then. */
static PyObject *unbound;
static int is_bound;

/* A function that runs `function`, once bind() was called, in place of the Python `original`. */
PyObject *
new_function(vectorcallfunc function, PyObject *original)
{
    NativeFunction *self = PyObject_New(NativeFunction, &NativeFunctionType);
    if (self == NULL) {
        return NULL;
    }
    int needs_bind = function != call_suspended && function != call_hidden;
    self->original = Py_NewRef(original);
    self->function = function;
    self->vectorcall = needs_bind && !is_bound ? call_original : function;
    if (self->vectorcall != function) {
        if (unbound == NULL && (unbound = PyList_New(0)) == NULL) {
            Py_CLEAR(self);
        }
        else if (PyList_Append(unbound, (PyObject *)self) < 0) {
            Py_CLEAR(self);
        }
    }
    return (PyObject *)self;
}

/* Have every function run its C implementation from now on. */
void
activate_functions(void)
{
    is_bound = 1;
    for (Py_ssize_t index = 0; unbound != NULL && index < PyList_GET_SIZE(unbound); index++) {
        NativeFunction *function = (NativeFunction *)PyList_GET_ITEM(unbound, index);
        function->vectorcall = function->function;
    }
    Py_CLEAR(unbound);
}

/* Call the Python function with tracing suspended. */
PyObject *
call_suspended(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyThreadState *thread = suspend_tracing();
    PyObject *done = PyObject_Vectorcall(((NativeFunction *)self)->original, args, nargsf, kwnames);
    resume_tracing(thread);
    return done;
}

/* Call the first argument with the others, with tracing suspended. */
PyObject *
call_hidden(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (count < 1) {
        PyErr_SetString(PyExc_TypeError, "call_hidden() takes a function to call");
        return NULL;
    }
    PyThreadState *thread = suspend_tracing();
    PyObject *done = PyObject_Vectorcall(args[0], args + 1, (size_t)(count - 1), kwnames);
    resume_tracing(thread);
    return done;
}

/* Fall back to the Python function, from the start. At the end of the program's stack even the call
   may fail: then the event is not published, but counted. */
PyObject *
call_original(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *done = call_suspended(self, args, nargsf, kwnames);
    if (done == NULL && PyErr_ExceptionMatches(PyExc_RecursionError)) {
        PyErr_Clear();
        count_uncounted();
        done = Py_NewRef(Py_None);
    }
    return done;
}
