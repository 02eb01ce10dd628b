import subprocess
import sys
from pathlib import Path

import pytest

from textune.config.base import Config
from textune.errors import TextuneError
from textune.registry import ROLES, is_loaded, kinds, load_plugin, lookup, plugin_file, register

PLUGIN = """\
from textune.config.base import Config
from textune.registry import register


@register("schedule", "{kind}")
class {name}(Config):
    "Registered by a test."
"""


@pytest.fixture
def plugin(tmp_path):
    """Writes a plug-in file; what it registers is taken out again."""
    before = {role: dict(ROLES[role].kinds) for role in ROLES}

    def write(kind="from-a-file", name="FromAFile", more=""):
        path = tmp_path / f"{kind}.py"
        path.write_text(PLUGIN.format(kind=kind, name=name) + more, encoding="utf-8")
        return path

    yield write
    for role, kinds_before in before.items():
        ROLES[role].kinds.clear()
        ROLES[role].kinds.update(kinds_before)


class TestEveryRole:
    @pytest.mark.parametrize("role", ROLES)
    def test_has_its_default_and_lists_kinds_in_order(self, role):
        assert ROLES[role].default in kinds(role)
        assert lookup(role) is kinds(role)[ROLES[role].default]
        assert list(kinds(role)) == sorted(kinds(role))

    @pytest.mark.parametrize("role", ROLES)
    def test_has_kinds_that_know_their_name(self, role):
        for kind, config in kinds(role).items():
            assert issubclass(config, Config)
            assert (config.role, config.kind) == (role, kind)

    @pytest.mark.parametrize("role", ROLES)
    def test_has_kinds_that_are_valid_as_they_are_and_described(self, role):
        for config in kinds(role).values():
            if not config.__module__.startswith("textune."):
                continue  # a plug-in that another test has loaded
            assert config().dump() == config.model_validate({}).dump()
            assert config.__doc__
            assert all(setting.description for setting in config.model_fields.values())


def test_an_unknown_kind_is_none():
    assert lookup("encoder", "nonsense") is None


class TestRegistering:
    def test_under_a_role_that_does_not_exist_names_the_roles(self):
        with pytest.raises(TextuneError, match="there is no role 'enocder'; roles are: data, split"):
            register("enocder", "mine")

    def test_a_kind_that_another_class_holds_names_the_class(self, plugin):
        with pytest.raises(TextuneError, match=r"schedule 'constant' is already textune\.training\.schedule\."):
            load_plugin(plugin(kind="constant"))
        assert lookup("schedule", "constant").__module__ == "textune.training.schedule"


class TestAPluginFile:
    def test_adds_a_kind_once_and_is_known_by_its_content(self, plugin):
        path = plugin()
        digest = load_plugin(path)
        first = lookup("schedule", "from-a-file")
        assert load_plugin(path) == digest
        assert lookup("schedule", "from-a-file") is first
        assert is_loaded(digest)
        assert not is_loaded("0" * 64)
        assert plugin_file(first) == path
        assert plugin_file(lookup("schedule", "constant")) is None

    def test_that_cannot_be_imported_is_a_sentence(self, plugin):
        path = plugin(kind="broken", more="\nraise RuntimeError('no luck')\n")
        with pytest.raises(TextuneError, match=r"broken\.py failed while it was imported: RuntimeError: no luck"):
            load_plugin(path)

    def test_that_is_no_python_file_is_a_sentence(self, tmp_path):
        path = Path(tmp_path, "plugin.txt")
        path.write_text("words", encoding="utf-8")
        with pytest.raises(TextuneError, match="is not a Python file"):
            load_plugin(path)


@pytest.fixture
def installed(tmp_path):
    """Runs code where a package is installed whose entry point is a module of this text."""

    def installed(module, code):
        (tmp_path / "their_package.py").write_text(module, encoding="utf-8")
        information = tmp_path / "their_package-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text("[textune.plugins]\ntheirs = their_package\n")
        environment = {"PYTHONPATH": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
        )

    return installed


def test_an_installed_entry_point_adds_its_kinds_and_their_settings(installed):
    plugin = PLUGIN.format(kind="installed", name="Installed") + "    steps: int = 3\n"
    code = """
from textune.config.load import load_study
from textune.registry import kinds
print(*kinds('schedule'))
study = {"data": "synthetic", "training": {"schedule": "installed"}}
print(load_study(study, ["training.schedule.steps=5"]).config.training.schedule.steps)
"""
    done = installed(plugin, code)
    assert done.stderr == ""
    *kinds, steps = done.stdout.split()
    assert "installed" in kinds
    assert steps == "5"


def test_an_entry_point_that_cannot_be_imported_is_a_sentence(installed):
    done = installed(
        "import no_such_module", "import sys; from textune.cli import main; sys.argv[1:] = ['kinds']; main()"
    )
    assert done.returncode == 2
    assert done.stderr == (
        "plug-in 'theirs' of the installed package their-package failed while it was imported: "
        "ModuleNotFoundError: No module named 'no_such_module'\n"
    )
