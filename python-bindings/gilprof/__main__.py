"""`python -m gilprof`, the same program as `gilprof`."""

import sys


def main() -> int:
    """Runs the command line; gives its exit status."""
    from gilprof import _platform

    reason = _platform.unsupported()
    if reason is not None:
        print(f"gilprof: {reason}", file=sys.stderr)
        return 2
    from gilprof import _native

    _restore_signals()
    return _native.cli_main(["gilprof", *sys.argv[1:]])


def _restore_signals() -> None:
    """Makes signals do what they did before Python started.

    The command line has handlers of its own, and the program it runs inherits
    what is ignored. SIGPIPE is not among them: Rust's own programs ignore it as
    well, and give it back to those they run.
    """
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
