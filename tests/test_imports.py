"""What an import may cost: the package next to nothing, an estimator nothing that it does not need."""

import os
import statistics
import subprocess
import sys

PATH = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
MEASURE = "import resource; used = resource.getrusage(resource.RUSAGE_SELF); print(used.ru_utime + used.ru_stime)"


def ran(script: str) -> str:
    """What a Python of its own prints, nothing but the path in its surroundings."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=PATH)
    assert done.returncode == 0, done.stderr
    return done.stdout


def seconds(script: str) -> float:
    """Processor time of a script, Python's own start included; the median of five."""
    return statistics.median(float(ran(f"{script}\n{MEASURE}")) for _ in range(5))


def test_the_package_loads_in_a_tenth_of_a_second_without_torch_numpy_and_sklearn():
    assert seconds("import latently") - seconds("pass") < 0.1
    script = "import sys, latently; print(sorted({'torch', 'numpy', 'scipy', 'sklearn', 'pandas'} & set(sys.modules)))"
    assert ran(script) == "[]\n"


def test_an_estimator_loads_nothing_that_it_does_not_need_and_pandas_works_as_ever_afterwards():
    heavy = ["pandas", "pyarrow", "matplotlib", "PIL", "soundfile", "rich", "torch._dynamo", "torch._inductor", "sympy"]
    script = f"""
import sys
from latently import Autoencoder
print([m for m in {heavy} if m in sys.modules])
import pandas
from sklearn.preprocessing import StandardScaler
frame = pandas.DataFrame({{"a": [1.0, 2.0]}})
print(StandardScaler().set_output(transform="pandas").fit_transform(frame)["a"].tolist())
"""
    assert ran(script) == "[]\n[-1.0, 1.0]\n"
