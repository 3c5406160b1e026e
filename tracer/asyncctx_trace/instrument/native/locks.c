/* What stands for a lock of threads in a statement of the program; see rewriting/lock_hooks.py.

   The statement `with lock:` or the call `lock.acquire()` finds a lock proxy on the stack, whose
   methods publish and call those of the lock. It lives as long as the statement. */

#include "native.h"

enum { ENTER, EXIT, ACQUIRE, RELEASE };

typedef struct {
    PyObject_HEAD
    PyObject *lock;
    PyObject *site;
    PyObject *acquisition; /* of the statement, or None */
} LockProxy;

/* The classes whose objects are locks, in the order of `lock_hooks.CLASSES`. */
#define MOST_CLASSES 8
static PyTypeObject *classes[MOST_CLASSES];
static int class_count;

static PyObject *
new_lock_proxy(PyTypeObject *type, PyObject *site, PyObject *lock)
{
    LockProxy *self = PyObject_GC_New(LockProxy, type);
    if (self != NULL) {
        self->lock = Py_NewRef(lock);
        self->site = Py_NewRef(site);
        self->acquisition = Py_NewRef(Py_None);
        PyObject_GC_Track(self);
    }
    return (PyObject *)self;
}

/* The method that the program means, a new reference. */
static PyObject *
method_of(PyObject *lock, int which)
{
    if (which == ACQUIRE || which == RELEASE) {
        return PyObject_GetAttr(lock, which == ACQUIRE ? s_acquire : s_release);
    }
    PyObject *name = which == ENTER ? s_enter : s_exit;
    PyObject *found = _PyType_Lookup(Py_TYPE(lock), name);
    if (found == NULL) {
        return PyObject_GetAttr((PyObject *)Py_TYPE(lock), name);
    }
    descrgetfunc bind = Py_TYPE(found)->tp_descr_get;
    return bind == NULL ? Py_NewRef(found) : bind(found, lock, (PyObject *)Py_TYPE(lock));
}

/* Call a hook; NULL with an error that must reach the program, such as an interrupt. */
static PyObject *
call_hook(PyObject *function, PyObject *const *args, size_t count)
{
    PyThreadState *thread = suspend_tracing();
    PyObject *done = PyObject_Vectorcall(function, args, count, NULL);
    resume_tracing(thread);
    if (done == NULL && PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_Clear(); /* at the end of the program's stack or memory */
        done = Py_NewRef(Py_None);
    }
    return done;
}

static PyObject *
begin_lock(LockProxy *self, int which, PyObject *owned)
{
    PyObject *args[] = {self->site, self->lock, which == ACQUIRE ? Py_True : Py_False, owned};
    return call_hook(shared.lock_begin, args, 4);
}

/* Whether acquire() with these arguments may wait. */
static int
may_wait(PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    PyObject *blocking = count > 0 ? args[0] : NULL;
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    for (Py_ssize_t index = 0; index < named; index++) {
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, index), "blocking") == 0) {
            blocking = args[count + index];
        }
    }
    return blocking != Py_False && blocking != zero;
}

static PyObject *
acquire(LockProxy *self, int which, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *handle = NULL, *owned = NULL, *error = NULL, *type = NULL, *traceback = NULL;
    int waits = which == ENTER || may_wait(args, PyVectorcall_NARGS(nargsf), kwnames);
    PyObject *method = method_of(self->lock, which);
    if (method == NULL || (waits && (handle = begin_lock(self, which, Py_None)) == NULL)
        || (!waits && (owned = call_hook(shared.lock_owned, &self->lock, 1)) == NULL)) {
        Py_XDECREF(method);
        return NULL;
    }
    PyObject *result = PyObject_Vectorcall(method, args, nargsf, kwnames);
    Py_DECREF(method);
    if (!waits && result == Py_True && (handle = begin_lock(self, which, owned)) == NULL) {
        Py_CLEAR(result);
    }
    Py_XDECREF(owned);
    if (handle == NULL || handle == Py_None) {
        Py_XDECREF(handle);
        return result;
    }
    if (result == NULL) {
        PyErr_Fetch(&type, &error, &traceback);
        PyErr_NormalizeException(&type, &error, &traceback);
    }
    PyObject *arguments[] = {self->lock, handle, which == ACQUIRE ? Py_True : Py_False,
                             result == NULL ? Py_None : which == ENTER ? Py_True : result,
                             error == NULL ? Py_None : error};
    PyObject *done = call_hook(shared.lock_entered, arguments, 5);
    if (done == NULL) {
        Py_CLEAR(result);
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(traceback);
    }
    else if (error != NULL) {
        PyErr_Restore(type, error, traceback);
    }
    Py_XDECREF(done);
    Py_XSETREF(self->acquisition, handle);
    return result;
}

