"""The same work as a task of Celery; messages and results are files in the folder FLEET."""

import os
from pathlib import Path

import fleet_app
from celery import Celery

FOLDER = Path(os.environ["FLEET"])
for name in ("messages", "results", "processed", "control"):
    (FOLDER / name).mkdir(exist_ok=True)

app = Celery("fleet", broker="filesystem://", backend=f"file://{FOLDER}/results")
app.conf.update(
    broker_transport_options={
        "data_folder_in": str(FOLDER / "messages"),
        "data_folder_out": str(FOLDER / "messages"),
        "processed_folder": str(FOLDER / "processed"),
        "control_folder": str(FOLDER / "control"),
    },
    # One at a time, to whoever is free.
    worker_prefetch_multiplier=1,
)


@app.task
def work():
    return fleet_app.work()
