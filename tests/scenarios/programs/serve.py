"""wsgiapp.py under a threaded server.  serve.py NAME PORT [THREADS]

NAME: cheroot, cherrypy, waitress, paste; or wsgiref, which is Python's own.
"""

import sys

from wsgiapp import application


def cheroot(port, threads):
    from cheroot.wsgi import Server

    Server(("127.0.0.1", port), application, numthreads=threads).start()


def cherrypy(port, threads):
    import cherrypy

    cherrypy.config.update(
        {
            "server.socket_host": "127.0.0.1",
            "server.socket_port": port,
            "server.thread_pool": threads,
            "engine.autoreload.on": False,
            "log.screen": False,
        }
    )
    cherrypy.tree.graft(application, "/")
    cherrypy.engine.start()
    cherrypy.engine.block()


def waitress(port, threads):
    import waitress

    waitress.serve(application, host="127.0.0.1", port=port, threads=threads)


def paste(port, threads):
    from paste import httpserver

    httpserver.serve(
        application,
        host="127.0.0.1",
        port=str(port),
        use_threadpool=True,
        threadpool_workers=threads,
        # By default it kills threads that take long.
        threadpool_options={
            "spawn_if_under": 1,
            "max_requests": 10_000,
            "hung_thread_limit": 1_000,
            "kill_thread_limit": 10_000,
            "dying_limit": 300,
        },
    )


def wsgiref(port, threads):
    """A thread for each connection."""
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIServer, make_server

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    make_server("127.0.0.1", port, application, Server).serve_forever()


SERVERS = {one.__name__: one for one in (cheroot, cherrypy, waitress, paste, wsgiref)}

if __name__ == "__main__":
    SERVERS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 4)