static PyObject *
release(LockProxy *self, int which, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *method = method_of(self->lock, which);
    if (method == NULL) {
        return NULL;
    }
    /* Another thread may have the lock before the method returns. */
    if (which == RELEASE || self->acquisition != Py_None) {
        PyObject *error = which == EXIT && PyVectorcall_NARGS(nargsf) > 1 ? args[1] : Py_None;
        PyObject *arguments[] = {self->site, self->lock, self->acquisition, error};
        PyObject *done = call_hook(shared.lock_leaving, arguments, 4);
        Py_XDECREF(done);
        if (done == NULL) {
            Py_DECREF(method);
            return NULL;
        }
    }
    PyObject *result = PyObject_Vectorcall(method, args, nargsf, kwnames);
    Py_DECREF(method);
    return result;
}

/* Methods of an object written in C: reported to profilers like those of the lock. */
#define METHOD(name, function, which)                                                       \
    static PyObject *name(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames) \
    {                                                                                       \
        return function((LockProxy *)self, which, args, (size_t)count, kwnames);              \
    }

METHOD(method_enter, acquire, ENTER)
METHOD(method_exit, release, EXIT)
METHOD(method_acquire, acquire, ACQUIRE)
METHOD(method_release, release, RELEASE)

#define KEYWORDS (METH_FASTCALL | METH_KEYWORDS)
#define FUNCTION(name) (PyCFunction)(void (*)(void))name

/* In the order of the names above. */
static PyMethodDef methods[] = {
    {"__enter__", FUNCTION(method_enter), KEYWORDS, NULL},
    {"__exit__", FUNCTION(method_exit), KEYWORDS, NULL},
    {"acquire", FUNCTION(method_acquire), KEYWORDS, NULL},
    {"release", FUNCTION(method_release), KEYWORDS, NULL},
    {NULL},
};

/* Methods of an object written in Python: not reported, unlike those that they call. */
typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *lock_proxy;
    int which;
} LockProxyMethod;

static PyObject *
call_method(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    LockProxyMethod *method = (LockProxyMethod *)self;
    LockProxy *lock_proxy = (LockProxy *)method->lock_proxy;
    size_t count = (size_t)PyVectorcall_NARGS(nargsf);
    if (method->which == ENTER || method->which == ACQUIRE) {
        return acquire(lock_proxy, method->which, args, count, kwnames);
    }
    return release(lock_proxy, method->which, args, count, kwnames);
}

static int
method_traverse(LockProxyMethod *self, visitproc visit, void *arg)
{
    Py_VISIT(self->lock_proxy);
    return 0;
}

static void
method_dealloc(LockProxyMethod *self)
{
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->lock_proxy);
    PyObject_GC_Del(self);
}

PyTypeObject LockProxyMethodType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "asyncctx_trace.instrument._native.LockProxyMethod",
    .tp_basicsize = sizeof(LockProxyMethod),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_dealloc = (destructor)method_dealloc,
    .tp_traverse = (traverseproc)method_traverse,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(LockProxyMethod, vectorcall),
    .tp_doc = "A method of a lock proxy.",
};

