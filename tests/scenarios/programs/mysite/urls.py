"""/ping   /sleep?s=20   /cpu?n=300000   /db?n=200000 (a long query: the GIL is released)"""

import time

import recorded
from django.db import connection
from django.http import HttpResponse
from django.urls import path

QUERY = (
    "with recursive c(x) as (select 1 union all select x+1 from c where x<%s) select sum(x) from c"
)


def looks_at_the_switch(get_response):
    """Middleware."""

    def respond(request):
        recorded.look()
        return get_response(request)

    return respond


def ping(request):
    return HttpResponse("pong")


def sleep(request):
    time.sleep(float(request.GET.get("s", 20)))
    return HttpResponse("slept")


def cpu(request):
    x = 0
    for _ in range(int(request.GET.get("n", 300_000))):
        x += 1
    return HttpResponse(str(x))


def db(request):
    with connection.cursor() as cursor:
        cursor.execute(QUERY, [int(request.GET.get("n", 200_000))])
        return HttpResponse(str(cursor.fetchone()[0]))


urlpatterns = [path("ping", ping), path("sleep", sleep), path("cpu", cpu), path("db", db)]
