"""A FastAPI application; SLOW_SERVER is the port of slow_server.py.

/status?ms=200  def, calls out in a worker thread      /cpu?n=300000   def, CPU there
/areq?ms=200    async, calls out and blocks the loop   /acpu?n=300000  async, CPU on the loop
/ping           async, answers
"""

import os

import recorded
import requests
from fastapi import FastAPI

api = FastAPI()


async def app(scope, receive, send):
    recorded.look()
    await api(scope, receive, send)


def call_out(ms):
    url = f"http://127.0.0.1:{os.environ['SLOW_SERVER']}/delay/{ms / 1e3:g}"
    requests.get(url, timeout=60)
    return {"status": "ok"}


def burn(n):
    x = 0
    for _ in range(n):
        x += 1
    return x


@api.get("/status")
def status(ms: float = 200):
    return call_out(ms)


@api.get("/cpu")
def cpu(n: int = 300_000):
    return {"x": burn(n)}


@api.get("/acpu")
async def acpu(n: int = 300_000):
    return {"x": burn(n)}


@api.get("/areq")
async def areq(ms: float = 200):
    return call_out(ms)


@api.get("/ping")
async def ping():
    return {"pong": 1}
