"""The first code that a launched program runs: its folder is on PYTHONPATH for that alone.

Python imports ``sitecustomize`` before the program. So the program is started as itself
(``python app.py``): its argv, its ``__main__``, its import path and the frames below its
tracebacks are the interpreter's own work and not an imitation.
"""

import os
import sys

# As if this folder had never been on the path.
_here = os.path.dirname(__file__)  # noqa: PTH120 - the program may never need pathlib
sys.path[:] = [entry for entry in sys.path if entry != _here]
sys.path_importer_cache.pop(_here, None)
del sys.modules["sitecustomize"]

try:
    from asyncctx_trace.runtime import launch

    launch.begin()
finally:
    # The one that the program would have had without us. Where there is none, the ImportError
    # goes on to `site`, which expects it, and no trace of this module stays behind.
    import sitecustomize  # type: ignore[import-not-found]  # noqa: F401 - for what it does