/* A condition has the methods of its lock, which may be written in C. */
static PyObject *
native_method(LockProxy *self, int which)
{
    PyObject *made = NULL, *method = method_of(self->lock, which);
    if (method != NULL && PyCFunction_CheckExact(method) && class_count > 1) {
        PyObject *of = PyCFunction_GET_SELF(method);
        PyTypeObject *type = of == NULL                      ? NULL
                             : Py_IS_TYPE(of, classes[0]) ? &PrimitiveLockProxyType
                             : Py_IS_TYPE(of, classes[1]) ? &RLockProxyType
                                                          : NULL;
        PyObject *object = type == NULL ? NULL : new_lock_proxy(type, self->site, self->lock);
        if (object != NULL) {
            made = PyCFunction_New(&methods[which], object);
            Py_DECREF(object);
        }
    }
    Py_XDECREF(method);
    PyErr_Clear();
    return made;
}

static PyObject *
get_method(PyObject *self, void *which)
{
    PyObject *native = NULL;
    if ((intptr_t)which == ACQUIRE || (intptr_t)which == RELEASE) {
        native = native_method((LockProxy *)self, (int)(intptr_t)which);
    }
    if (native != NULL) {
        return native;
    }
    LockProxyMethod *method = PyObject_GC_New(LockProxyMethod, &LockProxyMethodType);
    if (method != NULL) {
        method->vectorcall = call_method;
        method->lock_proxy = Py_NewRef(self);
        method->which = (int)(intptr_t)which;
        PyObject_GC_Track(method);
    }
    return (PyObject *)method;
}

static PyGetSetDef getters[] = {
    {"__enter__", get_method, NULL, NULL, (void *)ENTER},
    {"__exit__", get_method, NULL, NULL, (void *)EXIT},
    {"acquire", get_method, NULL, NULL, (void *)ACQUIRE},
    {"release", get_method, NULL, NULL, (void *)RELEASE},
    {NULL},
};

static int
lock_proxy_traverse(LockProxy *self, visitproc visit, void *arg)
{
    Py_VISIT(self->lock);
    Py_VISIT(self->site);
    Py_VISIT(self->acquisition);
    return 0;
}

static void
lock_proxy_dealloc(LockProxy *self)
{
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->lock);
    Py_XDECREF(self->site);
    Py_XDECREF(self->acquisition);
    PyObject_GC_Del(self);
}

#define LOCK_PROXY(name)                                        \
    PyVarObject_HEAD_INIT(NULL, 0)                              \
    .tp_name = name,                                            \
    .tp_basicsize = sizeof(LockProxy),                          \
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,        \
    .tp_dealloc = (destructor)lock_proxy_dealloc,               \
    .tp_traverse = (traverseproc)lock_proxy_traverse

/* Profilers show the names of the type and the method. */
PyTypeObject PrimitiveLockProxyType = {LOCK_PROXY("_thread.lock"), .tp_methods = methods};
PyTypeObject RLockProxyType = {LOCK_PROXY("_thread.RLock"), .tp_methods = methods};
PyTypeObject PythonLockProxyType = {
    LOCK_PROXY("asyncctx_trace.instrument._native.LockProxy"), .tp_getset = getters};

/* Note the classes, of which the first two are written in C. */
int
bind_lock_classes(PyObject *given)
{
    Py_ssize_t count = PyTuple_Check(given) ? PyTuple_GET_SIZE(given) : -1;
    if (count < 2 || count > MOST_CLASSES) {
        PyErr_SetString(PyExc_TypeError, "lock_classes: a tuple of 2 to 8 classes");
        return -1;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        classes[index] = (PyTypeObject *)Py_NewRef(PyTuple_GET_ITEM(given, index));
    }
    class_count = (int)count;
    return 0;
}

PyObject *
lock_proxy(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyTypeObject *type = Py_TYPE(args[1]);
    int index = 0;
    while (index < class_count && classes[index] != type) {
        index++;
    }
    if (index == class_count || (current_sink() == NULL && !PyErr_Occurred())) {
        return Py_NewRef(args[1]);
    }
    PyErr_Clear();
    PyTypeObject *made_of = index == 0   ? &PrimitiveLockProxyType
                            : index == 1 ? &RLockProxyType
                                         : &PythonLockProxyType;
    PyObject *made = new_lock_proxy(made_of, args[0], args[1]);
    if (made == NULL) {
        PyErr_Clear();
        return Py_NewRef(args[1]);
    }
    return made;
}
