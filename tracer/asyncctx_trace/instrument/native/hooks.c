/* The hooks around a rewritten `async with`; see rewriting/hooks.py. */

#include "native.h"

/* The known resource of what an adapter reads from `manager`, an object or a shared name; borrowed.
   NULL without an error to fall back to the Python code. */
static PyObject *
resource_by_adapter(PyObject *adapter, PyObject *manager)
{
    PyObject *known = NULL, *key, *thing = NULL;
    if (PyTuple_Check(adapter) && PyTuple_GET_SIZE(adapter) > ADAPTER_RESOURCE) {
        thing = PyObject_CallOneArg(PyTuple_GET_ITEM(adapter, ADAPTER_RESOURCE), manager);
    }
    if (thing == NULL) {
        if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_Exception)) {
            PyErr_Clear(); /* the Python code comes upon the same error */
        }
        return NULL;
    }
    if (!PyUnicode_CheckExact(thing)) {
        known = by_address(shared.by_object, thing);
    }
    else if ((key = PyTuple_Pack(2, PyTuple_GET_ITEM(adapter, ADAPTER_KIND), thing)) != NULL) {
        known = PyDict_GetItemWithError(shared.by_name, key);
        Py_DECREF(key);
    }
    Py_DECREF(thing);
    return known;
}

/* The id of the resource, a new reference; as `begin` and `resource_at` find it. */
static PyObject *
resource_id_at(PyObject *entry, PyObject *manager, PyObject *kind)
{
    PyObject *known = slot_value(&slots.site_kind, entry), *itself = slot_value(&slots.kind_itself, kind), *adapter;
    if (known == NULL || itself == NULL || (adapter = slot_value(&slots.kind_adapter, kind)) == NULL) {
        return NULL;
    }
    PyObject *resource = known == kind ? slot_value(&slots.site_resource, entry) : zero;
    if (resource == NULL || resource != zero) {
        return Py_XNewRef(resource);
    }
    if (itself == Py_True) {
        known = by_address(shared.by_object, manager);
    }
    else {
        Py_INCREF(adapter);
        known = resource_by_adapter(adapter, manager);
        Py_DECREF(adapter);
    }
    if (known != NULL) {
        return Py_XNewRef(slot_value(&slots.resource_id, known));
    }
    return PyErr_Occurred() ? NULL
                            : PyObject_CallFunctionObjArgs(shared.resource_at, entry, manager, kind, NULL);
}

/* The acquisition, a new reference; NULL without an error to fall back to the Python code. */
static PyObject *
acquisition_for(PyObject *sink, PyObject *entry, PyObject *manager)
{
    PyObject *kind = by_address(shared.kinds, (PyObject *)Py_TYPE(manager));
    PyObject *id, *traced, *site, *resource, *acquisition = NULL;
    if (kind == NULL || (id = slot_value(&slots.kind_manager, kind)) == NULL
        || (traced = slot_value(&slots.kind_traced, kind)) == NULL || (site = slot_value(&slots.site_id, entry)) == NULL) {
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
    if ((resource = resource_id_at(entry, manager, kind)) != NULL) {
        acquisition = begin_acquisition(sink, id, resource, site, NULL);
        Py_DECREF(resource);
    }
    Py_DECREF(site);
    Py_DECREF(id);
    Py_DECREF(kind);
    return acquisition;
}

PyObject *
begin(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (kwnames == NULL && PyVectorcall_NARGS(nargsf) == 2) {
        PyObject *acquisition = NULL;
        PyThreadState *thread = suspend_tracing();
        PyObject *sink = sink_for_enter();
        if (sink != NULL) {
            Py_INCREF(sink);
            acquisition = acquisition_for(sink, args[0], args[1]);
            Py_DECREF(sink);
        }
        resume_tracing(thread);
        if (PyErr_Occurred() && is_no_room()) {
            /* The Python code would need even more. */
            return handle_hook_error() < 0 ? NULL : Py_NewRef(Py_None);
        }
        if (sink != NULL) {
            /* published, or left to the Python code */
        }
        else if (PyErr_Occurred() == NULL) {
            return Py_NewRef(Py_None);
        }
        if (acquisition != NULL || !may_fall_back()) {
            return acquisition;
        }
    }
    PyObject *result = call_original(self, args, nargsf, kwnames);
    if (result == NULL && handle_hook_error() == 0) {
        return Py_NewRef(Py_None); /* there is no stack or memory for the call itself */
    }
    return result;
}

PyObject *
entered(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (PyVectorcall_NARGS(nargsf) != 2 || !Py_IS_TYPE(args[1], &AcquisitionType)) {
        return Py_NewRef(args[0]);
    }
    if (publish_enter_ended((Acquisition *)args[1]) < 0) {
        return NULL;
    }
    PyObject *exit = new_exit(args[0], args[1]);
    if (exit == NULL && handle_hook_error() == 0) {
        /* The end of the exit cannot be observed: without this, it would be taken for a leak. */
        Acquisition *acquisition = (Acquisition *)args[1];
        if (publish_exit_started(acquisition, NULL) >= 0) {
            acquisition->state = ENDED;
            if (publish_exit_ended(acquisition) >= 0) {
                return Py_NewRef(args[0]);
            }
        }
    }
    return exit;
}

PyObject *
leaving(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (!Py_IS_TYPE(args[0], &ExitType)) {
        return Py_NewRef(Py_None);
    }
    PyObject *acquisition = Py_NewRef(((Exit *)args[0])->acquisition);
    int result = publish_exit_started((Acquisition *)acquisition, NULL);
    if (result == 0) {
        return acquisition;
    }
    Py_DECREF(acquisition);
    return result < 0 ? NULL : call_original(self, args, nargsf, kwnames);
}
