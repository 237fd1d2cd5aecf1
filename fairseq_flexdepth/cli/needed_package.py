"""The check for a package that an option needs."""

import importlib.util


def need_package(option: str, package: str) -> None:
    """Check that an optional package is installed, without importing it.

    Raises:
        ImportError: it is missing.
    """
    if importlib.util.find_spec(package) is None:
        raise ImportError(f"{option}: needs the package {package}; pip install {package}")
