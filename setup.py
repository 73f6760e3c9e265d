"""Build script: metadata, the package list and the one C extension.

The extension is optional. Where it can't be built (no compiler, no Python or NumPy headers) the
install still succeeds and symc runs on its NumPy path.
"""

import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
EXTENSION = "symc.runtime._callpath"
SOURCES = "symc/runtime/csrc"


class OptionalBuildExt(build_ext):
    """Build the extension, or print one notice and go on without it."""

    def run(self):
        try:
            super().run()
        except Exception as problem:  # any failure of the tool chain must leave symc installable
            self._notice(problem)

    def build_extension(self, ext):
        try:
            super().build_extension(ext)
        except Exception as problem:
            self._notice(problem)

    def _notice(self, problem):
        print(
            f"symc: the C call path ({EXTENSION}) was not built: {problem}\n"
            "symc: the install goes on; symc will run on its NumPy path.\n"
            "symc: to get native code, install a C compiler and the Python headers, then install "
            "again; `symc doctor` names what is missing.",
            file=sys.stderr,
        )


def extensions():
    """The extension's description, or nothing where its sources or NumPy's headers are missing."""
    sources = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / SOURCES).glob("*.c"))
    if not sources:
        return []
    try:
        import numpy as np
    except ImportError:
        print(f"symc: NumPy is missing at build time; {EXTENSION} is left out", file=sys.stderr)
        return []
    meaning = ["-fwrapv", "-fno-strict-aliasing", "-ffp-contract=off"]
    speed = ["-O2", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math"]
    flags = [] if sys.platform == "win32" else [*meaning, *speed]
    return [
        Extension(
            EXTENSION,
            sources=sources,
            depends=sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / SOURCES).glob("*.h")),
            include_dirs=[np.get_include(), SOURCES],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
            extra_compile_args=flags,
            libraries=[] if sys.platform in ("win32", "darwin") else ["pthread"],
            optional=True,
        )
    ]


DEMO = ["scikit-learn>=1.4", "matplotlib>=3.8", "rich>=13"]
LEARN = ["scikit-learn>=1.6"]
ONEDNN = ["onednn-cpu-gomp>=2023.1; sys_platform == 'linux' and platform_machine == 'x86_64'"]
TEST = [
    "setuptools",  # the sanitizers' test builds the extension; Python 3.12 comes without it
    "pytest>=8",
    "hypothesis>=6.90",
    "mpmath>=1.3",
    "ruff>=0.9",
    "mypy>=1.13",
    "pandas>=2.2",
    *DEMO,
    *LEARN,
    *ONEDNN,
]
BENCH = [
    "numexpr>=2.10",
    "numba>=0.60",
    "jax>=0.4.30",
    "pytensor>=2.25",
    "torch>=2.3",
    "threadpoolctl>=3",
    *DEMO,
]

setup(
    name="symc",
    version="0.1.0",
    description="A symbolic expression compiler: array expressions to one native C function",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="symc developers",
    license="BSD-3-Clause",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: C",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Mathematics",
    ],
    python_requires=">=3.10",
    install_requires=["numpy>=2.0", "scipy>=1.13", "cffi>=1.16"],
    extras_require={
        "demo": DEMO,
        "learn": LEARN,
        "test": TEST,
        "bench": BENCH,
        "onednn": ONEDNN,
        "cuda": ["pycuda>=2024.1"],
        "docs": ["pydot>=2", *DEMO, *LEARN],
    },
    packages=[
        *find_packages(include=["symc", "symc.*", "symc_cuda", "symc_cuda.*"]),
        "symc_benchmarks",
    ],
    package_dir={"symc_benchmarks": "benchmarks"},
    package_data={"": ["*.h", "*.c", "*/*.h", "*/*.c"], "symc.demo": ["passage.txt"]},
    entry_points={"console_scripts": ["symc = symc.cli:main"]},
    ext_modules=extensions(),
    cmdclass={"build_ext": OptionalBuildExt},
    zip_safe=False,
)
