"""The wrapper is process 1 of every host: it has no time and no memory for a framework."""

import subprocess
import sys


def test_no_module_of_the_wrapper_imports_torch_or_a_framework() -> None:
    script = (
        "import importlib, pkgutil, sys; import resilient_training.run as run;"
        "[importlib.import_module(f'{run.__name__}.{m.name}') for m in pkgutil.iter_modules("
        "run.__path__) if m.name != '__main__'];"
        "print(sorted({'torch', 'lightning', 'transformers', 'accelerate'} & set(sys.modules)))"
    )
    paths = [path or "." for path in sys.path]
    ended = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {paths!r}; {script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "[]\n"
