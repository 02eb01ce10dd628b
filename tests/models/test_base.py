import subprocess
import sys


def test_configs_load_no_torch():
    code = "import sys, textune.models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
