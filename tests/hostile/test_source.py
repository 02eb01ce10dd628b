"""What the source never does: unpickle, run what it reads, trust code from elsewhere, record the environment."""

import ast
from pathlib import Path

import textune

SOURCE = Path(textune.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
PICKLING = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
MAY_PICKLE = {"execution/processes.py", "execution/worker.py"}
"""A coordinator and the worker it started hand the objective over, through a pipe of their own."""


MAY_COPY_THE_ENVIRONMENT = {"surroundings.py"}
"""It restores the environment of the calling program; the copy is kept in memory alone."""


def relative(file):
    return str(file.relative_to(SOURCE))


def calls(tree):
    """Yields the dotted name of each call, as written, and its keywords."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            keywords = {keyword.arg: getattr(keyword.value, "value", ...) for keyword in node.keywords}
            yield ast.unparse(node.func), keywords


SOURCES = {relative(file): ast.parse(file.read_text(encoding="utf-8")) for file in FILES}


def test_nothing_is_unpickled_but_the_objective_in_a_worker():
    for name, tree in SOURCES.items():
        imported = {
            alias.name.partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in ([ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names)
        }
        assert not imported & PICKLING or name in MAY_PICKLE, name
        loads = [function for function, _ in calls(tree) if function in ("pickle.loads", "pickle.load", "loads")]
        assert loads == (["pickle.loads"] if name == "execution/worker.py" else []), name


def test_arrays_are_read_without_objects():
    for name, tree in SOURCES.items():
        for function, keywords in calls(tree):
            if function in ("np.load", "numpy.load"):
                assert keywords.get("allow_pickle") is False, name
            assert not function.endswith(("read_pickle", "fromfile")), name


def test_nothing_that_was_read_is_run():
    for name, tree in SOURCES.items():
        for function, keywords in calls(tree):
            assert function not in ("torch.load", "torch.hub.load", "eval", "exec", "compile", "os.system"), name
            assert function not in ("yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"), name
            assert keywords.get("shell") in (None, False), name
            assert keywords.get("trust_remote_code") in (None, False), name


def test_the_environment_is_asked_for_names_and_never_copied():
    for name, tree in SOURCES.items():
        if name in MAY_COPY_THE_ENVIRONMENT:
            continue
        parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb"):
                parent = parents[node]
                asked = isinstance(parent, ast.Subscript) or (
                    isinstance(parent, ast.Attribute) and parent.attr in ("get", "pop", "setdefault")
                )
                assert asked, f"{name}:{node.lineno}"
