"""Prints the packages that Textune and its tests import and this Python lacks."""

from importlib.util import find_spec

PACKAGES = {
    "accelerate": "accelerate",
    "fsspec": "fsspec",
    "hypothesis": "hypothesis",
    "numpy": "numpy",
    "optuna": "optuna",
    "pandas": "pandas",
    "platformdirs": "platformdirs",
    "plotly": "plotly",
    "psutil": "psutil",
    "pydantic": "pydantic",
    "pytest": "pytest",
    "rich": "rich",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "tokenizers": "tokenizers",
    "transformers": "transformers",
    "typer": "typer",
    "xdist": "pytest-xdist",
    "yaml": "pyyaml",
}

print("\n".join(package for module, package in PACKAGES.items() if find_spec(module) is None))
