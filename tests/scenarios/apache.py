"""Apache with Debian's mod_wsgi, on 127.0.0.1, with nothing of /etc/apache2."""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

MODULES = Path("/usr/lib/apache2/modules")
PROGRAMS = Path(__file__).resolve().parent / "programs"
#: Modes in which all requests are served by the main interpreter.
MAIN_ONLY = ("daemon", "global")
#: The Python that this mod_wsgi is linked to.
MINOR = "3.11"

CONFIGURATION = """
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/httpd.pid
ErrorLog {folder}/server.log
LoadModule mpm_worker_module {modules}/mod_mpm_worker.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule wsgi_module {modules}/mod_wsgi.so
{user}
Mutex file:{folder} default
<Directory {folder}>
  Require all granted
</Directory>
WSGISocketPrefix {folder}/wsgi
{daemon_process}
WSGIScriptAlias /record {folder}/record.wsgi application-group=%{{GLOBAL}} {daemon}
"""

EMBEDDED = """
StartServers {children}
ServerLimit {children}
ThreadsPerChild {threads}
MaxRequestWorkers {workers}
MinSpareThreads 1
MaxSpareThreads {workers}
"""

DAEMON = """
StartServers 1
ServerLimit 1
ThreadsPerChild 25
MaxRequestWorkers 25
WSGIScriptAlias / {folder}/app.wsgi process-group=app application-group=%{{GLOBAL}}
"""

# What is shown for their name is no longer than Apache's: (wsgi:a
PROCESSES = "WSGIDaemonProcess app processes=2 threads=5 display-name=%{GROUP}"
ONE = "WSGIScriptAlias / {folder}/app.wsgi\n"
TWO = "WSGIScriptAlias /a {folder}/a.wsgi {group}\nWSGIScriptAlias /b {folder}/b.wsgi {group}\n"

# gilprof runs in the main interpreter only; requests of applications run in others,
# so what records has an application of its own.
SCRIPT = """
import os, sys
sys.path[:0] = [{packages!r}, {programs!r}]
os.environ["SCENARIO_RECORDINGS"] = {recordings!r}
from wsgiapp import application
"""


def command(mode, port, folder):
    """The command for one of the modes embedded, daemon, twoapps and global."""
    programs = folder / "programs"
    shutil.copytree(PROGRAMS, programs)
    # Where the profiler is may be closed to the server's user.
    packages = folder / "packages"
    shutil.copytree(Path(sysconfig.get_path("purelib")) / "gilprof", packages / "gilprof")
    for name in ("record", "app", "a", "b"):
        recordings = str(folder) if name == "record" or mode in MAIN_ONLY else ""
        places = {"packages": str(packages), "programs": str(programs), "recordings": recordings}
        (folder / f"{name}.wsgi").write_text(SCRIPT.format(**places))
    text = configuration(mode, port, folder)
    (folder / "httpd.conf").write_text(text)
    return ["apache2", "-d", folder, "-f", folder / "httpd.conf", "-DFOREGROUND"]


def configuration(mode, port, folder):
    daemon = mode == "daemon"
    places = {
        "folder": folder,
        "port": port,
        "modules": MODULES,
        "daemon": "process-group=app" if daemon else "",
        "daemon_process": PROCESSES if daemon else "",
        "user": "User www-data\nGroup www-data" if os.geteuid() == 0 else "",
    }
    head = CONFIGURATION.format(**places)
    if daemon:
        return head + DAEMON.format(**places)
    if mode == "embedded":
        return head + EMBEDDED.format(children=2, threads=5, workers=10) + ONE.format(**places)
    group = "application-group=%{GLOBAL}" if mode == "global" else ""
    head += EMBEDDED.format(children=1, threads=10, workers=10)
    return head + TWO.format(folder=folder, group=group)


def unfit():
    """Why this Python's gilprof cannot be loaded into mod_wsgi, or None."""
    if ".".join(map(str, sys.version_info[:2])) != MINOR:
        return f"Debian's mod_wsgi has Python {MINOR} in it"
    if not (MODULES / "mod_wsgi.so").exists():
        return "libapache2-mod-wsgi-py3 is missing"
    return None
