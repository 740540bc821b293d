"""gilprof: who holds the GIL while others wait?

Records every acquire, wait and release of the GIL by every thread, exactly, in the
process it is imported in:

    import gilprof

    with gilprof.profile() as p:
        work()
    print(p.verdict)

Importing it patches nothing and starts no thread.
"""

from gilprof import _platform
from gilprof._errors import (
    AttachError,
    Error,
    FormatError,
    NotRunningError,
    OptionError,
    UnsupportedError,
)
from gilprof._exporter import Exporter, serve_metrics
from gilprof._limits import LimitExceeded, limit
from gilprof._recording import is_running, profile, snapshot, start, stop
from gilprof._watch import watch

TYPE_CHECKING = False
if TYPE_CHECKING or _platform.unsupported() is None:
    from gilprof._native import (
        Attachment,
        Blame,
        Blamed,
        Blocked,
        Distribution,
        Evidence,
        Finding,
        Frame,
        Gil,
        Hold,
        Measure,
        Metric,
        MetricPoint,
        Process,
        ProcessMeasure,
        Profile,
        Query,
        Row,
        Rows,
        Samples,
        Site,
        Span,
        SpanRow,
        Stall,
        Table,
        Thread,
        WhatIf,
        __version__,
        attach,
        load,
        measure,
        merge,
        span,
    )
else:
    from gilprof._unsupported import (
        Attachment,
        Blame,
        Blamed,
        Blocked,
        Distribution,
        Evidence,
        Finding,
        Frame,
        Gil,
        Hold,
        Measure,
        Metric,
        MetricPoint,
        Process,
        ProcessMeasure,
        Profile,
        Query,
        Row,
        Rows,
        Samples,
        Site,
        Span,
        SpanRow,
        Stall,
        Table,
        Thread,
        WhatIf,
        __version__,
        attach,
        load,
        measure,
        merge,
        span,
    )

__all__ = [
    "AttachError",
    "Attachment",
    "Blame",
    "Blamed",
    "Blocked",
    "Distribution",
    "Error",
    "Evidence",
    "Exporter",
    "Finding",
    "FormatError",
    "Frame",
    "Gil",
    "Hold",
    "LimitExceeded",
    "Measure",
    "Metric",
    "MetricPoint",
    "NotRunningError",
    "OptionError",
    "Process",
    "ProcessMeasure",
    "Profile",
    "Query",
    "Row",
    "Rows",
    "Samples",
    "Site",
    "Span",
    "SpanRow",
    "Stall",
    "Table",
    "Thread",
    "UnsupportedError",
    "WhatIf",
    "__version__",
    "attach",
    "is_running",
    "limit",
    "load",
    "measure",
    "merge",
    "profile",
    "serve_metrics",
    "snapshot",
    "span",
    "start",
    "stop",
    "watch",
]
