"""gilprof's class under the name of gilknocker, for whoever has this folder in PYTHONPATH."""

import sys

from gilprof.compat import gilknocker

# `import gilknocker` gives what is here in the end.
sys.modules[__name__] = gilknocker
