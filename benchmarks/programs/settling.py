"""What a program does before it is measured, whoever traces it."""

import gc


def settle() -> None:
    """Leave what was loaded so far out of all collections of garbage.

    The more objects there are, the seldomer the collector looks at all of them: a tool that loads
    much would seem to make the program faster.
    """
    gc.collect()
    gc.freeze()
    gc.collect()
