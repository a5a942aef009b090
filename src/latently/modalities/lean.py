"""scikit-learn 1.9 loads pandas where it is installed, and looks at nothing in it: here it loads without, 0.3 s sooner.

Nobody who has loaded either of them already is touched, and pandas loads as ever afterwards. The price: another thread
that loads pandas for the first time in that moment is told that there is none.
"""

import sys

if not {"pandas", "sklearn"} & sys.modules.keys():
    sys.modules["pandas"] = None  # type: ignore[assignment]  # as Python has it: an import of it fails
    try:
        import sklearn.base  # noqa: F401
    finally:
        del sys.modules["pandas"]
