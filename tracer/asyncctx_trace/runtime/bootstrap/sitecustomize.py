"""The first code that a launched program runs; this folder is on PYTHONPATH for that purpose.

Python imports ``sitecustomize`` before the program. So the program is started as usual
(``python app.py``): its argv, its ``__main__``, its import path and the frames below its
tracebacks are what the interpreter makes them.
"""

import os
import sys

# Remove every trace of this folder from the import system.
_here = os.path.dirname(__file__)  # noqa: PTH120 - the program may never need pathlib
sys.path[:] = [entry for entry in sys.path if entry != _here]
sys.path_importer_cache.pop(_here, None)
del sys.modules["sitecustomize"]

try:
    from asyncctx_trace.runtime import launch

    launch.begin()
finally:
    # The one that the program would import without the launch. If there is none, `site` expects
    # the ImportError, and no trace of this module is left.
    import sitecustomize  # type: ignore[import-not-found]  # noqa: F401 - for what it does
